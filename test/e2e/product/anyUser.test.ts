import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ensureNamespaces } from '../../../demo/product.ts';
import { chartPath, type Rendered } from '../../support/chart.ts';
import { startTestServer, useProduct } from '../../support/product.ts';

/** A cluster that gives each namespace ids of its own, as OpenShift does: a uid that no image knows, the root group, a group for volumes. */
const ids = { runAsUser: 1_000_660_000 + Math.floor(Math.random() * 10_000), runAsGroup: 0, fsGroup: 1_000_670_000 };

it('a server with its embedded PostgreSQL starts and starts again as a user whom nobody knows, with a group that came with the volume', async () => {
  const product = await useProduct();
  const server = await startTestServer(
    product,
    { namespace: 'e2e-any-user', name: 'office' },
    {},
    {
      fixedIds: 'Disabled',
      podTemplate: { spec: { securityContext: ids } },
    },
  );
  const { kubectl } = product;
  const whoAmI = `
    const at = (path) => { const s = fs.statSync(path); return [s.uid, s.gid] };
    let name; try { name = os.userInfo().username } catch { name = null }
    const data = '/var/Softonit/Licence Server';
    console.log(JSON.stringify({ name, uid: process.getuid(), gid: process.getgid(), data: at(data), postgres: at(data + '/postgres') }))`;
  const inPod = async () =>
    JSON.parse(
      await kubectl(['-n', server.namespace, 'exec', 'deploy/office', '-c', 'server', '--', 'node', '-e', whoAmI]),
    );
  const expected = { name: null, uid: ids.runAsUser, gid: 0, postgres: [ids.runAsUser, ids.fsGroup] };
  expect(await inPod()).toMatchObject(expected);
  const held = await server.checkOut('anna', 'sticky');
  expect(held.status).toBe(201);

  const { metadata } = await server.pod();
  await kubectl(['-n', server.namespace, 'delete', 'pod', metadata.name]);
  await kubectl(['-n', server.namespace, 'rollout', 'status', 'deploy/office', '--timeout=120s']);
  await server.waitFor('Ready');
  expect(await inPod()).toMatchObject(expected);
  expect((await server.status()).products).toMatchObject([{ product: 'erp', seatsInUse: 1 }]);
}, 300_000);

it.each([
  [
    'licence-operator',
    ['crds.enabled=false', 'rbac.aggregate=false', 'serverImage.repository=localhost/licence-server'],
  ],
  ['licence-authority', []],
])(
  '%s runs as such a user',
  async (chart, values) => {
    const { kubectl } = await useProduct();
    const namespace = `e2e-any-user-${chart.slice('licence-'.length)}`;
    await ensureNamespaces(kubectl, [namespace]);
    const all = [`image.repository=localhost/${chart}`, 'image.tag=dev', 'fixedIds=Disabled', ...values];
    const args = ['template', 'any', chartPath(chart), '-n', namespace, ...all.flatMap((value) => ['--set', value])];
    const objects = parseAllDocuments(await kubectl.helm(args))
      .map((document) => document.toJS() as Rendered | null)
      .filter((object) => object !== null && object.kind !== 'Pod');
    for (const object of objects) {
      if (object?.kind === 'Deployment') Object.assign(object.spec.template.spec.securityContext, ids);
    }
    await kubectl.apply(objects);
    const name = objects.find((object) => object?.kind === 'Deployment')?.metadata.name ?? '';
    await kubectl(['-n', namespace, 'rollout', 'status', `deploy/${name}`, '--timeout=180s']);
    const uid = await kubectl(['-n', namespace, 'exec', `deploy/${name}`, '--', 'node', '-p', 'process.getuid()']);
    expect(Number(uid)).toBe(ids.runAsUser);
  },
  300_000,
);

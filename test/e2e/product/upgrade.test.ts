import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureEarlierBuild, upgradedFrom } from '../../../cluster/earlier.ts';
import { CommandFailed, run } from '../../../cluster/process.ts';
import { connectVendor, ensureNamespaces, type Vendor } from '../../../demo/product.ts';
import { reachEmbedded } from '../../../demo/reach.ts';
import { orSkipped } from '../../support/orSkipped.ts';
import { eventually, type Product, startTestServer, type TestServer, useProduct } from '../../support/product.ts';
import { repository } from '../../support/sources.ts';

// The build that people have, with its own charts and images beside today's installation, upgraded as docs/upgrading.md says.
// The CustomResourceDefinition is the cluster's only one, and today's from the beginning: test/kube/licenceServer/crdUpgrade.test.ts
// has that of the earlier build replaced.

const [system, vendorSide, namespace] = ['e2e-upgrade-system', 'e2e-upgrade-vendor', 'e2e-upgrade'] as const;

const earlier = await orSkipped(ensureEarlierBuild(upgradedFrom));

describe.skipIf(earlier === undefined)('an upgrade', () => {
  let product: Product;
  let vendor: Vendor;
  let server: TestServer;
  const { charts, commit, images } = earlier ?? { charts: '', commit: '', images: [] };
  const helm = (args: readonly string[]) =>
    product.kubectl.helm([...args, '--wait', '--timeout', '3m'], { timeoutMs: 200_000 });
  const set = (values: readonly string[]) => values.flatMap((value) => ['--set', value]);
  const tags = (tag: string) => ({
    operator: set([`image.tag=${tag}`, `serverImage.tag=${tag}`]),
    authority: set([`image.tag=${tag}`]),
  });
  /** As docs/upgrading.md has it. */
  const upgrade = (release: string, at: string, values: readonly string[]) =>
    helm(['upgrade', release, join(repository, 'charts', release), '-n', at, '--reset-then-reuse-values', ...values]);

  /** What must be afterwards what it was before. */
  const kept = async () => {
    const [identity, tokens, claim, vendorTokens] = await Promise.all([
      product.kubectl.secret(namespace, `${server.name}-identity`),
      product.kubectl.secret(namespace, `${server.name}-tokens`),
      product.kubectl.get<{ metadata: { uid: string } }>(namespace, 'pvc', `${server.name}-data`),
      product.kubectl.secret(vendorSide, 'licence-authority-tokens'),
    ]);
    const { fingerprint, keys } = await server.status();
    const [{ keyId, activatedAt, generation, state } = {}] = keys as Partial<(typeof keys)[number]>[];
    const { body } = await server.call('admin', 'GET', '/v1/leases?product=erp&limit=100');
    const leases = body.leases as { leaseId: string; mode: string; acquiredAt: string; holder: { user: string } }[];
    return {
      identity,
      tokens,
      vendorToken: vendorTokens.vendor,
      claim: claim?.metadata.uid,
      computer: fingerprint,
      key: { keyId, activatedAt, generation, state },
      trustedKeys: (JSON.parse(await vendor.jwks()).keys as { kid: string; x: string }[]).map(({ kid, x }) => ({
        kid,
        x,
      })),
      seats: leases.map(({ leaseId, mode, acquiredAt, holder }) => ({ leaseId, mode, acquiredAt, user: holder.user })),
    };
  };
  const plan = async () => {
    const args = ['operator/main.ts', 'plan', '-n', namespace, '--image', 'localhost/licence-server:dev', '-o', 'json'];
    return run(process.execPath, args, {
      cwd: repository,
      env: { KUBECONFIG: product.cluster.kubeconfig, OPERATOR_MAX_ROLLOUTS: '1' },
    }).catch((error: unknown) => (error instanceof CommandFailed ? error.output : Promise.reject(error))); // ends with 2: something restarts
  };
  const rolls = async (): Promise<number> => {
    const args = ['-n', namespace, 'get', 'rs', '-l', `app.kubernetes.io/instance=${server.name}`, '-o', 'name'];
    return (await product.kubectl(args)).trim().split('\n').length;
  };

  let before: Awaited<ReturnType<typeof kept>>;
  beforeAll(async () => {
    product = await useProduct();
    await product.cluster.loadImages(images);
    await ensureNamespaces(product.kubectl, [system, vendorSide, namespace]);
    const install = (chart: string, at: string, values: readonly string[]) =>
      helm(['install', chart, join(charts, chart), '-n', at, ...values]);
    await Promise.all([
      install('licence-operator', system, [
        ...set(['image.repository=localhost/licence-operator', 'serverImage.repository=localhost/licence-server']),
        ...set(['crds.enabled=false', 'rbac.aggregate=false', `watch.namespaces[0]=${namespace}`]),
        ...tags(commit).operator,
      ]),
      install('licence-authority', vendorSide, [
        ...set(['image.repository=localhost/licence-authority']),
        ...tags(commit).authority,
      ]),
    ]);
    const { cluster, kubectl } = product;
    vendor = await connectVendor({ kubectl, reach: reachEmbedded(cluster, kubectl) }, vendorSide);
    server = await startTestServer(
      { ...product, vendor },
      { namespace, name: 'office' },
      { seatLimit: 20 },
      { seats: { leaseSeconds: 3_600 } },
    );
    for (const [user, mode] of [
      ['anna', 'leased'],
      ['boris', 'leased'],
      ['vera', 'sticky'],
    ] as const) {
      expect((await server.checkOut(user, mode)).status).toBe(201);
    }
    before = await kept();
    expect(before.seats).toHaveLength(3);
  });
  afterAll(async () => {
    await product.kubectl(['-n', namespace, 'delete', 'lics', '--all', '--timeout=60s']).catch(() => {});
    for (const [release, at] of [
      ['licence-operator', system],
      ['licence-authority', vendorSide],
    ]) {
      await product.kubectl.helm(['uninstall', release ?? '', '-n', at ?? '']).catch(() => {});
    }
  });

  it('is told beforehand by the plan of the new version', async () => {
    const told = await plan();
    expect(told).toContain('ImageChanged');
    expect(await kept()).toEqual(before);
  });

  it('restarts the server once, for its new image, and keeps its data, tokens, identity and seats', async () => {
    const pod = await server.pod();
    await upgrade('licence-operator', system, tags('dev').operator);
    await eventually('the server of today', 150_000, async () => {
      const now = await server.pod();
      return now.metadata.uid !== pod.metadata.uid && now.status.containerStatuses?.every(({ ready }) => ready);
    });
    await server.waitFor('Ready');
    expect(await eventually('an answer', 60_000, kept)).toEqual(before);
    for (const { leaseId } of before.seats)
      expect((await server.call('client', 'POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
    expect(await rolls()).toBe(2);
  });

  it('restarts nothing that does not need it', async () => {
    const pod = await server.pod();
    await upgrade('licence-operator', system, set(['operator.logLevel=debug']));
    // an edit that reaches no pod is seen by the operator that came with it
    const patch = JSON.stringify({ spec: { keyRotation: { verifyTimeout: '7m' } } });
    await product.kubectl(['-n', namespace, 'patch', 'lics', server.name, '--type=merge', '-p', patch]);
    await eventually('the edit seen', 60_000, async () => {
      const { metadata, status } = await server.observed();
      return status?.observedGeneration === metadata.generation;
    });
    expect((await server.pod()).metadata.uid).toBe(pod.metadata.uid);
    expect(await rolls()).toBe(2);
  });

  it('keeps the vendor’s licences, tokens and signing keys', async () => {
    await upgrade('licence-authority', vendorSide, tags('dev').authority);
    expect(await eventually('the authority of today', 60_000, kept)).toEqual(before);
  });

  it('leaves a licence of before as good as a new one: a regenerated key of it is activated', async () => {
    const regenerated = await vendor.regenerate(server.key.licenceId);
    expect(regenerated).toMatchObject({ generation: 2, regenerationsLeft: 2 });
    const check = await server.call('admin', 'POST', '/v1/keys:check', { key: regenerated.key });
    expect(check.body).toMatchObject({ usable: true, generation: 2, seatLimit: 20 });
  });
});

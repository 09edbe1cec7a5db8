import { beforeAll, describe, expect, it } from 'vitest';
import { eventually, type Observed, type Product, startTestServer, useProduct } from '../../support/product.ts';

const namespace = 'e2e-backup';
const destination = { claim: { claimName: 'backups', subPath: 'office' } };
const roles = ['client', 'admin', 'metrics'];

describe('a backup in a claim', () => {
  let product: Product;
  beforeAll(async () => {
    product = await useProduct();
  });
  const identityOf = async (name: string) => {
    const tokens = await product.kubectl.secret(namespace, `${name}-tokens`);
    const { 'identity.pem': identity } = await product.kubectl.secret(namespace, `${name}-identity`);
    return { identity, tokens: roles.map((role) => tokens[role]) };
  };

  it('is made by a pod, and a new LicenceServer starts from it: the same identity, tokens, activation and seats, no key regenerated', async () => {
    const { kubectl } = product;
    const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '256Mi' } } };
    await kubectl.apply([
      { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'backups', namespace }, spec: claim },
    ]);
    const backup = { schedule: '0 3 * * *', includeSecrets: true, destination };
    const storage = { reclaimPolicy: 'Delete' } as const;
    const old = await startTestServer(product, { namespace, name: 'old' }, {}, { backup, storage });
    expect((await old.checkOut('anna', 'sticky')).status).toBe(201);
    await old.waitFor('BackedUp');
    // one more, with the seat in it
    const pod = await old.pod();
    const inPod = (command: string) =>
      kubectl([
        '-n',
        namespace,
        'exec',
        pod.metadata.name,
        '-c',
        'server',
        '--',
        'node',
        '/app/dist/server/main.js',
        command,
      ]);
    await inPod('backup');
    const [archive] = (await inPod('backups')).split('\t');
    expect(archive).toMatch(/^licence-server-[0-9a-f]{16}-\d{8}T\d{6}Z\.tar\.gz$/);
    const before = { ...(await identityOf('old')), fingerprint: (await old.observed()).status?.fingerprint };
    const [key] = (await old.status()).keys;
    await kubectl(['-n', namespace, 'delete', 'licenceserver', 'old', '--timeout=90s'], { timeoutMs: 100_000 });
    await eventually('its identity is gone', 30_000, async () => {
      return (await kubectl.get(namespace, 'secret', 'old-identity')) === undefined;
    });

    const at = { namespace, name: 'new' };
    const restoreFrom = { destination };
    const server = await startTestServer(product, { ...at, key: old.key }, {}, { restoreFrom });
    const observed = (await server.observed()) as Observed & { status: { restore?: { archive?: string } } };
    expect({ ...(await identityOf('new')), fingerprint: observed.status.fingerprint }).toEqual(before);
    expect(observed.status.restore).toMatchObject({ archive });
    const { keys, products } = await server.status();
    expect(keys).toMatchObject([
      { state: 'Active', generation: 1, activatedAt: key?.activatedAt, regenerationsLeft: 3 },
    ]);
    expect(products).toMatchObject([{ product: 'erp', seatsInUse: 1 }]);
    const { body } = await server.call('admin', 'GET', '/v1/leases');
    expect(body.leases).toMatchObject([{ holder: { user: 'anna' } }]);
    // what the Job was made of is not left behind
    for (const [kind, name] of [
      ['secret', 'new-restored'],
      ['role', 'new-restore'],
    ] as const) {
      await eventually(`${kind} ${name} is gone`, 60_000, async () => {
        return (await kubectl.get(namespace, kind, name)) === undefined;
      });
    }
    expect(await kubectl(['-n', namespace, 'get', 'jobs', '-o', 'name'])).toBe('');
  });
});

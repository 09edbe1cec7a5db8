import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { keySecret, vendorNamespace } from '../../../demo/product.ts';
import { createKey } from '../../../licence/key.ts';
import {
  always,
  eventually,
  type Product,
  startTestServer,
  type TestServer,
  useProduct,
} from '../../support/product.ts';

const namespace = 'e2e-rotation';
const customerToken = randomUUID();

describe('a key rotation with kubectl', () => {
  let product: Product;
  let server: TestServer;

  beforeAll(async () => {
    product = await useProduct();
    server = await startTestServer(product, { namespace }, { seatLimit: 3 });
    // As a vendor hands out a token of one customer; it is taken up while the other tests run.
    const tokens = JSON.stringify({ stringData: { customer: `${customerToken} Test Ltd` } });
    await product.kubectl(['-n', vendorNamespace, 'patch', 'secret', 'licence-authority-tokens', '-p', tokens]);
  });

  const rotateTo = (key: string) => product.kubectl.apply([keySecret(namespace, server.name, key)]);
  const files = async () => {
    const path = '/var/Softonit/Licence Server/Licence';
    const out = await product.kubectl(['-n', namespace, 'exec', `deploy/${server.name}`, '--', 'ls', path]);
    return out.split('\n').filter((f) => f.endsWith('.lic'));
  };
  const rotation = async () => (await server.observed()).status?.rotation;

  it('with a wrong key changes nothing that runs, and says why', async () => {
    const pod = await server.pod();
    const lease = await server.checkOut('anna', 'leased');
    // Well-formed, but the authority has never seen it.
    await rotateTo(createKey(new Uint8Array(16).fill(7)));
    await eventually('the reason in status', 60_000, async () => (await rotation())?.reason === 'KeyUnknown');
    await rotateTo('7K2QF-WRONG');
    await eventually('the other reason in status', 60_000, async () => {
      return JSON.stringify((await server.observed()).status).includes('KeyMalformed');
    });
    await always('the pod stays', 10_000, async () => (await server.pod()).metadata.uid === pod.metadata.uid);
    expect((await server.call('client', 'POST', `/v1/leases/${lease.body.leaseId}/heartbeat`)).status).toBe(200);
    const { status } = await server.observed();
    expect(status?.conditions?.find((c) => c.type === 'Available')?.status).toBe('True');
    expect(JSON.stringify(status)).not.toContain('7K2QF');
  });

  it('is staged, checked, rolled and proven, and the old activation is gone', async () => {
    const pod = await server.pod();
    const before = await files();
    const seat = await server.checkOut('anna', 'leased');
    const next = await product.vendor.issue({ organisation: 'Test Ltd', product: 'erp', seatLimit: 7 });
    await rotateTo(next.key);
    await eventually('the rotation to end', 150_000, async () => {
      const key = (await server.observed()).status?.keys?.find((k) => k.name === 'erp');
      return key?.keyId === next.keyId && key.state === 'Active';
    });
    expect((await rotation())?.phase ?? 'Active').toBe('Active');
    expect((await server.pod()).metadata.uid).not.toBe(pod.metadata.uid);
    const after = await eventually('the old activation gone', 30_000, async () => {
      const now = await files();
      return now.length === 1 && now;
    });
    expect(after).not.toEqual(before);
    expect((await server.status()).products).toMatchObject([{ product: 'erp', seatLimit: 7, seatsInUse: 1 }]);
    // The seat that was held is held by the same lease.
    expect((await server.checkOut('anna', 'leased')).body.leaseId).toBe(seat.body.leaseId);
  });

  it('is not needed to activate again: that is asked for by an annotation, and proven by a new activation', async () => {
    const pod = await server.pod();
    const key = async () => (await server.observed()).status?.keys?.find((k) => k.name === 'erp');
    const before = await key();
    const annotation = 'licensing.softonit.ru/reactivate-at=once';
    await product.kubectl(['-n', namespace, 'annotate', 'lics', server.name, '--overwrite', annotation]);
    await eventually('the proof', 150_000, async () => {
      return (await server.observed()).status?.reactivation?.provenAt !== undefined;
    });
    const after = await key();
    expect(after).toMatchObject({ keyId: before?.keyId, state: 'Active' });
    expect(after?.activatedAt).not.toBe(before?.activatedAt);
    expect((await server.pod()).metadata.uid).not.toBe(pod.metadata.uid);
    expect(await files()).toHaveLength(1);
  });

  it('to a regenerated key of the same licence keeps its seats and spends one regeneration', async () => {
    const fresh = await startTestServer(product, { namespace }, { seatLimit: 4 });
    const regenerated = await product.vendor.regenerate(fresh.key.licenceId);
    expect(regenerated.regenerationsLeft).toBe(2);
    await product.kubectl.apply([keySecret(namespace, fresh.name, regenerated.key)]);
    await eventually('the rotation to end', 150_000, async () => {
      const key = (await fresh.observed()).status?.keys?.find((k) => k.name === 'erp');
      return key?.generation === 2 && key.state === 'Active';
    });
    expect((await fresh.status()).products).toMatchObject([{ product: 'erp', seatLimit: 4 }]);
  });

  it('by an annotation: the authority makes the key, the operator keeps it and rotates to it; with the budget spent it says until when', async () => {
    const issued = await product.vendor.issue({ organisation: 'Test Ltd', product: 'erp', seatLimit: 2 });
    await product.vendor.regenerate(issued.licenceId);
    const key = await product.vendor.regenerate(issued.licenceId);
    expect(key.regenerationsLeft).toBe(1);
    const office = await startTestServer(product, { namespace, key });
    const stringData = { token: customerToken };
    const name = `${office.name}-customer`;
    await product.kubectl.apply([{ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData }]);
    const lics = ['lics', office.name];
    const authority = { tokenSecretRef: { name, key: 'token' } };
    const patch = JSON.stringify({ spec: { activation: { authority } } });
    await product.kubectl(['-n', namespace, 'patch', ...lics, '--type=merge', '-p', patch]);
    const ask = (value: string) =>
      product.kubectl([
        '-n',
        namespace,
        'annotate',
        ...lics,
        '--overwrite',
        `licensing.softonit.ru/regenerate-at=${value}`,
      ]);
    const regeneration = async () => (await office.observed()).status?.regeneration;

    await ask('1');
    await eventually('the new key', 150_000, async () => {
      const now = (await office.observed()).status?.keys?.find((k) => k.name === 'erp');
      return now?.generation === 4 && now.state === 'Active';
    });
    expect(await regeneration()).toMatchObject({ phase: 'Made', regenerationsLeft: 0 });
    expect((await office.status()).products).toMatchObject([{ product: 'erp', seatLimit: 2 }]);

    const pod = await office.pod();
    await ask('2');
    const refused = await eventually('the refusal', 60_000, async () => {
      const now = await regeneration();
      return now?.phase === 'Refused' && now;
    });
    expect(refused).toMatchObject({ reason: 'RegenerationLimit', regenerationsLeft: 0 });
    expect(Date.parse(refused.regenerationsResetAt ?? '')).toBeGreaterThan(Date.now());
    expect(refused.message).toContain(refused.regenerationsResetAt);
    expect((await office.pod()).metadata.uid).toBe(pod.metadata.uid);
  });
});

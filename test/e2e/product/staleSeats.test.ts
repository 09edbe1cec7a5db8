import { beforeAll, describe, expect, it } from 'vitest';
import {
  always,
  eventually,
  type Product,
  startTestServer,
  type TestServer,
  useProduct,
} from '../../support/product.ts';

const namespace = 'e2e-stale';

describe('stale seats', () => {
  let product: Product;
  let server: TestServer;

  const patch = (spec: unknown) =>
    product.kubectl([
      ...['-n', namespace, 'patch', 'licenceserver', server.name, '--type=merge', '-p'],
      JSON.stringify({ spec: { staleSeats: spec } }),
    ]);
  const stale = async () => (await server.status()).products.find((p) => p.product === 'erp')?.seatsStale;
  /** Lets sticky seats of a base that then falls silent become stale. */
  const leaveBehind = async (users: readonly string[], base: string) => {
    for (const user of users) expect((await server.checkOut(user, 'sticky', base)).status).toBe(201);
    await eventually('stale seats', 120_000, async () => (await stale()) === users.length);
  };
  const lastClearing = async () => (await server.observed()).status?.staleSeats?.lastClearing;

  beforeAll(async () => {
    product = await useProduct();
    server = await startTestServer(
      product,
      { namespace },
      { seatLimit: 10 },
      {
        staleSeats: { policy: 'Roll', after: '1m', when: 'Idle', minInterval: '1h' },
        seats: { leaseSeconds: 3_600 },
      },
    );
  });

  it('are cleared by a roll that waits until nobody works, and is proven', async () => {
    const first = await server.pod();
    const worker = await server.checkOut('worker', 'leased');
    await leaveBehind(['anna', 'boris'], 'old-base');
    // Somebody works: the gate is closed, and the resource says what it waits for.
    await eventually('the wait in status', 60_000, async () => {
      const { status } = await server.observed();
      const fresh = status?.conditions?.find((c) => c.type === 'SeatsFresh');
      return fresh?.status === 'False' && /real use/.test(JSON.stringify(status)) ? fresh : undefined;
    });
    expect((await server.pod()).metadata.uid).toBe(first.metadata.uid);

    await server.call('client', 'DELETE', `/v1/leases/${worker.body.leaseId}`);
    const clearing = await eventually('the clearing', 120_000, lastClearing);
    expect(clearing).toMatchObject({ by: 'Roll', before: 2, after: 0 });
    expect((await server.pod()).metadata.uid).not.toBe(first.metadata.uid);
    expect(await stale()).toBe(0);
    const events = await product.kubectl(['-n', namespace, 'get', 'events', '-o', 'json']);
    expect(events).toContain('StaleSeatsCleared');
  });

  it('are not cleared again within minInterval, not even by an operator that was restarted; leases in use survive a roll', async () => {
    const before = await lastClearing();
    const worker = await server.checkOut('worker', 'leased');
    await leaveBehind(['clara'], 'older-base');
    const pod = await server.pod();
    await patch({ when: 'Always' });
    await product.kubectl(['-n', 'licence-system', 'delete', 'pod', '-l', 'app.kubernetes.io/name=licence-operator']);
    await product.kubectl(['-n', 'licence-system', 'rollout', 'status', 'deploy/licence-operator', '--timeout=60s']);
    await eventually('the next disruption in status', 60_000, async () => {
      return (await server.observed()).status?.nextDisruption?.reasons?.includes('StaleSeats');
    });
    await always('no second roll within minInterval', 15_000, async () => {
      return (await server.pod()).metadata.uid === pod.metadata.uid;
    });

    await patch({ minInterval: '1m' });
    await eventually('the second clearing', 150_000, async () => (await lastClearing())?.at !== before?.at);
    expect(await lastClearing()).toMatchObject({ by: 'Roll', before: 1, after: 0 });
    expect((await server.pod()).metadata.uid).not.toBe(pod.metadata.uid);
    const leases = (await server.call('admin', 'GET', '/v1/leases?product=erp')).body;
    expect(JSON.stringify(leases)).toContain(worker.body.leaseId);
    expect((await server.call('client', 'POST', `/v1/leases/${worker.body.leaseId}/heartbeat`)).status).toBe(200);
  });
});

import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startAuthority } from '../../../support/authority.ts';
import { createKeysServer } from '../../../support/keysServer.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from '../support/seatServer.ts';
import { until } from '../support/serverProcess.ts';

// What is only seen when several things come together: kinds of seats, products, servers, keys.

let database: TestDatabase;
let servers: SeatServer[] = [];
const start = async (options: SeatServerOptions) => {
  const server = await startSeatServer(database.url, options);
  servers.push(server);
  return server;
};
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  servers = [];
  await database.drop();
});

it('leased, sticky and reported seats of one product share its limit', async () => {
  const s = await start({ licences: [{ seatLimit: 3 }] });
  expect((await s.checkOut('leased')).status).toBe(201);
  expect((await s.checkOut('sticky', { mode: 'sticky' })).status).toBe(201);
  const { sessions } = (await s.report('trade', ['first', 'second'])).body;
  expect(sessions.map((x: { outcome: string }) => x.outcome)).toEqual(['granted', 'denied']);
  expect((await s.checkOut('late')).body).toMatchObject({ reason: 'SeatsExhausted', seats: { limit: 3, inUse: 3 } });
  const modes = (await s.call('GET', '/v1/leases')).body.leases.map((l: { mode: string }) => l.mode);
  expect(modes.sort()).toEqual(['leased', 'reported', 'sticky']);
});

it('products end each at a time of their own: one that has ended grants nothing, another goes on', async () => {
  const s = await start({
    licences: [
      { product: 'ended', expiresAt: '2025-01-01T00:00:00Z' },
      { product: 'erp', expiresAt: '2999-01-01T00:00:00Z' },
      { product: 'crm' },
    ],
  });
  expect((await s.checkOut('a', { product: 'ended' })).body).toMatchObject({ status: 409, reason: 'KeyExpired' });
  expect((await s.checkOut('a', { product: 'erp' })).status).toBe(201);
  expect((await s.checkOut('a', { product: 'crm' })).status).toBe(201);
  const { products } = (await s.call('GET', '/v1/products')).body;
  expect(products.map((p: Record<string, unknown>) => [p.product, p.expiresAt])).toEqual(
    expect.arrayContaining([
      ['crm', undefined],
      ['erp', '2999-01-01T00:00:00Z'],
    ]),
  );
});

it('seats are reserved by base and by host as by user, and all three together', async () => {
  const reservations = [
    { name: 'base', seats: 1, bases: ['zup*'] },
    { name: 'host', seats: 1, hosts: ['till-?'] },
    { name: 'all', seats: 1, users: ['chief'], bases: ['trade'], hosts: ['office'] },
  ];
  const s = await start({ licences: [{ seatLimit: 3 }], reservations });
  const ask = (base: string, user: string, host: string) => s.checkOut(user, { holder: { base, user, host } });
  const others: [string, string, string][] = [
    ['trade', 'anna', 'pc'],
    ['trade', 'chief', 'pc'],
    ['crm', 'chief', 'office'],
    ['trade', 'anna', 'till-10'],
  ];
  for (const other of others) {
    expect((await ask(...other)).body).toMatchObject({ reason: 'SeatsReserved' });
  }
  expect((await ask('ZUP main', 'anna', 'pc')).status).toBe(201);
  expect((await ask('trade', 'boris', 'till-1')).status).toBe(201);
  expect((await ask('trade', 'chief', 'office')).status).toBe(201);
  const { leases } = (await s.call('GET', '/v1/leases')).body;
  expect(leases.map((l: { reservation: string }) => l.reservation).sort()).toEqual(['all', 'base', 'host']);
});

it('the queue is one for all servers: who came first at one is served before who came later at another', async () => {
  const [one, two] = [await start({ licences: [{ seatLimit: 1 }] }), await start({ licences: [{ seatLimit: 1 }] })];
  const held = (await one.checkOut('anna')).body.leaseId;
  const sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
  const waiters = (n: number) =>
    until(`${n} to wait`, async () => (await sql.query('SELECT FROM waiter')).rowCount === n);
  const first = two.checkOut('first', { wait: 60 });
  await waiters(1);
  const later = one.checkOut('later', { wait: 60 });
  await waiters(2);
  await sql.end();
  await one.call('DELETE', `/v1/leases/${held}`); // where the later one waits
  const served = await first;
  expect(served.status).toBe(201);
  await two.call('DELETE', `/v1/leases/${served.body.leaseId}`);
  expect((await later).status).toBe(201);
});

it('several keys of one product are several licences: their seats add up, a newer key of the same licence does not', async () => {
  const authority = await startAuthority();
  const keys = await createKeysServer(await authority.open());
  try {
    await keys.trust(authority.signingKeys.jwks());
    const [main, branch] = [await authority.issue({ seatLimit: 5 }), await authority.issue({ seatLimit: 7 })];
    await keys.configure({ main: main.key, branch: branch.key });
    await keys.start();
    await keys.keys.refresh();
    expect(keys.seats()).toEqual({ erp: 12 });
    const again = (await authority.call<{ key: string }>('POST', `/v1/licences/${main.licenceId}:regenerate`)).body;
    await keys.configure({ main: main.key, branch: branch.key, again: again.key });
    await keys.keys.refresh();
    expect(keys.keys.status().keys.filter((k) => k.state === 'Active').length).toBeGreaterThanOrEqual(2);
    expect(keys.seats()).toEqual({ erp: 12 });
  } finally {
    await keys.end();
    await authority.end();
  }
});

import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from '../support/seatServer.ts';

let database: TestDatabase;
let client: pg.Client;
let running: SeatServer[] = [];
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterEach(async () => {
  for (const s of running) await s.stop();
  running = [];
  await client.end();
  await database.drop();
});
const start = async (options: SeatServerOptions = {}) => {
  const s = await startSeatServer(database.url, options);
  running.push(s);
  return s;
};
const product = async (s: SeatServer) => (await s.call('GET', '/v1/products')).body.products[0];
const seat = (base: string, user: string, host: string, session = '') => ({ holder: { base, user, host, session } });

it('a person with five windows in three bases on one computer is one seat of a licence that counts users on hosts', async () => {
  const s = await start({ licences: [{ seatLimit: 2, countBy: 'userOnHost' }] });
  const held: string[] = [];
  for (const [base, session] of [
    ['trade', '1'],
    ['trade', '2'],
    ['zup', '3'],
    ['buh', '4'],
    ['buh', '5'],
  ] as const) {
    const answer = await s.checkOut('', seat(base, session === '3' ? 'ANNA' : 'anna', 'PC-1', session));
    expect([answer.status, answer.body.seats, answer.body.countBy]).toEqual([
      201,
      { limit: 2, inUse: 1 },
      'userOnHost',
    ]);
    held.push(answer.body.leaseId);
  }
  expect((await s.checkOut('', seat('trade', 'anna', 'laptop'))).body.seats.inUse).toBe(2);
  expect((await s.checkOut('', seat('trade', 'boris', 'pc-1'))).body.reason).toBe('SeatsExhausted');
  const { leases } = (await s.call('GET', '/v1/leases')).body;
  expect(leases.filter((l: { seat: string }) => l.seat === 'anna on pc-1')).toHaveLength(5);
  // the last one gives it back
  for (const leaseId of held.slice(0, 4)) await s.call('DELETE', `/v1/leases/${leaseId}`);
  expect((await s.checkOut('', seat('trade', 'boris', 'pc-1'))).status).toBe(409);
  await s.call('DELETE', `/v1/leases/${held[4]}`);
  expect((await s.checkOut('', seat('trade', 'boris', 'pc-1'))).status).toBe(201);
  expect(await product(s)).toMatchObject({ seatsInUse: 2, countBy: 'userOnHost' });
});

it('all three kinds of client share the seat: leased, reported and sticky', async () => {
  const s = await start({ licences: [{ seatLimit: 1, countBy: 'user' }] });
  expect((await s.checkOut('anna')).status).toBe(201);
  expect((await s.checkOut('anna', { mode: 'sticky' }, 'files')).status).toBe(201);
  const reported = await s.report('trade', ['anna', 'boris']);
  expect(reported.body.sessions.map((r: { outcome: string }) => r.outcome)).toEqual(['granted', 'denied']);
  expect(reported.body.products).toEqual([{ product: 'erp', features: [], countBy: 'user' }]);
  expect((await product(s)).seatsInUse).toBe(1);
  expect((await s.report('trade', [])).body.released).toBe(1);
  expect((await product(s)).seatsInUse).toBe(1);
});

it('a lease that expires, or is cleared as stale, leaves the seat to those who share it', async () => {
  const s = await start({ licences: [{ seatLimit: 1, countBy: 'user' }], leaseMs: 10_000, staleAfterMs: 60_000 });
  await s.checkOut('anna');
  await s.checkOut('anna', { mode: 'sticky' }, 'files');
  await client.query("UPDATE lease SET expires_at = now() - interval '1 s' WHERE kind = 0");
  await client.query("UPDATE pool SET next_expiry = now() - interval '1 s', frozen_until = '-infinity'");
  expect((await s.checkOut('boris')).status).toBe(409);
  expect((await client.query('SELECT leases FROM seat')).rows).toEqual([{ leases: 1 }]);
  await client.query(
    "UPDATE base SET seen_at = now() - interval '1 h'; UPDATE lease SET renewed_at = now() - interval '1 h'",
  );
  expect((await s.call('POST', '/v1/stale:release', { reason: 'night' })).body).toMatchObject({ released: 1, kept: 0 });
  expect((await s.checkOut('boris')).status).toBe(201);
});

it('seats that are held are counted anew when the licence comes to count otherwise, and nobody loses one', async () => {
  const s = await start({ licences: [{ seatLimit: 9 }] });
  for (const [user, session] of [
    ['anna', '1'],
    ['anna', '2'],
    ['boris', '1'],
  ] as const)
    await s.checkOut('', seat('trade', user, 'pc', session));
  expect((await product(s)).seatsInUse).toBe(3);
  await s.setLicences([{ seatLimit: 9, countBy: 'user' }]);
  expect((await product(s)).seatsInUse).toBe(2);
  expect((await s.checkOut('', seat('trade', 'anna', 'pc', '3'))).body.seats.inUse).toBe(2);
  await s.setLicences([{ seatLimit: 9, countBy: 'base' }]);
  expect((await product(s)).seatsInUse).toBe(1);
  await s.setLicences([{ seatLimit: 9 }]);
  expect((await product(s)).seatsInUse).toBe(4);
  expect((await client.query('SELECT FROM seat')).rowCount).toBe(0);
});

it('two keys of a product that count otherwise: the second adds no seats, and it is said why', async () => {
  const s = await start({
    licences: [
      { licenceId: 'b', keyId: 'second000000', seatLimit: 50, issuedAt: '2026-02-01T00:00:00Z' },
      { licenceId: 'a', keyId: 'first0000000', seatLimit: 2, countBy: 'user', issuedAt: '2026-01-01T00:00:00Z' },
    ],
  });
  expect(await product(s)).toMatchObject({ seatLimit: 2, countBy: 'user' });
  expect((await s.call('GET', '/v1/status')).body.trouble).toMatch(/key second000000 adds no seats of erp/);
});

it('beyond the limit a licence may lend some seats: marked in the answer, the history and the counts', async () => {
  const s = await start({ licences: [{ seatLimit: 2, overdraftSeats: 1 }] });
  const marks: unknown[] = [];
  for (const user of ['a', 'b', 'c']) marks.push((await s.checkOut(user)).body.overdraft);
  expect(marks).toEqual([undefined, undefined, true]);
  expect((await s.checkOut('c')).body).not.toHaveProperty('overdraft'); // renewed: nothing is lent anew
  expect((await s.checkOut('d')).body).toMatchObject({ reason: 'SeatsExhausted', seats: { limit: 2, inUse: 3 } });
  expect((await client.query("SELECT count(*)::int AS n FROM event WHERE code = 'O'")).rows).toEqual([{ n: 1 }]);
  expect(await product(s)).toMatchObject({ seatsInUse: 3, overdraftSeats: 1, seatsOverdrawn: 1, seatsAvailable: 0 });
  expect((await s.call('GET', '/v1/status')).body.products[0].seatsOverdrawn).toBe(1);
  expect((await s.call('GET', '/metrics')).body).toMatch(/^licence_seats_overdrawn\{product="erp"\} 1$/m);
  const many = await s.report('trade', ['e']);
  expect(many.body.sessions[0].outcome).toBe('denied');
});

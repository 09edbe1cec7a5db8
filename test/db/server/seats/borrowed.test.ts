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
const lending = { seatLimit: 5, borrow: { maxHours: 48, keepFree: 3 } };
const start = async (options: SeatServerOptions = { licences: [lending] }) => {
  const s = await startSeatServer(database.url, options);
  running.push(s);
  return s;
};
const borrow = (s: SeatServer, user: string, hours: unknown = 48) => s.checkOut(user, { mode: 'borrowed', hours });
const product = async (s: SeatServer) => {
  await s.store.count();
  return (await s.call('GET', '/v1/products')).body.products[0];
};

it('BORROW: a seat is taken along to its end with a proof, is prolonged, and comes back early', async () => {
  const s = await start();
  const before = Date.now();
  const taken = await borrow(s, 'anna');
  expect(taken.status).toBe(201);
  expect(taken.body).not.toHaveProperty('heartbeatAfterSeconds');
  const until = Date.parse(taken.body.expiresAt);
  expect(until - before).toBeGreaterThan(48 * 3_600_000 - 60_000);
  const payload = JSON.parse(Buffer.from(taken.body.proof.split('.')[1], 'base64url').toString());
  expect(payload).toMatchObject({
    leaseId: taken.body.leaseId,
    nonce: taken.body.leaseId,
    exp: Math.floor(until / 1000),
  });
  expect(await product(s)).toMatchObject({ seatsInUse: 1, seatsBorrowed: 1, seatsLost: 0, borrow: lending.borrow });
  expect((await s.call('GET', '/metrics')).body).toMatch(/^licence_seats_borrowed\{product="erp"\} 1$/m);
  const again = await borrow(s, 'anna', 1);
  expect([again.status, again.body.leaseId]).toEqual([200, taken.body.leaseId]);
  expect(Date.parse(again.body.expiresAt)).toBe(until); // what was promised stays promised
  expect((await s.call('DELETE', `/v1/leases/${taken.body.leaseId}`)).status).toBe(204);
  expect(await product(s)).toMatchObject({ seatsInUse: 0, seatsBorrowed: 0 });
});

it('BORROW_LOWWATER: so many seats always stay here', async () => {
  const s = await start();
  for (const user of ['anna', 'boris']) expect((await borrow(s, user)).status).toBe(201);
  const third = await borrow(s, 'vera');
  expect([third.status, third.body.reason]).toEqual([409, 'BorrowLimit']);
  expect(third.body.detail).toContain('2 seats of erp may be borrowed at once, and 2 are');
  for (const user of ['vera', 'x', 'y']) expect((await s.checkOut(user)).status).toBe(201);
  expect((await borrow(s, 'anna')).status).toBe(200); // of the two that are away
});

it('what is taken along survives heartbeats, reports, clearing, a restart, and is nobody else’s before its end', async () => {
  const s = await start({ licences: [{ seatLimit: 1, borrow: { maxHours: 48, keepFree: 0 } }], staleAfterMs: 60_000 });
  const { leaseId, expiresAt } = (await borrow(s, 'anna')).body;
  expect((await s.call('POST', `/v1/leases/${leaseId}/heartbeat`)).body).toEqual({});
  expect((await s.checkOut('anna')).body.leaseId).toBe(leaseId); // the same holder, as ever
  expect((await s.report('buh', ['anna'])).body.sessions[0]).toMatchObject({ outcome: 'renewed', leaseId });
  expect((await s.report('buh', [])).body.released).toBe(0);
  await client.query(
    "UPDATE base SET seen_at = now() - interval '1 h'; UPDATE lease SET renewed_at = now() - interval '1 h'",
  );
  await s.call('POST', '/v1/stale:release', { reason: 'night' });
  const two = await start({ licences: [{ seatLimit: 1, borrow: { maxHours: 48, keepFree: 0 } }] });
  const { leases } = (await two.call('GET', '/v1/leases')).body;
  expect(leases).toMatchObject([{ leaseId, mode: 'borrowed', state: 'active', expiresAt }]);
  expect((await two.checkOut('boris')).body.reason).toBe('SeatsExhausted');
  await client.query("UPDATE lease SET expires_at = now() - interval '1 s'");
  await client.query("UPDATE pool SET next_expiry = now() - interval '1 s', frozen_until = '-infinity'");
  expect((await two.checkOut('boris')).status).toBe(201);
});

it('an administrator cannot call it back, but writes it off: it counts as lost until its end', async () => {
  const s = await start();
  const { leaseId, expiresAt } = (await borrow(s, 'anna')).body;
  const back = await s.call('POST', `/v1/leases/${leaseId}:release`, { reason: 'needed' });
  expect([back.status, back.body.reason]).toEqual([409, 'SeatBorrowed']);
  const off = await s.call('POST', `/v1/leases/${leaseId}:writeOff`, { reason: 'stolen' });
  expect([off.status, off.body]).toEqual([200, { countsUntil: expiresAt }]);
  expect(await product(s)).toMatchObject({ seatsInUse: 1, seatsBorrowed: 0, seatsLost: 1 });
  expect((await s.call('GET', '/v1/leases')).body.leases).toMatchObject([{ mode: 'borrowed', writtenOff: true }]);
  expect((await s.call('GET', '/metrics')).body).toMatch(/^licence_seats_lost\{product="erp"\} 1$/m);
  expect((await s.call('GET', '/v1/audit')).body.acts[0]).toMatchObject({ reason: 'stolen' });
  const none = await s.call('POST', `/v1/leases/${(await s.checkOut('boris')).body.leaseId}:writeOff`, { reason: 'x' });
  expect([none.status, none.body.reason]).toEqual([404, 'LeaseUnknown']);
});

it('rules hold for what is borrowed, and a seat that is held becomes a borrowed one', async () => {
  const s = await start({
    licences: [lending],
    rules: [{ name: 'no-guests', match: { users: ['guest*'] }, allow: false }],
  });
  expect((await borrow(s, 'guest')).body).toMatchObject({ reason: 'NotPermitted', rule: 'no-guests' });
  const { leaseId } = (await s.checkOut('anna')).body;
  expect((await borrow(s, 'anna')).body.leaseId).toBe(leaseId);
  expect(await product(s)).toMatchObject({ seatsInUse: 1, seatsBorrowed: 1 });
});

it('what the licence does not allow, and what makes no sense, is refused with field and rule', async () => {
  const ends = new Date(Date.now() + 10 * 3_600_000).toISOString();
  const s = await start({
    licences: [lending, { product: 'crm' }, { product: 'zup', expiresAt: ends, borrow: { maxHours: 48, keepFree: 0 } }],
  });
  for (const hours of [0, -1, 1.5, '48', 9_000]) {
    const { status, body } = await borrow(s, 'anna', hours);
    expect([status, body.detail]).toEqual([400, 'hours: must be a whole number from 1 to 8784']);
  }
  expect((await borrow(s, 'anna', 49)).body.detail).toContain('hours: at most 48');
  expect((await s.checkOut('anna', { mode: 'borrowed' })).body.detail).toContain(
    'hours: belongs to the mode "borrowed"',
  );
  expect((await s.checkOut('anna', { hours: 3 })).status).toBe(400);
  const late = await s.checkOut('anna', { mode: 'borrowed', hours: 11, product: 'zup' });
  expect([late.status, late.body.detail]).toEqual([400, expect.stringContaining('hours: the licence of zup ends at')]);
  const none = await s.checkOut('anna', { mode: 'borrowed', hours: 1, product: 'crm' });
  expect([none.status, none.body.reason]).toEqual([409, 'BorrowNotLicensed']);
  const explained = await s.call('POST', '/v1/checkouts:explain', {
    product: 'crm',
    holder: { base: 'buh', user: 'anna', host: 'pc' },
    mode: 'borrowed',
    hours: 1,
  });
  expect(explained.body).toMatchObject({ granted: false, reason: 'BorrowNotLicensed' });
});

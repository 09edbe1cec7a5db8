import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from '../support/seatServer.ts';

let database: TestDatabase;
let running: SeatServer[] = [];
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
});
afterEach(async () => {
  for (const s of running) await s.stop();
  running = [];
  await database.drop();
});
const start = async (licences: SeatServerOptions['licences'] = [named]) => {
  const s = await startSeatServer(database.url, { licences });
  running.push(s);
  return s;
};
const named = { seatLimit: 2, countBy: 'user', reassignAfterDays: 30 } as const;
const change = (s: SeatServer, more: object) => s.call('POST', '/v1/assignments:change', { product: 'erp', ...more });
const listed = async (s: SeatServer) =>
  (await s.call('GET', '/v1/assignments?product=erp')).body.products[0].assignments.map(
    (a: { user: string; inUse: boolean; lastUsedAt?: string }) =>
      `${a.user}${a.inUse ? ' in use' : ''}${a.lastUsedAt === undefined ? '' : ' used'}`,
  );
const later = (s: SeatServer, days: number) =>
  s.store.db.query(
    `UPDATE assignment SET assigned_at = assigned_at - $1 * interval '1 day', used_at = used_at - $1 * interval '1 day'`,
    [days],
  );
const put = (s: SeatServer, table: string) =>
  s.call('PUT', '/v1/assignments.csv?product=erp&reason=the+new+list', table, { 'content-type': 'text/csv' });

it('only persons who are named have a seat, by check-out and by report, wherever they sit', async () => {
  const s = await start();
  expect((await s.checkOut('anna', { wait: 30 })).body).toMatchObject({ status: 409, reason: 'NotAssigned' });
  expect((await change(s, { assign: ['Anna', 'boris'] })).body).toEqual({ assigned: 2, removed: 0, ended: 0 });
  expect((await s.checkOut('ANNA')).status).toBe(201);
  expect((await s.checkOut('anna', {}, 'zup')).status).toBe(201);
  expect((await s.report('trade', ['vera', 'boris'])).body.sessions).toMatchObject([
    { outcome: 'denied', reason: 'NotAssigned' },
    { outcome: 'granted' },
  ]);
  expect(await listed(s)).toEqual(['Anna in use used', 'boris in use used']);
  expect((await s.call('GET', '/v1/denials?reason=NotAssigned')).body.denials).toHaveLength(2);
});

it('an explanation says the same, and which check it was', async () => {
  const s = await start();
  const ask = async () =>
    (await s.call('POST', '/v1/checkouts:explain', { product: 'erp', holder: { base: 'b', user: 'anna', host: 'h' } }))
      .body;
  const refused = await ask();
  expect([refused.granted, refused.reason, refused.checks.at(-1)]).toMatchObject([
    false,
    'NotAssigned',
    { check: 'assignment', verdict: 'decided' },
  ]);
  await change(s, { assign: ['anna'] });
  expect((await ask()).checks).toMatchObject([{ check: 'licence' }, { check: 'assignment', verdict: 'passed' }, {}]);
});

it('a seat is a person’s for its days, then it moves, and what was used by it ends', async () => {
  const s = await start();
  await change(s, { assign: ['anna', 'boris'] });
  const { leaseId } = (await s.checkOut('anna')).body;
  const early = await change(s, { assign: ['vera'], remove: ['anna'] });
  expect([early.status, early.body.reason]).toEqual([409, 'ReassignedTooEarly']);
  expect(early.body.detail).toMatch(/for 30 days at least: that of anna may be reassigned from \d{4}-/);
  const full = await change(s, { assign: ['vera'] });
  expect([full.status, full.body.reason]).toEqual([409, 'AllSeatsAssigned']);
  expect(await listed(s)).toEqual(['anna in use used', 'boris']);
  await later(s, 30);
  expect((await change(s, { assign: ['vera'], remove: ['anna'], reason: 'has left' })).body).toEqual({
    assigned: 1,
    removed: 1,
    ended: 1,
  });
  expect((await s.call('POST', `/v1/leases/${leaseId}/heartbeat`)).body.reason).toBe('LeaseLost');
  expect((await s.checkOut('anna')).body.reason).toBe('NotAssigned');
  expect((await s.checkOut('vera')).status).toBe(201);
  const [act] = (await s.call('GET', '/v1/audit')).body.acts;
  expect(act).toMatchObject({ action: 'POST /v1/assignments:change', reason: 'has left' });
});

it('two servers on one database know at once whose seats are', async () => {
  const [one, two] = [await start(), await start()];
  expect((await two.checkOut('anna')).body.reason).toBe('NotAssigned');
  await change(one, { assign: ['anna'] });
  expect((await two.checkOut('anna')).status).toBe(201);
});

it('a table becomes the whole list or nothing of it, and is read back as it was saved', async () => {
  const s = await start([{ ...named, seatLimit: 3 }]);
  expect((await put(s, 'user\nanna\nBoris\n')).body).toEqual({ assigned: 2, removed: 0, ended: 0 });
  const saved = (await s.call('GET', '/v1/assignments.csv?product=erp')).body;
  expect(saved).toMatch(/^user,assignedAt,reassignableFrom,lastUsedAt,inUse\r\nanna,/);
  expect((await put(s, saved)).body).toEqual({ assigned: 0, removed: 0, ended: 0 });
  expect((await put(s, 'anna\nvera\n')).body.reason).toBe('ReassignedTooEarly');
  await later(s, 31);
  expect((await put(s, 'anna\nvera\n')).body).toEqual({ assigned: 1, removed: 1, ended: 0 });
  expect((await put(s, 'anna\nvera\nb\nc\n')).body.reason).toBe('AllSeatsAssigned');
  expect(await listed(s)).toEqual(['anna', 'vera']);
  expect((await put(s, 'user\n\u0007\n')).body.detail).toContain('line 2 of the table');
  const byJson = await change(s, { table: 'vera\nanna\n' });
  expect([byJson.status, byJson.body.reason]).toEqual([200, undefined]);
  const json = await s.call('PUT', '/v1/assignments.csv?product=erp', { users: [] });
  expect([json.status, json.body.reason]).toEqual([400, 'InvalidRequest']);
});

it('counts seats that are somebody’s, and those that nobody has used for a month', async () => {
  const s = await start();
  await change(s, { assign: ['anna', 'boris'] });
  await later(s, 31);
  await s.checkOut('anna');
  await s.store.count();
  const metrics = (await s.call('GET', '/metrics')).body;
  expect(metrics).toContain('licence_seats_assigned{product="erp"} 2');
  expect(metrics).toContain('licence_seats_assigned_unused{product="erp"} 1');
  expect((await s.call('GET', '/v1/products')).body.products[0]).toMatchObject({
    reassignAfterDays: 30,
    seatsAssigned: 2,
  });
  expect((await s.call('GET', '/v1/status')).body.products[0].seatsAssigned).toBe(2);
});

it('keys of one product that disagree do not add up, and others are as they were', async () => {
  const s = await start([
    { ...named, licenceId: 'l-1', keyId: 'k00000000001', issuedAt: '2026-01-01T00:00:00Z' },
    { seatLimit: 5, countBy: 'user', licenceId: 'l-2', keyId: 'k00000000002', issuedAt: '2026-02-01T00:00:00Z' },
    { product: 'crm', licenceId: 'l-3' },
  ]);
  expect((await s.call('GET', '/v1/products')).body.products).toMatchObject([
    { product: 'crm' },
    { product: 'erp', seatLimit: 2 },
  ]);
  expect(s.store.countingTrouble()).toContain('key k00000000002 adds no seats of erp');
  expect(s.store.countingTrouble()).toContain('for named users');
  expect((await s.checkOut('anna', { product: 'crm' })).status).toBe(201);
  const floating = await s.call('POST', '/v1/assignments:change', { product: 'crm', assign: ['anna'] });
  expect([floating.status, floating.body.reason]).toEqual([404, 'ProductNotNamed']);
});

it('a product that becomes one for named users keeps who is in, and lets in whom it names', async () => {
  const s = await start([{ seatLimit: 2 }]);
  const { leaseId } = (await s.checkOut('anna')).body;
  await s.setLicences([named]);
  expect((await s.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
  expect((await s.checkOut('anna')).status).toBe(200); // whoever holds a seat keeps it
  expect((await s.checkOut('boris')).body.reason).toBe('NotAssigned');
  await s.setLicences([{ seatLimit: 2 }]);
  expect((await s.checkOut('boris')).status).toBe(201);
});

it('who takes a seat along has to be named, too', async () => {
  const s = await start([{ ...named, borrow: { maxHours: 48, keepFree: 0 } }]);
  const borrowed = { mode: 'borrowed', hours: 2 };
  expect((await s.checkOut('anna', borrowed)).body.reason).toBe('NotAssigned');
  await change(s, { assign: ['anna'] });
  expect((await s.checkOut('anna', borrowed)).status).toBe(201);
});

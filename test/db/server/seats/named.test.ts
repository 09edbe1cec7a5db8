import { expect, it } from 'vitest';
import type { SeatServer, SeatServerOptions } from '../support/seatServer.ts';
import { useSeatServers } from '../support/seatServers.ts';

const servers = useSeatServers();
const start = (licences: SeatServerOptions['licences'] = [named]) => servers.start({ licences });
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
const put = (s: SeatServer, table: string) => change(s, { table, reason: 'the new list' });

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
  const both = await change(s, { table: 'anna\n', remove: ['vera'] });
  expect([both.status, both.body.detail]).toEqual([
    400,
    'table: is the whole list; name nobody by assign and remove beside it',
  ]);
  const [act] = (await s.call('GET', '/v1/audit')).body.acts;
  expect(act).toMatchObject({ target: 'erp', reason: 'the new list' });
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

it('an assigned user has that seat whatever is kept for others', async () => {
  const s = await servers.start({
    licences: [named],
    reservations: [{ users: ['boss'], seats: 1 }],
    rules: [{ name: 'chief', match: { users: ['boss'] }, reserve: 1 }],
  });
  await change(s, { assign: ['anna', 'boris'] });
  expect([(await s.checkOut('anna')).status, (await s.checkOut('boris')).status]).toEqual([201, 201]);
  // kept again once the licence is for whoever comes
  await s.setLicences([{ seatLimit: 3, countBy: 'user' }]);
  expect((await s.checkOut('vera')).body.reason).toBe('SeatsReserved');
});

it('nothing of a change is done when a seat cannot be ended with it', async () => {
  const s = await start();
  await change(s, { assign: ['anna'] });
  await s.checkOut('anna');
  await later(s, 31);
  await s.store.db.query(
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = '23514'; END $$; CREATE TRIGGER refuse BEFORE DELETE ON lease FOR EACH ROW EXECUTE FUNCTION refuse()",
  );
  expect((await change(s, { assign: ['vera'], remove: ['anna'] })).status).toBeGreaterThanOrEqual(500);
  expect(await listed(s)).toEqual(['anna in use used']);
});

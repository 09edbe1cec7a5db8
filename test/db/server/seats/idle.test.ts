import { expect, it } from 'vitest';
import type { SeatServer, SeatServerOptions } from '../support/seatServer.ts';
import { useSeatServers } from '../support/seatServers.ts';

const servers = useSeatServers();
const start = async (options: SeatServerOptions = {}) => {
  const s = await servers.start(options);
  await s.store.db.query("UPDATE pool SET frozen_until = '-infinity'"); // the grace after a start
  return s;
};
const half = { name: 'half-an-hour', idleAfter: '30m' } as const;
const beat = (s: SeatServer, leaseId: string, idle?: boolean) =>
  s.call('POST', `/v1/leases/${leaseId}/heartbeat`, idle === undefined ? undefined : { idle });
/** So much time goes by for everything that the ledger keeps. */
const later = (s: SeatServer, minutes: number) =>
  s.store.db.query(
    `UPDATE lease SET idle_from = idle_from - $1 * interval '1 min', held_until = held_until - $1 * interval '1 min', acquired_at = acquired_at - $1 * interval '1 min',
            expires_at = CASE WHEN kind < 0 THEN expires_at - $1 * interval '1 min' ELSE expires_at END`,
    [minutes],
  );
const leases = async (s: SeatServer) =>
  (await s.call('GET', '/v1/leases')).body.leases.map(
    (l: { holder: { user: string }; mode: string; idleSince?: string }) =>
      `${l.holder.user} ${l.mode}${l.idleSince === undefined ? '' : ' idle'}`,
  );

it('TIMEOUT: the seat of a program that was idle for too long goes to whoever would have none, the longest idle first, and only then', async () => {
  const s = await start({ licences: [{ seatLimit: 2 }], rules: [half] });
  const [anna, boris] = [(await s.checkOut('anna')).body.leaseId, (await s.checkOut('boris')).body.leaseId];
  await beat(s, anna, true);
  await later(s, 10);
  await beat(s, boris, true);
  expect(await leases(s)).toEqual(['anna leased idle', 'boris leased idle']);
  expect((await s.checkOut('vera')).body.reason).toBe('SeatsExhausted');
  await later(s, 25); // anna 35 minutes, boris 25
  expect((await beat(s, anna, true)).status).toBe(200); // nobody asked: it stays
  const explained = await s.call('POST', '/v1/checkouts:explain', {
    product: 'erp',
    holder: { base: 'buh', user: 'vera', host: 'pc' },
  });
  expect(explained.body.detail).toBe('it would get a seat of erp, after 1 idle seats were given up');
  expect((await s.checkOut('vera')).status).toBe(201);
  expect((await s.checkOut('guest')).body.reason).toBe('SeatsExhausted');
  const lost = await beat(s, anna, true);
  expect([lost.status, lost.body.reason]).toEqual([410, 'LeaseLost']);
  expect(lost.body.detail).toContain('idle');
  expect(await leases(s)).toEqual(['boris leased idle', 'vera leased']);
  const { body } = await s.call('GET', '/metrics');
  expect(body).toContain('licence_releases_total{product="erp",cause="idle"} 1');
});

it('who is heard of again is not idle any more, by heartbeat, by check-out and by report', async () => {
  const s = await start({ licences: [{ seatLimit: 3 }], rules: [half] });
  const [anna, boris] = [(await s.checkOut('anna')).body.leaseId, (await s.checkOut('boris')).body.leaseId];
  for (const id of [anna, boris]) await beat(s, id, true);
  const session = { product: 'erp', user: 'vera', host: 'pc' };
  const report = (idle?: boolean) =>
    s.call('PUT', '/v1/bases/trade/sessions', { sessions: [{ ...session, ...(idle === undefined ? {} : { idle }) }] });
  await report();
  await report(true);
  await later(s, 40);
  await beat(s, anna);
  await s.checkOut('boris');
  await report(false);
  expect(await leases(s)).toEqual(['anna leased', 'boris leased', 'vera reported']);
  expect((await s.checkOut('guest')).body.reason).toBe('SeatsExhausted');
});

it('many leases say in one call which of them are idle', async () => {
  const s = await start({ licences: [{ seatLimit: 2 }], rules: [half] });
  const ids = [(await s.checkOut('anna')).body.leaseId, (await s.checkOut('boris')).body.leaseId];
  await s.call('POST', '/v1/heartbeats', { leaseIds: ids, idleLeaseIds: [ids[1]] });
  expect(await leases(s)).toEqual(['anna leased', 'boris leased idle']);
  await later(s, 31);
  expect((await s.checkOut('vera')).status).toBe(201);
  expect((await s.call('POST', '/v1/heartbeats', { leaseIds: ids })).body.lost).toEqual([ids[1]]);
});

it('an idle session of a report gives its seat to one of the same report, and is told so', async () => {
  const s = await start({ licences: [{ seatLimit: 1 }], rules: [half] });
  const session = (user: string, idle: boolean) => ({ product: 'erp', user, host: 'pc', idle });
  const report = (...sessions: object[]) => s.call('PUT', '/v1/bases/trade/sessions', { sessions });
  await report(session('anna', true));
  await later(s, 31);
  const { sessions } = (await report(session('anna', true), session('boris', false))).body;
  expect(sessions).toMatchObject([
    { user: 'anna', outcome: 'denied', reason: 'SeatsExhausted' },
    { user: 'boris', outcome: 'granted' },
  ]);
  // who is idle takes nobody's seat
  await report(session('anna', true), session('boris', true));
  await later(s, 31);
  expect((await report(session('anna', true), session('boris', true))).body.sessions).toMatchObject([
    { outcome: 'denied' },
    { outcome: 'renewed' },
  ]);
});

it('a seat that several share is idle when all of them are', async () => {
  const s = await start({ licences: [{ seatLimit: 1, countBy: 'user' }], rules: [half] });
  const [one, two] = [(await s.checkOut('anna')).body.leaseId, (await s.checkOut('anna', {}, 'zup')).body.leaseId];
  await beat(s, one, true);
  await later(s, 31);
  expect((await s.checkOut('boris')).body.reason).toBe('SeatsExhausted');
  await beat(s, two, true);
  await later(s, 31);
  expect((await s.checkOut('boris')).status).toBe(201);
});

it('an idle seat goes before one beyond the limit is granted, and helps nobody whom a rule keeps out', async () => {
  const s = await start({
    licences: [{ seatLimit: 1, overdraftSeats: 1 }],
    rules: [half, { name: 'no-guests', match: { users: ['guest'] }, allow: false }],
  });
  await beat(s, (await s.checkOut('anna')).body.leaseId, true);
  await later(s, 31);
  expect((await s.checkOut('guest')).body.reason).toBe('NotPermitted');
  expect(await leases(s)).toEqual(['anna leased idle']);
  expect((await s.checkOut('boris')).body.overdraft).toBeUndefined();
  expect(await leases(s)).toEqual(['boris leased']);
});

it('who waits in the queue is given an idle seat when its time has come', async () => {
  const s = await start({ licences: [{ seatLimit: 1 }], rules: [half] });
  const anna = (await s.checkOut('anna')).body.leaseId;
  await beat(s, anna, true);
  const waiting = s.checkOut('boris', { wait: 30 });
  await expect
    .poll(async () => (await s.store.db.query('SELECT waiting FROM pool')).rows[0].waiting, { timeout: 20_000 })
    .toBe(1);
  await later(s, 31);
  expect((await waiting).status).toBe(201);
});

it('a rule that goes takes its times along, and a new one counts for who is here', async () => {
  const s = await start({ licences: [{ seatLimit: 1 }], rules: [half] });
  await beat(s, (await s.checkOut('anna')).body.leaseId, true);
  await later(s, 31);
  await servers.stopAll();
  const without = await start({ licences: [{ seatLimit: 1 }] });
  expect((await without.checkOut('boris')).body.reason).toBe('SeatsExhausted');
  await servers.stopAll();
  const anew = await start({ licences: [{ seatLimit: 1 }], rules: [{ ...half, idleAfter: '1m' }] });
  const [anna] = (await anew.call('GET', '/v1/leases')).body.leases;
  await beat(anew, anna.leaseId, true);
  await later(anew, 1);
  expect((await anew.checkOut('boris')).status).toBe(201);
});

it('LINGER: a seat that is given back too soon stays taken for others, counts for its rules, and is its holder’s again at once', async () => {
  const s = await start({
    licences: [{ seatLimit: 9 }],
    rules: [
      { name: 'ten-minutes', minimumHold: '10m' },
      { name: 'two', max: 2 },
    ],
  });
  const anna = (await s.checkOut('anna')).body.leaseId;
  await s.checkOut('boris');
  expect((await s.call('DELETE', `/v1/leases/${anna}`)).status).toBe(204);
  expect(await leases(s)).toEqual(['anna lingering', 'boris leased']);
  expect([(await beat(s, anna)).status, (await s.call('DELETE', `/v1/leases/${anna}`)).status]).toEqual([410, 204]);
  expect((await s.checkOut('vera')).body).toMatchObject({ reason: 'RuleLimit', rule: 'two' });
  const back = await s.checkOut('anna');
  expect([back.status, back.body.leaseId]).toEqual([200, anna]);
  expect((await beat(s, anna)).status).toBe(200);
  await s.call('DELETE', `/v1/leases/${anna}`);
  await later(s, 11);
  await s.store.db.query("UPDATE pool SET next_expiry = '-infinity'"); // as time itself would have it
  expect((await s.checkOut('vera')).status).toBe(201);
  const { body } = await s.call('GET', '/metrics');
  // given back twice by its holder, and never expired
  expect(body).toContain('licence_releases_total{product="erp",cause="holder"} 2');
  expect(body).toContain('licence_releases_total{product="erp",cause="expired"} 0');
});

it('a seat that was held long enough ends at once, as does one that an administrator takes back', async () => {
  const s = await start({ licences: [{ seatLimit: 9 }], rules: [{ name: 'ten-minutes', minimumHold: '10m' }] });
  const [anna, boris] = [(await s.checkOut('anna')).body.leaseId, (await s.checkOut('boris')).body.leaseId];
  await s.call('POST', `/v1/leases/${boris}:release`, { reason: 'left' });
  expect(await leases(s)).toEqual(['anna leased']);
  await later(s, 10);
  await s.call('DELETE', `/v1/leases/${anna}`);
  expect(await leases(s)).toEqual([]);
});

it('sessions that leave a report linger, too, and a lingering seat of a base is not stale', async () => {
  const s = await start({ licences: [{ seatLimit: 9 }], rules: [{ name: 'ten-minutes', minimumHold: '10m' }] });
  await s.report('trade', ['anna', 'boris']);
  expect((await s.report('trade', ['boris'])).body.released).toBe(1);
  expect(await leases(s)).toEqual(['anna lingering', 'boris reported']);
  expect((await s.report('trade', ['boris', 'anna'])).body.sessions).toMatchObject([
    { outcome: 'renewed' },
    { outcome: 'renewed' },
  ]);
  await s.store.count();
  expect((await s.call('GET', '/metrics')).body).toContain('licence_leases_lingering{product="erp"} 0');
});

it.each([
  [{ idle: 'yes' }, 'idle: must be true or false'],
  [[true], 'body: must be an object'],
])('what says nothing of idleness is refused in words: %j', async (body, why) => {
  const s = await start({ rules: [half] });
  const { leaseId } = (await s.checkOut('anna')).body;
  const answer = await s.call('POST', `/v1/leases/${leaseId}/heartbeat`, body);
  expect([answer.status, answer.body.detail]).toEqual([400, why]);
  const foreign = await s.call('POST', '/v1/heartbeats', { leaseIds: [leaseId], idleLeaseIds: ['x'] });
  expect([foreign.status, foreign.body.detail]).toEqual([400, 'idleLeaseIds: "x" is not among the leaseIds']);
});

import pg from 'pg';
import { expect, it } from 'vitest';
import type { SeatServer } from '../support/seatServer.ts';
import { useSeatServers } from '../support/seatServers.ts';

const { start, url } = useSeatServers();
const product = async (s: SeatServer) => (await s.call('GET', '/v1/products')).body.products[0];

it('several seats are taken all or none, as one lease, and come back together', async () => {
  const s = await start({ licences: [{ seatLimit: 5 }] });
  expect((await s.checkOut('anna')).body.seats.inUse).toBe(1);
  const three = await s.checkOut('boris', { seats: 3 });
  expect([three.status, three.body.seatsTaken, three.body.seats.inUse]).toEqual([201, 3, 4]);
  expect((await s.checkOut('boris', { seats: 3 })).body).toMatchObject({ leaseId: three.body.leaseId, seatsTaken: 3 });
  const refused = await s.checkOut('vera', { seats: 2 });
  expect(refused.body).toMatchObject({ reason: 'SeatsExhausted', seats: { limit: 5, inUse: 4 } });
  expect(refused.body.detail).toContain('2 seats of erp are asked for, but of 5 only 1 are free');
  expect((await s.checkOut('vera')).status).toBe(201);
  const { leases } = (await s.call('GET', '/v1/leases?user=boris')).body;
  expect(leases).toMatchObject([{ leaseId: three.body.leaseId, seats: 3 }]);
  expect((await s.call('GET', '/v1/people')).body.people[0]).toMatchObject({ user: 'boris', seats: 3 });
  expect((await s.call('GET', '/v1/leases.csv?user=boris')).body).toMatch(
    /leaseId,feature,seats,writtenOff,idleSince\r\n.*,,3,,$/,
  );
  await s.call('DELETE', `/v1/leases/${three.body.leaseId}`);
  expect((await product(s)).seatsInUse).toBe(2);
});

it('what expires, is reported, cleared or counted anew is as many seats as it was', async () => {
  const s = await start({ licences: [{ seatLimit: 9 }], staleAfterMs: 60_000 });
  const client = new pg.Client({ connectionString: url() });
  await client.connect();
  try {
    await s.checkOut('anna', { seats: 4 });
    const report = (sessions: unknown[]) => s.call('PUT', '/v1/bases/zup/sessions', { sessions });
    const boris = { product: 'erp', user: 'boris', host: 'pc', seats: 3 };
    expect((await report([boris])).body.sessions[0].outcome).toBe('granted');
    expect((await product(s)).seatsInUse).toBe(7);
    // a server that starts, and a licence that comes to count otherwise
    await start({ licences: [{ seatLimit: 9, countBy: 'user' }], staleAfterMs: 60_000 });
    expect((await product(s)).seatsInUse).toBe(7);
    await client.query("UPDATE lease SET expires_at = now() - interval '1 s' WHERE kind = 0");
    await client.query("UPDATE pool SET next_expiry = now() - interval '1 s', frozen_until = '-infinity'");
    expect((await s.checkOut('vera', { seats: 6 })).status).toBe(201);
    expect((await product(s)).seatsInUse).toBe(9);
    expect((await report([])).body.released).toBe(1);
    expect((await product(s)).seatsInUse).toBe(6);
    await report([boris]);
    await client.query(
      "UPDATE base SET seen_at = now() - interval '1 h'; UPDATE lease SET renewed_at = now() - interval '1 h'",
    );
    await s.call('POST', '/v1/stale:release', { reason: 'night' });
    expect((await product(s)).seatsInUse).toBe(6);
  } finally {
    await client.end();
  }
});

it('who waits for many seats is not starved by those who want few; more than there are waits for nothing', async () => {
  const s = await start({ licences: [{ seatLimit: 3 }] });
  const held = [];
  for (const user of ['a', 'b', 'c']) held.push((await s.checkOut(user)).body.leaseId);
  const large = s.checkOut('large', { seats: 3, wait: 30 });
  await expect.poll(async () => (await product(s)).queueLength).toBe(1);
  await s.call('DELETE', `/v1/leases/${held[0]}`);
  const small = await s.checkOut('small');
  expect(small.body.detail).toContain('but one waits before you');
  for (const id of held.slice(1)) await s.call('DELETE', `/v1/leases/${id}`);
  expect(await large).toMatchObject({ status: 201, body: { seatsTaken: 3 } });
  const never = await s.checkOut('greedy', { seats: 4, wait: 30 });
  expect(never.body).toMatchObject({ reason: 'SeatsExhausted' });
  expect(never.body.detail).toBe(
    '4 seats of erp are asked for, but the licence has 3; ask for fewer, or the vendor for more',
  );
  expect(never.headers['retry-after']).toBeUndefined(); // no time will change that
  expect((await product(s)).queueLength).toBe(0);
}, 60_000);

it('MAX, RESERVE and MAX of each count seats, however many a lease is', async () => {
  const s = await start({
    licences: [{ seatLimit: 9 }],
    rules: [
      { name: 'test-bases', match: { bases: ['test*'] }, max: 3 },
      { name: 'buh', match: { users: ['buh*'] }, reserve: 2 },
    ],
  });
  expect((await s.checkOut('a', { seats: 2 }, 'test-1')).status).toBe(201);
  expect((await s.checkOut('b', { seats: 2 }, 'test-1')).body).toMatchObject({
    reason: 'RuleLimit',
    rule: 'test-bases',
  });
  expect((await s.checkOut('b', {}, 'test-1')).status).toBe(201);
  expect((await s.checkOut('c', { seats: 5 })).body.reason).toBe('SeatsReserved');
  expect((await s.checkOut('buh-1', { seats: 2 })).status).toBe(201);
  expect(await product(s)).toMatchObject({
    rules: [{ name: 'test-bases', inUse: 3 }],
    reservations: [{ name: 'buh', inUse: 2 }],
  });
});

it('a feature that no active key has is refused; weights make one pool of tokens serve many features', async () => {
  const licences = [{ seatLimit: 6, features: ['payroll', 'trade'], weights: { payroll: 3 } }];
  const s = await start({ licences });
  const none = await s.checkOut('anna', { feature: 'rocket' });
  expect([none.status, none.body.reason]).toEqual([409, 'FeatureNotLicensed']);
  expect(none.body.detail).toContain('no active key of erp has the feature rocket');
  expect((await s.checkOut('anna', { feature: 'payroll' })).body).toMatchObject({
    feature: 'payroll',
    seatsTaken: 3,
    seats: { limit: 6, inUse: 3 },
    weights: { payroll: 3 },
  });
  expect((await s.checkOut('anna', { feature: 'trade' })).body.seats.inUse).toBe(4);
  expect((await s.checkOut('boris', { feature: 'payroll' })).body.reason).toBe('SeatsExhausted');
  const reported = await s.call('PUT', '/v1/bases/zup/sessions', {
    sessions: [
      { product: 'erp', user: 'vera', host: 'pc', feature: 'rocket' },
      { product: 'erp', user: 'vera', host: 'pc', feature: 'trade', seats: 2 },
    ],
  });
  expect(reported.body.sessions).toMatchObject([
    { outcome: 'denied', reason: 'FeatureNotLicensed' },
    { outcome: 'granted' },
  ]);
  expect((await s.call('GET', '/v1/leases?user=vera')).body.leases).toMatchObject([{ feature: 'trade', seats: 2 }]);
  // a licence that weighs otherwise: what is held is counted anew
  await s.setLicences([{ seatLimit: 9, features: ['payroll', 'trade'], weights: { payroll: 5 } }]);
  expect(await product(s)).toMatchObject({ seatsInUse: 8, weights: { payroll: 5 } });
  await s.setLicences([{ seatLimit: 9, features: ['payroll', 'trade'] }]);
  expect(await product(s)).toMatchObject({ seatsInUse: 4, weights: {} });
});

it('where seats are shared, those of one feature and number share one', async () => {
  const s = await start({
    licences: [{ seatLimit: 9, countBy: 'user', features: ['payroll'], weights: { payroll: 2 } }],
  });
  await s.checkOut('anna', {}, 'a');
  await s.checkOut('anna', {}, 'b');
  await s.checkOut('anna', { feature: 'payroll' }, 'a');
  expect((await s.checkOut('ANNA', { feature: 'payroll' }, 'b')).body.seats.inUse).toBe(3);
  expect((await s.checkOut('anna', { seats: 3 }, 'b')).body.seats.inUse).toBe(6);
  const names = (await s.call('GET', '/v1/leases')).body.leases.map((l: { seat: string }) => l.seat);
  expect([...new Set(names)].sort()).toEqual(['anna', 'anna × 3', 'anna, payroll']);
});

it('wrong numbers and features are 400 with the field and the rule', async () => {
  const s = await start();
  for (const seats of [0, -1, 1.5, '3', 10_001]) {
    const { status, body } = await s.checkOut('anna', { seats });
    expect([status, body.detail]).toEqual([400, 'seats: must be a whole number from 1 to 10000']);
  }
  for (const feature of ['', 7, 'a\u001fb', 'f'.repeat(101)])
    expect([(await s.checkOut('anna', { feature })).status, feature]).toEqual([400, feature]);
  const report = await s.call('PUT', '/v1/bases/zup/sessions', {
    sessions: [{ product: 'erp', user: 'a', host: 'b', seats: 0 }],
  });
  expect(report.body.detail).toBe('sessions.0.seats: must be a whole number from 1 to 10000');
  const long = '語'.repeat(200);
  const holder = { base: long, user: long, host: long, session: long };
  const answer = await s.call('POST', '/v1/checkouts', { product: 'erp', holder, feature: 'payroll' });
  expect([answer.status, answer.body.detail]).toEqual([
    400,
    'feature: together with the names of the holder at most 2403 bytes',
  ]);
});

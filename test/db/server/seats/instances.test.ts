import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { SeatServer } from '../support/seatServer.ts';
import { useSeatServers } from '../support/seatServers.ts';

const { start } = useSeatServers();

const [original, copy] = [randomUUID(), randomUUID()];
const report = (s: SeatServer, users: readonly string[], instance?: string, base = 'trade') =>
  s.call('PUT', `/v1/bases/${base}/sessions`, {
    sessions: users.map((user) => ({ product: 'erp', user, host: 'pc' })),
    ...(instance === undefined ? {} : { instance }),
  });
const usersOf = async (s: SeatServer) =>
  (await s.call('GET', '/v1/leases')).body.leases.map((l: { holder: { user: string } }) => l.holder.user);

it('the first instance owns the name of a base: reports and check-outs of a copy are refused and change nothing', async () => {
  const s = await start({ licences: [{ seatLimit: 5 }] });
  expect((await report(s, ['anna', 'boris'], original)).status).toBe(200);
  const refused = await report(s, ['vera'], copy, 'TRADE');
  expect(refused.status).toBe(409);
  expect(refused.body).toMatchObject({ reason: 'BaseInstanceConflict', detail: expect.stringContaining('adopt') });
  const checkOut = await s.checkOut('vera', { instance: copy, mode: 'sticky' }, 'Trade');
  expect([checkOut.status, checkOut.body.reason]).toEqual([409, 'BaseInstanceConflict']);
  expect(await usersOf(s)).toEqual(['anna', 'boris']);
  // a client that does not say which instance it is goes on as before
  expect((await s.checkOut('old', {}, 'trade')).status).toBe(201);
  expect((await s.checkOut('new', { instance: original.toUpperCase() }, 'trade')).status).toBe(201);

  const { denials } = (await s.call('GET', '/v1/denials')).body;
  expect(denials).toMatchObject([
    { reason: 'BaseInstanceConflict', holder: { base: 'Trade', user: 'vera' }, unmet: false },
  ]);
  await s.store.count();
  const status = (await s.call('GET', '/v1/status')).body;
  expect(status.baseConflicts).toMatchObject([{ base: 'trade', kind: 'instance', instance: copy }]);
  expect(status.trouble).toContain('trade');
  const { acts } = (await s.call('GET', '/v1/audit')).body;
  expect(acts).toMatchObject([{ actor: 'server', action: 'BaseInstanceConflict', target: 'trade' }]);
  const metrics = (await s.call('GET', '/metrics')).body;
  expect(metrics).toMatch(/^licence_bases_in_conflict 1$/m);
  expect(metrics).toMatch(
    /^licence_checkouts_total\{product="erp",outcome="denied",reason="BaseInstanceConflict"\} 1$/m,
  );
});

it('a release by a foreign instance gives nothing back; one by the owner, or by nobody in particular, does', async () => {
  const s = await start();
  const { leaseId } = (await s.checkOut('anna', { instance: original }, 'trade')).body;
  expect((await s.call('DELETE', `/v1/leases/${leaseId}?instance=${copy}`)).status).toBe(204);
  expect(await usersOf(s)).toEqual(['anna']);
  expect((await s.call('DELETE', `/v1/leases/${leaseId}?instance=${original}`)).status).toBe(204);
  expect(await usersOf(s)).toEqual([]);
  const again = (await s.checkOut('anna', { instance: original }, 'trade')).body.leaseId;
  await s.call('DELETE', `/v1/leases/${again}`);
  expect(await usersOf(s)).toEqual([]);
});

it('an administrator gives the name to another instance, and every server knows it', async () => {
  const [one, two] = [await start({ licences: [{ seatLimit: 5 }] }), await start({ licences: [{ seatLimit: 5 }] })];
  await report(one, ['anna'], original);
  expect((await report(two, ['anna'], original)).status).toBe(200);
  const reason = 'moved';
  expect((await one.call('POST', '/v1/bases/trade:adopt', { reason })).body).toMatchObject({
    reason: 'InstanceUnknown',
  });
  expect((await one.call('POST', '/v1/bases/nobody:adopt', { reason })).body).toMatchObject({ reason: 'BaseUnknown' });
  expect((await report(two, ['anna'], copy)).status).toBe(409);
  expect((await one.call('POST', '/v1/bases/Trade:adopt', { reason })).body).toEqual({ base: 'Trade', instance: copy });
  await two.store.count(); // as it does by itself every two seconds
  expect((await report(two, ['anna'], original)).status).toBe(409);
  expect((await report(one, ['anna'], original)).status).toBe(409);
  expect((await report(two, ['anna'], copy)).status).toBe(200);
  expect((await one.call('GET', '/v1/bases')).body).toMatchObject({
    bases: [{ base: 'trade', instance: copy, conflict: { instance: original } }],
  });
  const target = randomUUID();
  expect((await one.call('POST', '/v1/bases/trade:adopt', { reason, instance: target })).body.instance).toBe(target);
  expect((await one.call('GET', '/v1/audit')).body.acts.map((a: { action: string }) => a.action)).toContain(
    'POST /v1/bases/:base(^[^:/]+):adopt',
  );
});

it('a copy that asks all the time costs no statement for each time it is told no', async () => {
  const s = await start();
  await report(s, [], original);
  await report(s, [], copy);
  const before = await s.store.db.query("SELECT conflict_at FROM base_owner WHERE base = 'trade'");
  for (let n = 0; n < 5; n++) expect((await report(s, [], copy)).status).toBe(409);
  const after = await s.store.db.query("SELECT conflict_at FROM base_owner WHERE base = 'trade'");
  expect(after.rows).toEqual(before.rows);
});

it('two bases that report under one name without an instance are noticed and told', async () => {
  const s = await start({ licences: [{ seatLimit: 9 }] });
  for (let n = 0; n < 4; n++) {
    await report(s, ['anna', 'boris', 'vera']);
    await report(s, ['copy-1', 'copy-2']);
  }
  await s.store.count();
  expect((await s.call('GET', '/v1/status')).body.baseConflicts).toMatchObject([{ base: 'trade', kind: 'reports' }]);
  expect((await s.call('GET', '/v1/audit')).body.acts).toMatchObject([
    { action: 'BaseReportedTwice', target: 'trade' },
  ]);
});

it.each([
  ['a text that is no UUID', 'trade-1', /instance: must be a UUID/],
  ['the empty UUID, as an unset value of 1C', '00000000-0000-0000-0000-000000000000', /must not be the empty UUID/],
  ['a number', 7, /instance: must be a UUID/],
])('%s is refused by name', async (_, instance, detail) => {
  const s = await start();
  for (const answer of [
    await s.checkOut('anna', { instance }),
    await report(s, [], instance as string),
    await s.call('DELETE', `/v1/leases/${(await s.checkOut('boris')).body.leaseId}?instance=${instance}`),
  ]) {
    expect(answer.status).toBe(400);
    expect(answer.body.detail).toMatch(detail);
  }
  expect((await s.checkOut('anna', { instance: null })).status).toBe(201);
});

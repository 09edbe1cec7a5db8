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
const leasesOf = async (s: SeatServer, query = '') =>
  (await s.call('GET', `/v1/leases${query}`)).body.leases as {
    leaseId: string;
    mode: string;
    holder: Record<string, string>;
  }[];

it('names that differ in case, or in how Unicode spells them, are one holder, shown as it first came', async () => {
  const s = await start();
  const holder = { base: 'Торговля', user: 'Кузьмин Й.', host: 'PC-1', session: 'a' };
  const first = await s.checkOut('', { holder });
  expect(first.status).toBe(201);
  const same = { base: 'торговля', user: 'КУЗЬМИН Й.'.normalize('NFD'), host: 'pc-1', session: 'a' };
  const again = await s.checkOut('', { holder: same });
  expect([again.status, again.body.leaseId]).toEqual([200, first.body.leaseId]);
  // a session is a name that a program made, and is compared as it is
  expect((await s.checkOut('', { holder: { ...same, session: 'A' } })).status).toBe(201);
  expect((await leasesOf(s)).map((l) => l.holder)).toContainEqual(holder);
  expect(
    await leasesOf(s, `?user=${encodeURIComponent('кузьмин й.')}&base=${encodeURIComponent('ТОРГОВЛЯ')}`),
  ).toHaveLength(2);
});

it('a report names its base and people in any case: who is in keeps the seat, and is answered as it was named', async () => {
  const s = await start();
  await s.report('Trade', ['Anna', 'BORIS']);
  const { body } = await s.report('TRADE', ['anna', 'Boris', 'BORIS']);
  expect(body.released).toBe(0);
  expect(body.base).toBe('TRADE');
  expect(body.sessions.map((r: { user: string; outcome: string }) => [r.user, r.outcome])).toEqual([
    ['anna', 'renewed'],
    ['Boris', 'renewed'],
  ]);
  const mixed = await s.call('PUT', '/v1/bases/Trade/sessions', { base: 'trade', sessions: [] });
  expect([mixed.status, mixed.body.released]).toEqual([200, 2]);
});

it('a refusal is noted once for a person, whatever the case, and ended by the grant', async () => {
  const s = await start({ licences: [{ seatLimit: 1 }] });
  const held = (await s.checkOut('anna')).body.leaseId;
  await s.checkOut('Boris');
  await s.checkOut('BORIS');
  const { denials } = (await s.call('GET', '/v1/denials')).body;
  expect(denials).toMatchObject([{ holder: { user: 'Boris' }, attempts: 2 }]);
  await s.call('DELETE', `/v1/leases/${held}`);
  expect((await s.checkOut('boris')).status).toBe(201);
  expect((await s.call('GET', '/v1/denials')).body.denials).toMatchObject([{ servedAt: expect.any(String) }]);
});

it('a name that grows beyond its bound when it is folded is refused', async () => {
  const s = await start();
  // each is two letters in NFC
  const answer = await s.checkOut('\u0958'.repeat(150));
  expect([answer.status, answer.body.detail]).toEqual([400, expect.stringMatching(/holder.user: .*NFC/)]);
});

/** As the build before has left it: names as they came, and what differs in case told apart. */
async function leaveOld(): Promise<void> {
  await client.query(`
    UPDATE cluster SET folded_at = NULL;
    INSERT INTO pool (product, seat_limit, in_use, reserved, reserved_used, reservations)
      VALUES ('erp', 9, 6, '{2}', '{2}', '[{"name":"1","product":"erp","seats":2,"users":["anna"],"bases":[],"hosts":[]}]');
    INSERT INTO base VALUES ('Trade', now() - interval '2 min'), ('trade', now() - interval '1 min');
    INSERT INTO denial (product, holder, reason, first_at, last_at, attempts) VALUES
      ('erp', 'Trade' || chr(31) || 'LATE' || chr(31) || 'pc' || chr(31), 'SeatsExhausted', now(), now(), 1),
      ('erp', 'trade' || chr(31) || 'late' || chr(31) || 'pc' || chr(31), 'SeatsExhausted', now(), now(), 1),
      ('erp', 'Trade' || chr(31) || 'Later' || chr(31) || 'pc' || chr(31), 'SeatsExhausted', now(), now(), 1);
  `);
  const lease = (user: string, kind: number, agoSeconds: number, slot = 0, base = 'Trade') =>
    client.query(
      `INSERT INTO lease (pool_id, kind, slot, lease_id, acquired_at, renewed_at, expires_at, holder)
       SELECT pool_id, $2::smallint, $4::smallint, gen_random_uuid(), now() - interval '1 h', now() - $3::int * interval '1 s',
              CASE $2::smallint WHEN 0 THEN now() + interval '2 min' ELSE 'infinity' END,
              $5::text || chr(31) || $1::text || chr(31) || 'PC' || chr(31) FROM pool`,
      [user, kind, agoSeconds, slot, base],
    );
  await lease('Anna', 0, 30, 1);
  await lease('ANNA', 0, 10, 1);
  await lease('anna', 0, 20, 0, 'trade');
  await lease('Борис', 1, 10);
  await lease('vera', 2, 10);
  await lease('Глеб', 2, 10, 0, 'zup');
}

it('what a build before has written is folded without losing a seat; two seats of one holder become the latest', async () => {
  await leaveOld();
  const latest = (await client.query("SELECT lease_id FROM lease WHERE holder LIKE '%ANNA%'")).rows[0].lease_id;
  const reservations = [{ seats: 2, users: ['anna'] }];
  const s = await start({ licences: [{ seatLimit: 9 }], reservations, clear: 'never' });
  const leases = await leasesOf(s);
  expect(leases.map((l) => [l.holder.base, l.holder.user, l.holder.host, l.mode])).toEqual([
    ['Trade', 'ANNA', 'PC', 'leased'],
    ['Trade', 'vera', 'PC', 'sticky'],
    ['Trade', 'Борис', 'PC', 'reported'],
    ['zup', 'Глеб', 'PC', 'sticky'],
  ]);
  expect(leases[0]?.leaseId).toBe(latest);
  expect(s.log()).toContain('"merged":2');
  const { rows } = await client.query('SELECT in_use, reserved_used FROM pool');
  expect(rows).toEqual([{ in_use: 4, reserved_used: [1] }]);
  expect((await client.query('SELECT base FROM base ORDER BY 1')).rows).toEqual([{ base: 'trade' }]);
  expect((await client.query('SELECT count(*)::int AS n FROM denial WHERE open')).rows).toEqual([{ n: 2 }]);
  // whose program has the other lease finds the seat by checking out
  expect((await s.checkOut('anna', { holder: { base: 'trade', user: 'anna', host: 'pc' } })).body.leaseId).toBe(latest);
  expect(
    (await s.call('PUT', '/v1/bases/trade/sessions', { sessions: [{ product: 'erp', user: 'борис', host: 'pc' }] }))
      .body,
  ).toMatchObject({
    released: 1, // vera
    sessions: [{ outcome: 'renewed' }],
  });
  expect((await client.query("SELECT count(*)::int AS n FROM event WHERE code = 'M'")).rows).toEqual([{ n: 2 }]);
});

it('two servers that start together fold once', async () => {
  await leaveOld();
  await Promise.all([
    start({ licences: [{ seatLimit: 9 }], clear: 'never' }),
    start({ licences: [{ seatLimit: 9 }], clear: 'never' }),
  ]);
  expect((await client.query('SELECT in_use, (SELECT count(*)::int FROM lease) AS n FROM pool')).rows).toEqual([
    { in_use: 4, n: 4 },
  ]);
});

import { type get, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newLeaseId } from '../../../../server/seats/leaseId.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from '../support/seatServer.ts';

let database: TestDatabase;
let sql: pg.Client;
let running: SeatServer[] = [];
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
});
afterEach(async () => {
  for (const s of running) await s.stop();
  running = [];
  await sql.end();
  await database.drop();
});
const start = async (options: SeatServerOptions = {}) => {
  const s = await startSeatServer(database.url, options);
  running.push(s);
  return s;
};
const simulate = async (s: SeatServer, body: object) => {
  const answer = await s.call('POST', '/v1/rules:simulate', body);
  const isLines = String(answer.headers['content-type']).startsWith('application/x-ndjson');
  const lines = isLines
    ? String(answer.body)
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : [];
  return { ...answer, lines, result: lines.at(-1)?.result };
};
/** Sessions of so many people at once on a day that is so long ago, from 9 to 17 o'clock. */
const workingDay = async (daysAgo: number, people: number) => {
  const midnight = Math.floor(Date.now() / 86_400_000) * 86_400_000 - daysAgo * 86_400_000;
  for (let n = 0; n < people; n++) {
    const [from, to] = [midnight + 9 * 3_600_000 + n * 1_000, midnight + 17 * 3_600_000 + n * 1_000];
    const holder = ['buh', `user-${n}`, 'pc', ''].join('\u001f');
    await sql.query(
      `INSERT INTO event SELECT t, pool_id, c::"char", $3, $4 FROM pool, unnest($1::timestamptz[], $2::text[]) u(t, c) WHERE product = 'erp'`,
      [[new Date(from), new Date(to)], ['G', 'X'], newLeaseId(1), holder],
    );
  }
};

it('plays what was recorded: today beside another number of seats and other rules, by day, and how many would have been enough', async () => {
  const s = await start({ licences: [{ seatLimit: 3 }] });
  await workingDay(2, 5);
  await workingDay(1, 2);
  const { status, lines, result } = await simulate(s, { product: 'erp', days: 3, seats: 4 });
  expect(status).toBe(200);
  expect(lines.filter((l) => l.error !== undefined)).toEqual([]);
  expect(result).toMatchObject({ product: 'erp', events: 14, needed: 5, today: { seats: 3 }, other: { seats: 4 } });
  const hours = 8 * 3_600;
  expect(result.days.map((d: { today: object; other: object }) => [d.today, d.other])).toEqual([
    [
      { refused: 2, unmet: 2, peak: 3, waitedSeconds: 2 * hours - 6, longestWaitSeconds: hours - 3 },
      { refused: 1, unmet: 1, peak: 4, waitedSeconds: hours - 4, longestWaitSeconds: hours - 4 },
    ],
    [
      { refused: 0, unmet: 0, peak: 2, waitedSeconds: 0, longestWaitSeconds: 0 },
      { refused: 0, unmet: 0, peak: 2, waitedSeconds: 0, longestWaitSeconds: 0 },
    ],
    [
      { refused: 0, unmet: 0, peak: 0, waitedSeconds: 0, longestWaitSeconds: 0 },
      { refused: 0, unmet: 0, peak: 0, waitedSeconds: 0, longestWaitSeconds: 0 },
    ],
  ]);
  const rules = [{ name: 'few', product: 'erp', match: { bases: ['buh'] }, max: 1 }];
  const ruled = (await simulate(s, { product: 'erp', days: 3, rules })).result;
  expect([ruled.other.refused, ruled.today.refused, ruled.other.peak]).toEqual([4 + 1, 2, 1]);
});

it('knows real check-outs, refusals and who had a seat before', async () => {
  const s = await start({ licences: [{ seatLimit: 2 }] });
  const first = await s.checkOut('anna');
  await s.checkOut('boris');
  await s.checkOut('vera'); // refused, and not served
  await s.store.count();
  await s.call('DELETE', `/v1/leases/${first.body.leaseId}`);
  // three days ago anna came; boris's lease is older still, and of it there is no event any more
  await sql.query("UPDATE event SET at = at - interval '3 days' WHERE code = 'G' AND holder LIKE '%anna%'");
  await sql.query("DELETE FROM event WHERE holder LIKE '%boris%'");
  await sql.query("UPDATE lease SET acquired_at = acquired_at - interval '30 days'");
  await sql.query("UPDATE event SET lease_id = '01900000-0000-7001-8000-000000000000' WHERE code = 'X'");
  const { result } = await simulate(s, { product: 'erp', days: 1, seats: 3 });
  expect([result.today.peak, result.today.refused, result.other.refused, result.needed]).toEqual([2, 1, 0, 3]);
});

it.each([
  [{ product: 'none', days: 1 }, 'product: no key for the product none'],
  [{ product: 'erp', days: 0 }, 'days: '],
  [{ product: 'erp', days: 91 }, 'days: at most 90'],
  [{ product: 'erp', days: 1.5 }, 'days: '],
  [{ product: 'erp', days: 1, seats: -1 }, 'seats: '],
  [{ product: 'erp', days: 1, rules: [{ name: 'x', product: 'erp', max: 0 }] }, 'rules: rule x, max: '],
  [{ product: 'erp', days: 1, rules: [{ name: 'x', product: 'crm', max: 1 }] }, 'rules: rule x, product: must be erp'],
  [{ product: 'erp', days: 1, rules: 'all' }, 'rules: '],
])('what cannot be played is refused with field and reason: %j', async (body, why) => {
  const s = await start();
  const { status, body: told } = await simulate(s, body);
  expect([status, told.reason]).toEqual([400, 'InvalidRequest']);
  expect(told.detail).toContain(why);
});

it('plays all seats that were given back at one moment, however many', async () => {
  const s = await start({ licences: [{ seatLimit: 100_000 }] });
  await sql.query(
    `INSERT INTO event SELECT date_trunc('day', now()) - interval '20 h' + n * x.step + x.later, pool_id, x.code::"char", gen_random_uuid(), concat_ws(chr(31), 'b', 'u' || n, 'h', '')
       FROM pool, (VALUES ('G', interval '1 ms', interval '0'), ('X', interval '0', interval '1 h')) x(code, step, later), generate_series(1, 70000) n WHERE product = 'erp'`,
  );
  const { result } = await simulate(s, { product: 'erp', days: 2 });
  expect([result.events, result.days.map((d: { today: { peak: number } }) => d.today.peak)]).toEqual([
    140_000,
    [70_000, 0],
  ]);
});

it('a simulation whose client goes away stops, and another one may run; two at once may not', async () => {
  const s = await start({ licences: [{ seatLimit: 3 }] });
  // a year in which something happens every few minutes: long enough to go away amid
  await sql.query(
    `INSERT INTO event SELECT now() - n * interval '30 s', pool_id, (CASE n % 2 WHEN 0 THEN 'X' ELSE 'G' END)::"char", gen_random_uuid(),
       concat_ws(chr(31), 'b', 'u' || n / 2, 'h', '') FROM pool, generate_series(200000, 1, -1) n WHERE product = 'erp'`,
  );
  await s.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = s.app.server.address() as AddressInfo;
  const body = JSON.stringify({ product: 'erp', days: 90 });
  const first = await new Promise<ReturnType<typeof get>>((resolve, reject) => {
    const asked = request(
      { port, method: 'POST', path: '/v1/rules:simulate', headers: { 'content-type': 'application/json' } },
      (answer) => answer.once('data', () => resolve(asked)),
    );
    asked.on('error', reject).end(body);
  });
  const second = await simulate(s, { product: 'erp', days: 1 });
  expect([second.status, second.body.reason, second.headers['retry-after']]).toEqual([429, 'SimulationRunning', '5']);
  const sessions = async () =>
    (
      await sql.query(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE '%FROM event%' AND pid <> pg_backend_pid()",
      )
    ).rows[0].n;
  expect(await sessions()).toBeGreaterThan(0);
  first.on('error', () => {}).destroy();
  await expect.poll(async () => (await simulate(s, { product: 'erp', days: 1 })).status, { timeout: 30_000 }).toBe(200);
  await expect.poll(sessions, { timeout: 30_000 }).toBe(0);
});

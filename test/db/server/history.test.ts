import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tiers } from '../../../server/usage/usageHistory.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from './support/seatServer.ts';

let database: TestDatabase;
let server: SeatServer;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase(ledgerTemplate);
  server = await startSeatServer(database.url, { licences: [{ seatLimit: 1 }, { product: 'crm' }] });
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await server.stop();
  await database.drop();
});
const count = async (sql: string, values: unknown[] = []): Promise<number> =>
  Number((await client.query(sql, values)).rows[0]?.n);

/** A row a product costs at most, whatever happened: each step's rows within the time that it is kept, and the one begun. */
const most = tiers.reduce((n, t) => n + (t.keepDays * 86_400) / t.stepSeconds + 1, 0);

it('a year of minutes becomes a bounded number of rows, and keeps the peak of every day', async () => {
  // what a sample a minute leaves of a product with a peak at half past nine on each day
  const step = (seconds: number, isPeak: string) => `
    INSERT INTO usage (product, step_seconds, at, seat_limit, peak, mean, samples, stale)
    SELECT 'erp', ${seconds}, at, 10, CASE WHEN ${isPeak} THEN 9 ELSE 2 END, 2, 1, 0
      FROM generate_series(date_bin('${seconds} s', now() - interval '365 days', '2000-01-01Z'), now(), '${seconds} s') at`;
  await client.query("SET TimeZone = 'UTC'");
  await client.query(step(60, "to_char(at, 'HH24:MI') = '09:30'"));
  await client.query(step(3_600, 'extract(hour FROM at) = 9'));
  await client.query(step(86_400, 'true'));
  expect(await count('SELECT count(*) AS n FROM usage')).toBeGreaterThan(525_600);
  await server.usage.prune();
  const rows = await count('SELECT count(*) AS n FROM usage');
  expect(rows).toBeLessThanOrEqual(most);
  expect(rows).toBeGreaterThan(3 * 1_440 + 120 * 24 + 364);
  expect(most).toBeLessThan(10_000);

  const from = new Date(Date.now() - 364 * 86_400_000).toISOString();
  const { body } = await server.call('GET', `/v1/usage?product=erp&step=86400&from=${from}`);
  const whole = body.points.slice(1, -1);
  expect(whole.length).toBeGreaterThanOrEqual(362);
  expect(new Set(whole.map((p: { peak: number }) => p.peak))).toEqual(new Set([9]));
  const hours = await server.call(
    'GET',
    `/v1/usage?product=erp&step=3600&from=${new Date(Date.now() - 86_400_000 * 10).toISOString()}`,
  );
  expect(new Set(hours.body.points.map((p: { peak: number }) => p.peak))).toEqual(new Set([2, 9]));
}, 240_000);

it('events, refusals and acts are kept for as many days as is set, and not longer', async () => {
  for (const days of [89, 91]) {
    const at = `now() - interval '${days} days'`;
    await client.query(`INSERT INTO event VALUES (${at}, 1, 'G', gen_random_uuid(), 'h')`);
    await client.query(
      `INSERT INTO denial (product, holder, reason, first_at, last_at, attempts, open) VALUES ('erp', 'h', 'SeatsExhausted', ${at}, ${at}, 1, false)`,
    );
    await client.query(`INSERT INTO audit (at, actor, action, target) VALUES (${at}, 'a', 'b', 'c')`);
  }
  await server.usage.prune(); // the test's server keeps 90 days
  expect(await count('SELECT count(*) AS n FROM event')).toBe(1);
  expect(await count('SELECT count(*) AS n FROM denial')).toBe(1);
  expect(await count('SELECT count(*) AS n FROM audit')).toBe(1);
  await client.query('DELETE FROM event; DELETE FROM denial; DELETE FROM audit');
});

it('who holds what and who was refused why come as JSON pages and as one table', async () => {
  await server.checkOut('anna');
  await server.checkOut('=boris()');
  await server.checkOut('vera', { product: 'none' });
  await server.checkOut('sticky "one"', { product: 'crm', mode: 'sticky' });
  const json = (await server.call('GET', '/v1/denials')).body.denials;
  expect(json.map((d: { reason: string }) => d.reason).sort()).toEqual(['ProductUnknown', 'SeatsExhausted']);
  const denials = await server.call('GET', '/v1/denials.csv');
  expect(denials.headers).toMatchObject({
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': 'attachment; filename="denials.csv"',
  });
  const lines = denials.body.split('\r\n');
  expect(lines[0]).toBe('product,base,user,host,session,reason,firstAt,lastAt,attempts,unmet,servedAt');
  expect(lines.slice(1).sort()).toEqual([
    expect.stringMatching(/^erp,buh,'=boris\(\),pc,,SeatsExhausted,\d{4}-.*Z,\d{4}-.*Z,1,false,$/),
    expect.stringMatching(/^none,buh,vera,pc,,ProductUnknown,/),
  ]);
  const one = await server.call('GET', '/v1/denials.csv?reason=SeatsExhausted');
  expect(one.body.split('\r\n')).toHaveLength(2);

  const leases = await server.call('GET', '/v1/leases.csv');
  expect(leases.body.split('\r\n')).toEqual([
    'product,base,user,host,session,mode,state,acquiredAt,renewedAt,expiresAt,leaseId,feature,seats,writtenOff,idleSince',
    expect.stringMatching(/^(erp|crm),buh,/),
    expect.stringMatching(/^(erp|crm),buh,/),
  ]);
  expect(leases.body).toContain('crm,buh,"sticky ""one""",pc,,sticky,active,');
});

import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Denials } from '../../../server/seats/denials.ts';
import { Pruning, portionRows } from '../../../server/usage/pruning.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { count, pagesOf, vacuum } from './support/tables.ts';

let database: TestDatabase;
let sql: pg.Client;

beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
});
afterEach(async () => {
  await sql.end();
  await database.drop();
});

describe('pruning', () => {
  const oldEvents = (n: number) =>
    sql.query(
      "INSERT INTO event SELECT now() - interval '91 days' + i * interval '1 ms', 1, 'G', gen_random_uuid(), 'h' FROM generate_series(1, $1) i",
      [n],
    );
  const pruning = async (work: (pruning: Pruning, pool: pg.Pool) => Promise<void>) => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1, options: '-c lock_timeout=200' });
    try {
      await work(new Pruning(pool, 90, []), pool);
    } finally {
      await pool.end();
    }
  };

  it('goes in portions and continues where it stopped', async () => {
    await oldEvents(2 * portionRows + 10);
    await oldEvents(0);
    await sql.query("INSERT INTO event VALUES (now(), 1, 'G', gen_random_uuid(), 'h')");
    await vacuum(sql, 'event');
    const seen = [await count(sql, 'event')];
    await pruning(async (p) => {
      while (await p.portion()) {
        const n = await count(sql, 'event');
        if (n !== seen.at(-1)) seen.push(n);
      }
    });
    expect(seen).toEqual([2 * portionRows + 11, portionRows + 11, 11, 1]);
  });

  it('does not read again what it has removed', async () => {
    await oldEvents(40_000);
    await vacuum(sql, 'event');
    await sql.query("SELECT brin_summarize_new_values('event_at')");
    const first = await pagesOf(sql, "SELECT prune_events(now() - interval '90 days', '-infinity', 1000)");
    const { rows } = await sql.query(
      "SELECT last_at::text AS at FROM prune_events(now() - interval '90 days', '-infinity', 35000)",
    );
    const later = await pagesOf(sql, `SELECT prune_events(now() - interval '90 days', '${rows[0].at}', 1000)`);
    expect(later).toBeLessThan(first + 300); // a range of the index is 128 pages
  });

  it('of one table that cannot be done keeps no other from it', async () => {
    await oldEvents(10);
    await sql.query("INSERT INTO audit (at, actor, action, target) VALUES (now() - interval '91 days', 'a', 'b', 'c')");
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE');
    await pruning(async (p) => {
      let failures = 0;
      for (let more = true; more; ) {
        more = await p.portion().catch(() => {
          failures += 1;
          return true;
        });
      }
      expect(failures).toBe(1);
      expect(await count(sql, 'audit')).toBe(0);
      await holder.end();
      while (await p.portion());
    });
    expect(await count(sql, 'event')).toBe(0);
  });

  it('of refusals keeps up to a number, the youngest', async () => {
    const denials = new Denials();
    for (let i = 0; i < 30; i++)
      denials.note('erp', `b\u001fu${String(i).padStart(2, '0')}\u001fpc\u001f`, 'ProductUnknown');
    await denials.flush(sql as never);
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    const pruning = new Pruning(pool, 90, [], 10);
    while (await pruning.portion());
    await pool.end();
    expect(await count(sql, 'denial')).toBe(10);
    expect(await count(sql, "denial WHERE holder < 'b\u001fu20'")).toBe(0);
  });
});

import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from '../support/seatServer.ts';
import { count as countIn, pagesOf as pagesIn, vacuum } from '../support/tables.ts';

let database: TestDatabase;
let servers: SeatServer[] = [];
let sql: pg.Client;
const patient = { timeout: 20_000 };

const start = async (options: SeatServerOptions = {}) => {
  const server = await startSeatServer(database.url, options);
  servers.push(server);
  return server;
};
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
});
afterEach(async () => {
  await sql.end();
  for (const server of servers.splice(0)) await server.stop();
  servers = [];
  await database.drop();
});
const count = (what: string) => countIn(sql, what);
const pagesOf = (query: string) => pagesIn(sql, query);

/** `bases` silent bases with so many sticky seats each, of one product of two. */
async function silentBases(bases: number, seatsEach: number): Promise<void> {
  await sql.query(
    "INSERT INTO pool (product, seat_limit, in_use) VALUES ('crm', 1, 0), ('erp', 1000000, $1) ON CONFLICT (product) DO UPDATE SET seat_limit = excluded.seat_limit, in_use = excluded.in_use",
    [bases * seatsEach],
  );
  await sql.query(
    `INSERT INTO lease (pool_id, kind, lease_id, acquired_at, renewed_at, expires_at, holder)
     SELECT p.pool_id, 2, gen_random_uuid(), now() - interval '2 h', now() - interval '2 h', 'infinity', 'base' || b || chr(31) || 'u' || u || chr(31) || 'pc' || chr(31)
       FROM pool p, generate_series(1, $1) b, generate_series(1, $2) u WHERE p.product = 'erp'`,
    [bases, seatsEach],
  );
  await sql.query("INSERT INTO base SELECT 'base' || b, now() - interval '2 h' FROM generate_series(1, $1) b", [bases]);
}

/** `n` holders that are refused now, and ask again and again. */
const openRefusals = (n: number, askedAgo = '3 min') =>
  sql.query(
    `INSERT INTO denial (product, holder, reason, first_at, last_at, attempts, unmet)
     SELECT 'erp', 'b' || chr(31) || 'u' || i || chr(31) || 'pc' || chr(31), 'SeatsExhausted', now() - interval '5 min', now() - $2::interval, 1, true
       FROM generate_series(1, $1) i`,
    [n, askedAgo],
  );

describe('a server that is busy', () => {
  it('is alive all the same: housekeeping that hangs for longer than the patience of its lease time freezes nothing', async () => {
    const s = await start({ leaseMs: 20_000 });
    const freezes = () => s.log().split('nothing expires').length - 1;
    const before = freezes();
    const alive = async (): Promise<Date> => (await sql.query('SELECT alive_at FROM cluster')).rows[0].alive_at;
    const since = await alive();
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    try {
      // whoever counts, samples, or settles refusals waits for this one
      await holder.query('BEGIN; LOCK TABLE denial IN ACCESS EXCLUSIVE MODE');
      await s.checkOut('anna');
      await expect
        .poll(async () => (await alive()).getTime() - since.getTime(), { timeout: 45_000 })
        .toBeGreaterThan(14_000);
    } finally {
      await holder.end();
    }
    expect(freezes()).toBe(before);
    // it did hang, and is told by its name; and nobody was kept from a seat by it
    expect((await s.call('GET', '/metrics')).body).toMatch(/licence_store_errors_total\{op="count"\} [1-9]/);
    expect((await s.call('GET', '/healthz/ready')).status).toBe(200);
  }, 90_000);

  it('locks one pool at a time: what waits for the row of one does not hold that of another', async () => {
    await start({ licences: [{ seatLimit: 2 }, { product: 'crm', seatLimit: 2 }] });
    const ids = (await sql.query('SELECT pool_id FROM pool ORDER BY pool_id')).rows.map((r) => r.pool_id);
    const [earlier, later] = ids;
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    try {
      await sql.query(
        "INSERT INTO waiter (pool_id, holder, since, live_until) SELECT p, 'h', now(), now() + interval '1 h' FROM unnest($1::smallint[]) p",
        [ids],
      );
      await sql.query('UPDATE pool SET waiting = 1');
      // whoever takes rows as they lie comes to the later pool first, as after a while of work
      await expect
        .poll(async () => {
          await holder.query('BEGIN; LOCK TABLE pool IN EXCLUSIVE MODE');
          const [first] = (await holder.query('SELECT pool_id FROM pool ORDER BY ctid')).rows;
          if (first.pool_id === later) return true; // and no more row moves
          await holder.query('UPDATE pool SET peak = peak WHERE pool_id = $1', [earlier]);
          await holder.query('COMMIT');
          return false;
        }, patient)
        .toBe(true);
      await holder.query('SELECT FROM pool WHERE pool_id = $1 FOR UPDATE', [earlier]);
      const other = new pg.Client({ connectionString: database.url });
      await other.connect();
      try {
        // the row alone is held from here on
        await holder.query('COMMIT; BEGIN');
        await holder.query('SELECT FROM pool WHERE pool_id = $1 FOR UPDATE', [earlier]);
        const blocked = async () =>
          (
            await sql.query(
              "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ 'waiting > 0|leave_queue'",
            )
          ).rowCount;
        await expect.poll(blocked, patient).toBeGreaterThan(0);
        expect((await other.query('SELECT pool_id FROM pool ORDER BY ctid LIMIT 1')).rows).toEqual([
          { pool_id: later },
        ]);
        await other.query('SELECT FROM pool WHERE pool_id = $1 FOR UPDATE NOWAIT', [later]);
      } finally {
        await other.end();
      }
    } finally {
      await holder.end();
    }
  });
});

describe('refusals', () => {
  it('that are open in great number cost the count, the sweep and the sample no more than a few', async () => {
    await sql.query("INSERT INTO pool (product, seat_limit) VALUES ('erp', 1)");
    await openRefusals(30_000);
    await vacuum(sql, 'denial');
    expect(await pagesOf("SELECT count_pools(interval '30 min')")).toBeLessThan(150);
    expect(await pagesOf('SELECT find_unmet(1000)')).toBeLessThan(150);
    expect(await pagesOf('SELECT close_denials(1000)')).toBeLessThan(150);
    expect(await pagesOf('SELECT sample_usage(1::smallint)')).toBeLessThan(150);
  });

  it('are closed in portions when their holders have given up', async () => {
    await openRefusals(2_500, '11 min');
    for (const n of [1_000, 1_000, 500, 0])
      expect((await sql.query('SELECT close_denials(1000) AS n')).rows[0].n).toBe(n);
    expect(await count('denial WHERE open')).toBe(0);
  });

  it('of a clock that was set back are closed too, and dated now', async () => {
    await openRefusals(3, '-1 year');
    await sql.query('SELECT close_denials(1000)');
    expect(await count('denial WHERE NOT open AND last_at <= clock_timestamp() AND first_at <= last_at')).toBe(3);
  });

  it('end with the grant, by whichever server, in the same transaction', async () => {
    const one = await start({ licences: [{ seatLimit: 1 }] });
    const two = await start({ licences: [{ seatLimit: 1 }] });
    const { leaseId } = (await one.checkOut('anna')).body;
    await one.checkOut('boris');
    await one.store.denials.flush(one.store.db);
    expect(await count('denial WHERE open')).toBe(1);
    await two.call('DELETE', `/v1/leases/${leaseId}`);
    expect((await two.checkOut('boris')).status).toBe(201);
    expect(await count("denial WHERE NOT open AND served_at IS NOT NULL AND holder LIKE '%boris%'")).toBe(1);
    // and before they were written down
    await two.checkOut('vera');
    await two.call('DELETE', `/v1/leases/${(await two.checkOut('boris')).body.leaseId}`);
    expect((await two.checkOut('vera')).status).toBe(201);
    await expect
      .poll(() => count("denial WHERE NOT open AND served_at IS NOT NULL AND holder LIKE '%vera%'"), patient)
      .toBe(1);
  });

  it('are unmet demand a minute later, unless their holders have a seat by then', async () => {
    await start({ licences: [{ seatLimit: 5 }] }).then((s) => s.checkOut('anna'));
    const held = (await sql.query('SELECT holder FROM lease')).rows[0].holder;
    await sql.query("UPDATE pool SET asking_until = '-infinity'"); // nobody ended these
    await sql.query(
      `INSERT INTO denial (product, holder, reason, first_at, last_at, attempts)
       SELECT 'erp', h, r, now() - interval '2 min', now() - interval '2 min', 1
         FROM (VALUES ($1, 'SeatsExhausted'), ('x', 'SeatsReserved'), ('y', 'SeatsExhausted'), ('z', 'KeyExpired')) v(h, r)`,
      [held],
    );
    const unmet = () =>
      sql.query('SELECT holder FROM denial WHERE unmet ORDER BY 1').then((r) => r.rows.map((x) => x.holder));
    await expect.poll(unmet, patient).toEqual(['x', 'y']);
    expect((await sql.query('SELECT open, served_at FROM denial WHERE holder = $1', [held])).rows).toEqual([
      { open: false, served_at: expect.any(Date) },
    ]);
  });

  it('are counted once an episode in the usage, however many there were before', async () => {
    const s = await start({ licences: [{ seatLimit: 1 }] });
    await s.checkOut('anna');
    const denied = async () => {
      await s.usage.sample();
      return (await s.call('GET', '/v1/usage?step=86400')).body.points.map((p: { denied: number }) => p.denied);
    };
    for (const user of ['boris', 'vera', 'boris']) await s.checkOut(user);
    await s.store.denials.flush(s.store.db);
    await s.checkOut('boris');
    await s.store.denials.flush(s.store.db);
    expect(await denied()).toEqual([2]);
    expect(await denied()).toEqual([2]);
  });
});

describe('stale seats of many silent bases', () => {
  it('are counted by a look at each seat, not at all seats for each base', async () => {
    /** Of twice as many bases with as many seats each; what grows with either alone is 2, with their product 4. */
    const growth = async (query: string): Promise<number> => {
      const pages: number[] = [];
      for (const bases of [150, 300]) {
        await sql.query('TRUNCATE lease, base');
        await silentBases(bases, 100);
        await vacuum(sql, 'lease', 'base');
        pages.push(await pagesOf(query));
      }
      return (pages[1] ?? 0) / (pages[0] ?? 1);
    };
    for (const setting of ['on', 'off']) {
      await sql.query(
        `SET enable_seqscan = ${setting}; SET enable_hashjoin = ${setting}; SET enable_mergejoin = ${setting}`,
      );
      expect(await growth("SELECT count_pools(interval '30 min')")).toBeLessThan(3);
      expect(await growth("SELECT count(*) FROM stale_leases(interval '30 min', now())")).toBeLessThan(3);
    }
  });

  it('are no burden to a report that changes nothing', async () => {
    await silentBases(60, 100);
    await vacuum(sql, 'lease', 'base');
    await sql.query(
      "SELECT set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)",
    );
    expect(await pagesOf("SELECT report_unchanged('{base7}', '{0}', '{}', '{}', NULL)")).toBeLessThan(300);
  });

  it('are cleared at a start in portions, each by itself, and a clearing that was broken off goes on', async () => {
    await silentBases(30, 100);
    await sql.query(
      "INSERT INTO clearing (id, at, stale_before, cleared, kept, done) VALUES ('roll-9', now(), 7, 7, 0, false)",
    );
    const s = await start({ licences: [{ seatLimit: 5_000 }], clear: { once: 'roll-9' } });
    expect(s.clearing).toMatchObject({ staleBefore: 3_007, cleared: 3_007, kept: 0 });
    expect(await count('lease')).toBe(0);
    // no transaction took more than a portion
    const { rows } = await sql.query(
      "SELECT count(*)::int AS n FROM event WHERE code = 'R' GROUP BY xmin ORDER BY n DESC",
    );
    expect(rows[0].n).toBeLessThanOrEqual(1_000);
    expect(rows.reduce((sum, r) => sum + r.n, 0)).toBe(3_000);
    const again = await start({ clear: { once: 'roll-9' } });
    expect(again.clearing).toEqual(s.clearing);
  });

  it('are in the status as of the last count, which does not hold it up', async () => {
    const s = await start({ staleAfterMs: 60_000 });
    await silentBases(3, 2);
    await expect
      .poll(
        async () =>
          (await s.call('GET', '/v1/products')).body.products.map((p: { seatsStale: number }) => p.seatsStale),
        patient,
      )
      .toEqual([6]);
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    try {
      await holder.query('BEGIN; LOCK TABLE base, denial IN ACCESS EXCLUSIVE MODE');
      expect((await s.call('GET', '/v1/status')).status).toBe(200);
    } finally {
      await holder.end();
    }
  });
});

describe('an outage, or a clock that is set back', () => {
  const outages = async (): Promise<number> => (await sql.query('SELECT count(*)::int AS n FROM outage')).rows[0].n;
  const stale = async (minutes: number): Promise<number> =>
    (
      await sql.query("SELECT count(*)::int AS n FROM stale_leases($1 * interval '1 min', clock_timestamp())", [
        minutes,
      ])
    ).rows[0].n;

  it('writes to no seat, however many there are', async () => {
    await silentBases(100, 300);
    await sql.query("UPDATE cluster SET alive_at = now() - interval '1 h'");
    const writers = () =>
      sql.query('SELECT count(DISTINCT xmin::text)::int AS n FROM lease').then(({ rows }) => rows[0].n);
    expect(await writers()).toBe(1);
    await start({ clear: 'never' });
    expect(await writers()).toBe(1);
    expect((await sql.query("SELECT DISTINCT seen_at < now() - interval '110 min' AS old FROM base")).rows).toEqual([
      { old: true },
    ]);
  });

  it('of a ledger that nobody has used yet is none: a database that was made long before its first server', async () => {
    await sql.query("UPDATE cluster SET alive_at = now() - interval '1 h'");
    await start();
    expect(await outages()).toBe(0);
  });

  it('is no silence of a base: only the time counts in which there was a server', async () => {
    await silentBases(2, 3); // their last sign of life is 2 h old
    for (const [from, to] of [
      [118, 90], // after 2 min of service
      [80, 50], // after 10 more
    ])
      await sql.query("INSERT INTO outage VALUES (now() - $1 * interval '1 min', now() - $2 * interval '1 min')", [
        from,
        to,
      ]);
    await sql.query("UPDATE cluster SET alive_at = now() - interval '40 min'"); // and 10 more; then the third one
    await start({ clear: 'never' });
    expect(await outages()).toBe(3);
    expect([await stale(21), await stale(23)]).toEqual([6, 0]);
    const from = async (minutes: number) =>
      (
        await sql.query(
          "SELECT round(extract(epoch FROM now() - silent_from(now() - interval '2 h', $1 * interval '1 min')) / 60)::int AS n",
          [minutes],
        )
      ).rows[0].n;
    expect([await from(1), await from(11), await from(21)]).toEqual([119, 81, 41]);
  });

  it('brings seats back with it in portions, and nothing expires before all are', async () => {
    const leases = 45_000;
    await sql.query("INSERT INTO pool (product, seat_limit, in_use) VALUES ('erp', $1, $1)", [leases]);
    await sql.query(
      `INSERT INTO lease (pool_id, kind, lease_id, acquired_at, renewed_at, expires_at, holder)
       SELECT 1, 0, gen_random_uuid(), now(), now() + interval '1 h', now() + interval '62 min', 'b' || chr(31) || u || chr(31) || 'pc' || chr(31)
         FROM generate_series(1, $1) u`,
      [leases],
    );
    await sql.query("UPDATE cluster SET alive_at = now() + interval '1 h'");
    const ahead = () =>
      count("lease WHERE expires_at > clock_timestamp() + interval '121 s' OR renewed_at > clock_timestamp()");
    const beat = async () =>
      (
        await sql.query(
          "SELECT froze, more FROM beat('11111111-2222-4333-8444-555555555555', 120000, false, false, NULL)",
        )
      ).rows[0];
    const mayExpire = async () =>
      (await sql.query("SELECT may_expire(clock_timestamp(), '-infinity', NULL) AS may")).rows[0].may;
    for (const left of [25_000, 5_000]) {
      expect(await beat()).toEqual({ froze: false, more: true });
      expect([await ahead(), await mayExpire()]).toEqual([left, false]);
    }
    expect(await beat()).toEqual({ froze: true, more: false });
    expect([await ahead(), await mayExpire()]).toEqual([0, true]);
    expect(await beat()).toEqual({ froze: false, more: false });
  });

  it('is done by the server that finds it, at once', async () => {
    const s = await start({ licences: [{ seatLimit: 2 }] });
    await s.checkOut('anna');
    await sql.query(
      "UPDATE lease SET expires_at = expires_at + interval '1 day', renewed_at = renewed_at + interval '1 day'",
    );
    await sql.query("UPDATE cluster SET alive_at = now() + interval '1 day'");
    await expect.poll(() => count("lease WHERE expires_at > clock_timestamp() + interval '1 h'"), patient).toBe(0);
    expect((await sql.query('SELECT FROM outage WHERE ended_at > clock_timestamp()')).rowCount).toBe(0);
  });
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { newLeaseId } from '../../server/seats/leaseId.ts';

export const plenty = 5_000_000;
const most = 100_000;
/** The first product of a new database has this number. */
const poolId = 1;
const ids = Array.from({ length: most }, () => newLeaseId(poolId));

/** The seats of a contestant, as each case wants to find them. */
export class Fixture {
  readonly connection: pg.ClientConfig;
  readonly #leaseFile: string;
  #filled = '';

  constructor(connection: pg.ClientConfig, dir: string) {
    this.connection = connection;
    this.#leaseFile = join(dir, 'leases');
  }

  async query(sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = new pg.Client(this.connection);
    await client.connect();
    try {
      return (await client.query(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** Has so many leases, with free seats or without; answers the file with their ids. `keeps`: the case changes no lease but its times. */
  async fill(leases: number, full: boolean, keeps: boolean): Promise<string> {
    const wanted = `${leases} ${full}`;
    if (this.#filled !== wanted) {
      await this.#seed();
      await this.query('TRUNCATE lease, event, base, waiter, denial');
      await this.query(
        `INSERT INTO lease (pool_id, kind, lease_id, acquired_at, renewed_at, expires_at, holder)
         SELECT $1, 0, id, now(), now(), now() + interval '1 h', concat_ws(chr(31), 'base' || n % 100, 'held-' || n, 'pc', '')
           FROM bench_seed WHERE n <= $2`,
        [poolId, leases],
      );
      await this.query(
        "UPDATE pool SET in_use = $2, seat_limit = $3, next_expiry = now() + interval '50 min' WHERE pool_id = $1",
        [poolId, leases, full ? leases : leases + plenty],
      );
      await this.query('VACUUM ANALYZE lease');
      await this.query('CHECKPOINT');
      writeFileSync(this.#leaseFile, ids.slice(0, leases).join('\n'));
    }
    this.#filled = keeps ? wanted : '';
    return this.#leaseFile;
  }

  async #seed(): Promise<void> {
    const known = await this.query("SELECT to_regclass('bench_seed') AS t");
    if (known[0]?.t != null) return;
    await this.query('CREATE UNLOGGED TABLE bench_seed (n int, id uuid)');
    await this.query('INSERT INTO bench_seed SELECT n, id FROM unnest($1::uuid[]) WITH ORDINALITY u(id, n)', [ids]);
  }

  /** Leaves nothing of the bench but the leases. */
  async dropSeed(): Promise<void> {
    await this.query('DROP TABLE IF EXISTS bench_seed');
  }

  /**
   * Every commit that waits for the disk takes at least so long: PostgreSQL sleeps before each flush (commit_delay) while it holds
   * the lock of the log, as a volume with slow flushes would have it. 0: as fast as the disk is.
   */
  async slowCommits(ms: number): Promise<void> {
    await this.query(`ALTER SYSTEM SET commit_delay = ${ms * 1000}`);
    await this.query(`ALTER SYSTEM SET commit_siblings = ${ms > 0 ? 0 : 5}`);
    await this.query('SELECT pg_reload_conf()');
  }

  async bytesOf(table: string): Promise<number> {
    const rows = await this.query('SELECT pg_total_relation_size($1::regclass)::text AS bytes', [table]);
    return Number(rows[0]?.bytes);
  }
}

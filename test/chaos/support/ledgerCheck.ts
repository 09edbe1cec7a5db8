import pg from 'pg';

/** What the database itself says of one product, in one snapshot. */
export interface LedgerView {
  readonly seatLimit: number;
  /** The counter that grants go by. */
  readonly inUse: number;
  readonly rows: number;
  readonly distinctHolders: number;
  readonly leaseIds: ReadonlySet<string>;
}

/** Looks at the ledger past the server: its own connection, its own queries. */
export class LedgerCheck implements AsyncDisposable {
  readonly #pool: pg.Pool;
  readonly #product: string;

  constructor(connection: pg.ClientConfig, product: string) {
    this.#pool = new pg.Pool({ ...connection, max: 1 });
    this.#pool.on('error', () => {}); // the next look connects anew
    this.#product = product;
  }

  async look(): Promise<LedgerView> {
    const { rows } = await this.#pool.query(
      `SELECT p.seat_limit, p.in_use, x.* FROM pool p, LATERAL (SELECT count(*)::int AS n, count(DISTINCT l.holder)::int AS holders,
         coalesce(array_agg(l.lease_id::text), '{}') AS ids FROM lease l WHERE l.pool_id = p.pool_id) x WHERE p.product = $1`,
      [this.#product],
    );
    const [row] = rows;
    if (row === undefined) throw new Error(`the database has no pool of ${this.#product}`);
    return {
      seatLimit: row.seat_limit,
      inUse: row.in_use,
      rows: row.n,
      distinctHolders: row.holders,
      leaseIds: new Set(row.ids),
    };
  }

  /** The ledger's own diary, replayed: the most leases at one moment, and how many are left at its end; and how many there are. */
  async replay(): Promise<{
    readonly most: number;
    readonly left: number;
    readonly rows: number;
    readonly events: number;
  }> {
    const { rows } = await this.#pool.query(
      `SELECT coalesce(max(n), 0)::int AS most, coalesce(sum(d), 0)::int AS left, count(*)::int AS events,
         (SELECT count(*)::int FROM lease l JOIN pool p USING (pool_id) WHERE p.product = $1) AS rows FROM (
         SELECT d, sum(d) OVER (ORDER BY at, d ROWS UNBOUNDED PRECEDING) AS n FROM (
           SELECT e.at, CASE e.code WHEN 'G' THEN 1 ELSE -1 END AS d FROM event e JOIN pool p USING (pool_id) WHERE p.product = $1) e) x`,
      [this.#product],
    );
    return rows[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }
}

import type pg from 'pg';
import type { ClearingStatus } from '../../licence/serverStatus.ts';

/** `start`: clear at every start; `never`; or once for the given id. */
export type ClearPolicy = 'start' | 'never' | { readonly once: string };

/** A clearing of stale seats in numbers. */
export interface Cleared {
  readonly before: number;
  readonly released: number;
  readonly kept: number;
}

/** Seats a portion: a pool's row is locked for the time of one. */
const portion = 1_000;

export interface ClearRequest {
  readonly db: pg.Pool;
  readonly staleAfterMs: number;
  /** Told of each portion. */
  cleared(poolId: number, product: string, released: number): void;
}

/** Runs work in one transaction; it is undone if the work throws. */
export type Transaction = <T>(work: (tx: pg.PoolClient) => Promise<T>) => Promise<T>;

/** Gives stale seats back (of one product, or of all), pool by pool, a portion a transaction. */
export async function clearStale(
  request: ClearRequest,
  product: string | undefined,
  cause: 'admin' | 'roll',
): Promise<Cleared> {
  let before = 0;
  let released = 0;
  for (const pool of await poolsOf(request.db, product)) {
    for (;;) {
      const part = await clearPortion(request.db, request, pool.pool_id, cause);
      before += part.n_stale;
      released += part.cleared;
      request.cleared(pool.pool_id, pool.product, part.cleared);
      if (part.n_stale < portion) break;
    }
  }
  return { before, released, kept: await keptSeats(request.db) };
}

/**
 * The clearing of a start, on record by its id. One that was broken off goes on where it stopped; one that is done is answered as
 * it was. Of two servers that start with the same id each portion is cleared, and counted, by one.
 */
export async function clearAtStart(
  policy: ClearPolicy,
  request: ClearRequest,
  transaction: Transaction,
): Promise<ClearingStatus | undefined> {
  if (policy === 'never') return undefined;
  const id = policy === 'start' ? `start:${new Date().toISOString()}` : policy.once;
  await request.db.query(
    `INSERT INTO clearing (id, at, stale_before, cleared, kept, done) VALUES ($1, clock_timestamp(), 0, 0, 0, false)
     ON CONFLICT DO NOTHING`,
    [id],
  );
  for (const pool of await poolsOf(request.db, undefined)) {
    for (;;) {
      const part = await transaction(async (tx) => {
        const open = await tx.query('SELECT FROM clearing WHERE id = $1 AND NOT done FOR UPDATE', [id]);
        if (open.rowCount === 0) return undefined;
        const done = await clearPortion(tx, request, pool.pool_id, 'roll');
        await tx.query('UPDATE clearing SET stale_before = stale_before + $2, cleared = cleared + $3 WHERE id = $1', [
          id,
          done.n_stale,
          done.cleared,
        ]);
        return done;
      });
      if (part === undefined) break;
      request.cleared(pool.pool_id, pool.product, part.cleared);
      if (part.n_stale < portion) break;
    }
  }
  await request.db.query('UPDATE clearing SET done = true, kept = $2 WHERE id = $1 AND NOT done', [
    id,
    await keptSeats(request.db),
  ]);
  const { rows } = await request.db.query<ClearingRow>('SELECT * FROM clearing WHERE id = $1', [id]);
  return rows[0] && clearingOf(rows[0]);
}

async function poolsOf(db: pg.Pool, product: string | undefined) {
  const { rows } = await db.query<{ pool_id: number; product: string }>(
    'SELECT pool_id, product FROM pool WHERE $1::text IS NULL OR product = $1 ORDER BY pool_id',
    [product ?? null],
  );
  return rows;
}

async function clearPortion(
  client: Pick<pg.ClientBase, 'query'>,
  { staleAfterMs }: ClearRequest,
  poolId: number,
  cause: 'admin' | 'roll',
): Promise<{ n_stale: number; cleared: number }> {
  const { rows } = await client.query<{ n_stale: number; cleared: number }>(
    "SELECT * FROM clear_stale($1, $2 * interval '1 ms', $3, $4, NULL)",
    [poolId, staleAfterMs, cause === 'admin' ? 'A' : 'R', portion],
  );
  return rows[0] ?? { n_stale: 0, cleared: 0 };
}

async function keptSeats(db: pg.Pool): Promise<number> {
  const { rows } = await db.query<{ n: number }>('SELECT coalesce(sum(in_use), 0)::int AS n FROM pool');
  return rows[0]?.n ?? 0;
}

interface ClearingRow {
  id: string;
  at: Date;
  stale_before: number;
  cleared: number;
  kept: number;
}

const clearingOf = (row: ClearingRow): ClearingStatus => ({
  id: row.id,
  at: row.at.toISOString(),
  staleBefore: row.stale_before,
  cleared: row.cleared,
  kept: row.kept,
});

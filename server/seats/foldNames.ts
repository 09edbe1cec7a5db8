import type pg from 'pg';
import { fold, foldedKey as keyOf } from './holderKey.ts';

type Transaction = <T>(work: (tx: pg.PoolClient) => Promise<T>) => Promise<T>;

/** Whatever folding may change: a capital letter of ASCII, or anything beyond ASCII. */
const doubtful = (column: string) =>
  `(${column} COLLATE "C" ~ '[A-Z]' OR octet_length(${column}) <> length(${column}))`;

interface Held {
  lease_id: string;
  holder: string;
  shown: string | null;
  renewed_at: Date;
}

/**
 * Folds the names that a build before has written: it told "Anna" from "anna". Two seats of one product whose holders are the same
 * now become one, that of whoever was heard of last; its twin's program is told `LeaseLost` by its next heartbeat, checks out
 * again, and has the same seat. Done once, and again by starts within a day, since a server of the build before may still
 * have run beside. Answers how many seats were merged.
 */
export async function foldNames(transaction: Transaction): Promise<number> {
  const pools = await transaction(async (tx) => {
    const { rows } = await tx.query<{ isDone: boolean }>(
      `SELECT coalesce(folded_at < clock_timestamp() - interval '1 day', false) AS "isDone" FROM cluster`,
    );
    if (rows[0]?.isDone) return undefined;
    const all = await tx.query<{ pool_id: number }>('SELECT pool_id FROM pool ORDER BY pool_id');
    return all.rows.map((r) => r.pool_id);
  });
  if (pools === undefined) return 0;
  let merged = 0;
  for (const poolId of pools) merged += await transaction((tx) => foldPool(tx, poolId));
  await transaction(async (tx) => {
    await foldBases(tx);
    await foldDenials(tx);
    await tx.query('UPDATE cluster SET folded_at = coalesce(folded_at, clock_timestamp())');
  });
  return merged;
}

async function foldPool(tx: pg.PoolClient, poolId: number): Promise<number> {
  await tx.query('SELECT FROM pool WHERE pool_id = $1 FOR UPDATE', [poolId]);
  // who waits asks again within seconds
  await tx.query(`DELETE FROM waiter WHERE pool_id = $1 AND ${doubtful('holder')}`, [poolId]);
  const { rows } = await tx.query<Held>(
    `SELECT lease_id, holder, shown, renewed_at FROM lease WHERE pool_id = $1 AND ${doubtful('holder')} FOR UPDATE`,
    [poolId],
  );
  const changed = rows.filter((row) => keyOf(row.holder) !== row.holder);
  if (changed.length === 0) return 0;
  const there = await tx.query<Held>(
    'SELECT lease_id, holder, shown, renewed_at FROM lease WHERE pool_id = $1 AND holder = ANY($2) FOR UPDATE',
    [poolId, changed.map((row) => keyOf(row.holder))],
  );
  const kept: Held[] = [];
  const gone: Held[] = [];
  for (const same of Map.groupBy([...there.rows, ...changed], (row) => keyOf(row.holder)).values()) {
    const [latest, ...others] = same.toSorted((a, b) => b.renewed_at.getTime() - a.renewed_at.getTime());
    if (latest) kept.push(latest);
    gone.push(...others);
  }
  await tx.query(
    `WITH d AS (DELETE FROM lease WHERE lease_id = ANY($2) RETURNING lease_id, holder)
     INSERT INTO event SELECT clock_timestamp(), $1, 'M', lease_id, holder FROM d`,
    [poolId, gone.map((row) => row.lease_id)],
  );
  const renamed = kept.filter((row) => keyOf(row.holder) !== row.holder);
  await tx.query(
    `UPDATE lease l SET holder = u.h, shown = coalesce(l.shown, l.holder)
       FROM unnest($1::uuid[], $2::text[]) u(i, h) WHERE l.lease_id = u.i`,
    [renamed.map((row) => row.lease_id), renamed.map((row) => keyOf(row.holder))],
  );
  // no text that seats are counted by: whose seat each lease has is said anew when the limits are set
  await tx.query(
    `UPDATE pool SET in_use = (SELECT count(*) FROM lease WHERE pool_id = $1),
            reservations = CASE WHEN reserved IS NULL AND count_by IS NULL AND weights IS NULL THEN reservations ELSE '' END WHERE pool_id = $1`,
    [poolId],
  );
  return gone.length;
}

async function foldBases(tx: pg.PoolClient): Promise<void> {
  const { rows } = await tx.query<{ base: string; seen_at: Date }>(
    `DELETE FROM base WHERE ${doubtful('base')} RETURNING base, seen_at`,
  );
  for (const { base, seen_at } of rows) {
    await tx.query(
      `INSERT INTO base AS b (base, seen_at) VALUES ($1, $2)
       ON CONFLICT (base) DO UPDATE SET seen_at = greatest(b.seen_at, excluded.seen_at)`,
      [fold(base), seen_at],
    );
  }
}

/** Open episodes, which the grant of a seat ends; those that are over keep the key that they had. */
async function foldDenials(tx: pg.PoolClient): Promise<void> {
  const { rows } = await tx.query<{ denial_id: string; holder: string }>(
    `SELECT denial_id, holder FROM denial WHERE open AND ${doubtful('holder')} ORDER BY denial_id FOR UPDATE`,
  );
  const changed = rows.filter((row) => keyOf(row.holder) !== row.holder);
  if (changed.length === 0) return;
  const [ids, keys] = [changed.map((row) => row.denial_id), changed.map((row) => keyOf(row.holder))];
  // one episode of a holder is open at most: of several the first goes on
  await tx.query(
    `UPDATE denial d SET open = false FROM unnest($1::bigint[], $2::text[]) u(i, h)
      WHERE d.denial_id = u.i AND (
        EXISTS (SELECT FROM denial x WHERE x.open AND x.product = d.product AND x.reason = d.reason AND x.holder = u.h)
        OR EXISTS (SELECT FROM unnest($1::bigint[], $2::text[]) v(i, h) JOIN denial y ON y.denial_id = v.i
                    WHERE v.h = u.h AND v.i < u.i AND y.product = d.product AND y.reason = d.reason))`,
    [ids, keys],
  );
  await tx.query(
    `UPDATE denial d SET shown = coalesce(d.shown, d.holder), holder = u.h
       FROM unnest($1::bigint[], $2::text[]) u(i, h) WHERE d.denial_id = u.i`,
    [ids, keys],
  );
}

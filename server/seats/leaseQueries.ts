import type { ProductStatus } from '../../licence/serverStatus.ts';
import type { DenialReason } from '../../licence/words.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { holderOf, separator } from './holderKey.ts';
import type { SeatStore } from './store.ts';

/** Reads what is counted and refused; pages go by key, so that they are cheap and steady while seats change. */
export interface PoolCounts {
  product: string;
  seat_limit: number;
  in_use: number;
  stale: number;
  stale_since: Date | null;
  waiting: number;
  holders_waiting: number;
  reserved: number[] | null;
  reserved_used: number[] | null;
  overdraft: number;
  borrowed: number;
  lost: number;
  idle: number;
  lingering: number;
  /** Persons whose a seat is, and those of them who have not used it in the last 30 days. */
  assigned: number;
  unused: number;
  /** Seats that count for each `max` rule. */
  tallies: Readonly<Record<string, number>>;
}

/** The counters of all pools: one small row each, whatever is held, and one for each rule that bounds seats. */
export async function poolCounts(store: SeatStore): Promise<PoolCounts[]> {
  const bounded = store
    .pools()
    .flatMap((p) => p.rules.flatMap((r) => (r.max === undefined ? [] : [{ ...p, key: r.name }])));
  const { rows } = await store.db.query<PoolCounts>({
    name: 'pool_counts',
    text: 'SELECT product, seat_limit, in_use, stale, stale_since, waiting, holders_waiting, reserved, reserved_used, overdraft, borrowed, lost, idle, lingering, assigned, unused FROM pool ORDER BY product',
    values: [],
  });
  if (bounded.length === 0) return rows.map((row) => ({ ...row, tallies: {} }));
  const found = await store.db.query<{ product: string; key: string; used: number }>(
    `SELECT p.product, t.key, t.used FROM unnest($1::smallint[], $2::text[]) u(i, k)
       JOIN tally t ON t.pool_id = u.i AND t.key = u.k JOIN pool p ON p.pool_id = u.i`,
    [bounded.map((b) => b.poolId), bounded.map((b) => b.key)],
  );
  return rows.map((row) => ({
    ...row,
    tallies: Object.fromEntries(found.rows.flatMap((t) => (t.product === row.product ? [[t.key, t.used]] : []))),
  }));
}

/** Seats in use beyond the limit of a licence that allows it. */
export const overdrawn = ({ seat_limit, in_use, overdraft }: PoolCounts): number =>
  overdraft === 0 ? 0 : Math.max(in_use - seat_limit, 0);

/** Free seats that anybody may take: what reservations hold back is not among them. */
export function openSeats({ seat_limit, in_use, reserved, reserved_used }: PoolCounts): number {
  const kept = (reserved ?? []).reduce((sum, seats, i) => sum + Math.max(seats - (reserved_used?.[i] ?? 0), 0), 0);
  return Math.max(seat_limit - in_use - kept, 0);
}

/** Counts of every known product. Stale seats and waiting holders are those of the last count, a few seconds ago. */
export async function productStatuses(store: SeatStore): Promise<(ProductStatus & { counts: PoolCounts })[]> {
  const known = (await poolCounts(store)).filter((c) => store.pool(c.product) !== undefined || c.in_use > 0);
  return known.map((counts) => {
    const entitlement = store.pool(counts.product)?.entitlement;
    return {
      product: counts.product,
      seatLimit: counts.seat_limit,
      seatsInUse: counts.in_use,
      seatsStale: counts.stale,
      ...(counts.stale_since === null ? {} : { staleSince: counts.stale_since.toISOString() }),
      holdersWaiting: counts.holders_waiting,
      ...(entitlement?.supportUntil === undefined ? {} : { supportUntil: entitlement.supportUntil }),
      ...(entitlement?.expiresAt === undefined ? {} : { expiresAt: entitlement.expiresAt }),
      ...(entitlement?.trial ? { trial: true } : {}),
      ...(entitlement?.reassignAfterDays === undefined ? {} : { seatsAssigned: counts.assigned }),
      ...(overdrawn(counts) === 0 ? {} : { seatsOverdrawn: overdrawn(counts) }),
      counts,
    };
  });
}

export interface DenialFilter {
  readonly product?: string | undefined;
  readonly reason?: DenialReason | undefined;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

interface DenialRow {
  denial_id: string;
  product: string;
  holder: string;
  shown: string | null;
  reason: string;
  first_at: Date;
  last_at: Date;
  attempts: string;
  unmet: boolean;
  served_at: Date | null;
}

/** Refused check-outs, the newest episode first. */
export async function listDenials(store: SeatStore, filter: DenialFilter) {
  await store.denials.flush(store.db);
  const [before] = decodeCursor(filter.cursor) ?? [Number.MAX_SAFE_INTEGER];
  const { rows } = await store.db.query<DenialRow>(
    `SELECT * FROM denial WHERE denial_id < $1 AND ($2::text IS NULL OR product = $2) AND ($3::text IS NULL OR reason = $3)
        AND ($4::timestamptz IS NULL OR last_at >= $4) AND ($5::timestamptz IS NULL OR last_at < $5)
      ORDER BY denial_id DESC LIMIT $6`,
    [
      before,
      filter.product ?? null,
      filter.reason ?? null,
      filter.fromMs === undefined ? null : new Date(filter.fromMs).toISOString(),
      filter.toMs === undefined ? null : new Date(filter.toMs).toISOString(),
      filter.limit + 1,
    ],
  );
  const page = rows.slice(0, filter.limit);
  const last = page.at(-1);
  return {
    denials: page.map((row) => ({
      product: row.product,
      holder: holderOf(row.shown ?? row.holder),
      reason: row.reason,
      firstAt: row.first_at.toISOString(),
      lastAt: row.last_at.toISOString(),
      attempts: Number(row.attempts),
      unmet: row.unmet,
      ...(row.served_at === null ? {} : { servedAt: row.served_at.toISOString() }),
    })),
    ...(rows.length > filter.limit && last ? { nextCursor: encodeCursor([Number(last.denial_id), separator]) } : {}),
  };
}

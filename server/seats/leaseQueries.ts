import type { ProductStatus } from '../../licence/serverStatus.ts';
import type { DenialReason, LeaseMode } from '../../licence/words.ts';
import { fold, holderOf, separator } from './holderKey.ts';
import { invalid } from './requests.ts';
import { type Client, kinds } from './seatSql.ts';
import type { SeatStore } from './store.ts';

/** Reads what is held, counted and refused; pages go by key, so that they are cheap and steady while seats change. */
const encodeCursor = (values: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(values)).toString('base64url');

function decodeCursor(cursor: string | undefined): readonly [number, string] | undefined {
  if (cursor === undefined) return undefined;
  try {
    const [a, b] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[];
    if (Number.isSafeInteger(a) && typeof b === 'string' && !b.includes('\u0000')) return [a as number, b];
  } catch {
    // told below
  }
  throw invalid('cursor: must be the nextCursor of the page before');
}

export interface LeaseFilter {
  readonly product?: string | undefined;
  readonly state?: 'active' | 'stale' | 'expired' | undefined;
  readonly base?: string | undefined;
  readonly user?: string | undefined;
  readonly host?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

interface LeaseRow {
  lease_id: string;
  pool_id: number;
  product: string;
  holder: string;
  shown: string | null;
  kind: number;
  state: 'active' | 'stale' | 'expired';
  slot: number;
  acquired_at: Date;
  renewed_at: Date;
  expires_at: Date | number;
}

const leasesText = `
WITH silent AS MATERIALIZED (SELECT base FROM silent_bases($1 * interval '1 ms', clock_timestamp()))
SELECT * FROM (
  SELECT l.lease_id, l.pool_id, p.product, l.holder, l.shown, l.kind, l.slot, l.acquired_at,
         CASE WHEN l.kind > 0 THEN greatest(l.renewed_at, b.seen_at) ELSE l.renewed_at END AS renewed_at, l.expires_at,
         CASE WHEN l.expires_at <= clock_timestamp() THEN 'expired'
              WHEN l.kind > 0 AND split_part(l.holder, chr(31), 1) IN (SELECT base FROM silent) THEN 'stale' ELSE 'active' END AS state
    FROM lease l JOIN pool p ON p.pool_id = l.pool_id LEFT JOIN base b ON b.base = split_part(l.holder, chr(31), 1) COLLATE "C"
   WHERE (l.pool_id, l.holder) > ($2, $3 COLLATE "C")
     AND ($4::text IS NULL OR p.product = $4)
     AND ($5::text IS NULL OR l.holder >= $5 || chr(31) AND l.holder < $5 || chr(32))
     AND ($6::text IS NULL OR split_part(l.holder, chr(31), 2) = $6)
     AND ($7::text IS NULL OR split_part(l.holder, chr(31), 3) = $7)
) x WHERE $8::text IS NULL OR x.state = $8
ORDER BY pool_id, holder COLLATE "C" LIMIT $9`;

const foldIf = (name: string | undefined): string | null => (name === undefined ? null : fold(name));

/** Who holds what. */
export async function listLeases(store: SeatStore, filter: LeaseFilter) {
  const [pool, holder] = decodeCursor(filter.cursor) ?? [0, ''];
  for (const text of [filter.product, filter.base, filter.user, filter.host]) {
    if (text?.includes('\u0000')) throw invalid('a filter must not contain control characters');
  }
  const { rows } = await store.db.query<LeaseRow>(leasesText, [
    store.staleAfterMs,
    Math.max(-1, Math.min(pool, 32_767)),
    holder,
    filter.product ?? null,
    foldIf(filter.base),
    foldIf(filter.user),
    foldIf(filter.host),
    filter.state ?? null,
    filter.limit + 1,
  ]);
  const page = rows.slice(0, filter.limit);
  const last = page.at(-1);
  return {
    leases: page.map((row) => {
      const reservation = row.slot > 0 ? store.pool(row.product)?.reservations[row.slot - 1]?.name : undefined;
      return {
        leaseId: row.lease_id,
        product: row.product,
        holder: holderOf(row.shown ?? row.holder),
        mode: kinds[row.kind] as LeaseMode,
        state: row.state,
        acquiredAt: row.acquired_at.toISOString(),
        renewedAt: row.renewed_at.toISOString(),
        ...(row.expires_at instanceof Date ? { expiresAt: row.expires_at.toISOString() } : {}),
        ...(reservation === undefined ? {} : { reservation }),
      };
    }),
    ...(rows.length > filter.limit && last ? { nextCursor: encodeCursor([last.pool_id, last.holder]) } : {}),
  };
}

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
}

/** The counters of all pools: one small row each, whatever is held. */
export async function poolCounts(client: Client): Promise<PoolCounts[]> {
  const { rows } = await client.query<PoolCounts>({
    name: 'pool_counts',
    text: 'SELECT product, seat_limit, in_use, stale, stale_since, waiting, holders_waiting, reserved, reserved_used FROM pool ORDER BY product',
    values: [],
  });
  return rows;
}

/** Free seats that anybody may take: what reservations hold back is not among them. */
export function openSeats({ seat_limit, in_use, reserved, reserved_used }: PoolCounts): number {
  const kept = (reserved ?? []).reduce((sum, seats, i) => sum + Math.max(seats - (reserved_used?.[i] ?? 0), 0), 0);
  return Math.max(seat_limit - in_use - kept, 0);
}

/** Counts of every known product. Stale seats and waiting holders are those of the last count, a few seconds ago. */
export async function productStatuses(store: SeatStore): Promise<(ProductStatus & { counts: PoolCounts })[]> {
  const known = (await poolCounts(store.db)).filter((c) => store.pool(c.product) !== undefined || c.in_use > 0);
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

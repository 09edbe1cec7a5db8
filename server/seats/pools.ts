import type pg from 'pg';
import type { SeatRule } from '../../licence/seatRule.ts';
import type { CountBy } from '../../licence/words.ts';
import type { ProductEntitlement } from './entitlement.ts';
import { fitReservations } from './fitReservations.ts';
import { type Kept, keptSeats, partOf, sizeOf, type Weights } from './recount.ts';
import type { Reservation } from './reservations.ts';
import { compileRules, type Groups, hasCaps, hasTimes, type RulesOf } from './seatRules.ts';
import { lingeringKind } from './seatSql.ts';

/** What the server knows of one product beside its row. */
export interface PoolInfo {
  readonly poolId: number;
  readonly product: string;
  readonly entitlement: ProductEntitlement;
  /** Reservations and `reserve` rules, in the order of their numbers. */
  readonly reservations: readonly Kept[];
  readonly rules: readonly SeatRule[];
  /** Absent: nothing is to be said about any holder. */
  readonly rulesOf: RulesOf | undefined;
  /** What the licences grant beside seats, as members of an answer: with a comma before each. */
  readonly terms: string;
}

const termsOf = ({ features, trial, countBy, weights }: ProductEntitlement): string =>
  `,"features":${JSON.stringify(features)}${trial ? ',"trial":true' : ''}${countBy === 'session' ? '' : `,"countBy":"${countBy}"`}${isEmpty(weights) ? '' : `,"weights":${JSON.stringify(weights)}`}`;

const isEmpty = (weights: Weights): boolean => Object.keys(weights).length === 0;

/** What the seats of all products are ruled by. */
export interface Ruling {
  readonly reservations: readonly Reservation[];
  readonly rules: readonly SeatRule[];
  readonly groups: Groups;
  /** Of the groups' content. */
  readonly groupsDigest: string;
}

/** A client whose statements are one transaction; the caller begins and commits. */
type Transaction = Pick<pg.ClientBase, 'query'>;

/**
 * Writes the limits of all products into their pools, makes missing pools, and takes the limit of those that are no longer
 * known to zero (their leases stay). Seats beyond a smaller limit are kept: no new one is granted until use falls below it.
 */
export async function savePools(
  tx: Transaction,
  entitlements: readonly ProductEntitlement[],
  ruling: Ruling,
  leaseMs: number,
): Promise<PoolInfo[]> {
  const products = entitlements.map((e) => e.product);
  // a refused insert would use up a number too, and there are only 4095 of them: look first
  await tx.query(
    `INSERT INTO pool (product) SELECT p FROM unnest($1::text[]) p WHERE NOT EXISTS (SELECT FROM pool WHERE product = p)
     ORDER BY p ON CONFLICT DO NOTHING`,
    [products],
  );
  const { rows } = await tx.query<{ pool_id: number; product: string; reservations: string | null }>(
    'SELECT pool_id, product, reservations FROM pool ORDER BY pool_id FOR UPDATE',
  );
  const pools: PoolInfo[] = [];
  for (const row of rows) {
    const { pool_id: poolId, product } = row;
    const entitlement = entitlements.find((e) => e.product === product);
    const own = ruling.reservations.filter((r) => r.product === product);
    const rules = ruling.rules.filter((r) => r.product === product);
    // of named users each has a seat of their own: none is to be kept for anybody
    const isNamed = entitlement?.reassignAfterDays !== undefined;
    const kept = isNamed ? [] : keptSeats(own, rules);
    const limit = entitlement?.seatLimit ?? 0;
    const reserved =
      kept.length === 0
        ? null
        : fitReservations(
            limit,
            kept.map((r) => r.seats),
          );
    const weights = entitlement?.weights ?? {};
    // a shorter lease time must not leave the bound of the next expiry too high
    await tx.query(
      `UPDATE pool SET seat_limit = $2, reserved = $3, overdraft = $5, named = $7, weights = coalesce($6::jsonb, CASE WHEN weights IS NULL THEN NULL ELSE '{}'::jsonb END),
              next_expiry = least(next_expiry, greatest(clock_timestamp(), frozen_until) + $4 * interval '1 ms') WHERE pool_id = $1`,
      [
        poolId,
        limit,
        reserved,
        leaseMs,
        entitlement?.overdraftSeats ?? 0,
        isEmpty(weights) ? null : JSON.stringify(weights),
        isNamed,
      ],
    );
    const counted = entitlement?.countBy ?? 'session';
    const countBy = counted !== 'session' || hasCaps(rules) ? counted : null;
    const rulesOf = own.length === 0 && rules.length === 0 ? undefined : compileRules(own, rules, ruling.groups);
    const text = signatureOf(own, rules, countBy, weights, ruling.groupsDigest, isNamed);
    // of a product without a licence all stays as it is counted: it may come back
    if (text !== row.reservations && entitlement !== undefined) {
      await recount(tx, { poolId, countBy, weights, rulesOf, reserved, text, lingers: hasTimes(rules) });
    }
    if (entitlement !== undefined) {
      const terms = termsOf(entitlement);
      pools.push({ poolId, product, entitlement, reservations: kept, rules, rulesOf, terms });
    }
  }
  return pools;
}

/** What the counters of a pool are made by; another text: they are made anew. */
function signatureOf(
  own: readonly Reservation[],
  rules: readonly SeatRule[],
  countBy: string | null,
  weights: Weights,
  groupsDigest: string,
  isNamed: boolean,
): string | null {
  if (rules.length === 0 && countBy === null && isEmpty(weights)) return own.length === 0 ? null : JSON.stringify(own);
  const named = rules.some((r) => r.match.groups.length > 0);
  return JSON.stringify({
    countBy,
    own,
    rules,
    ...(named ? { groupsDigest } : {}),
    ...(isEmpty(weights) ? {} : { weights }),
    ...(isNamed ? { isNamed } : {}),
  });
}

interface Recount {
  readonly poolId: number;
  readonly countBy: CountBy | null;
  readonly weights: Weights;
  readonly rulesOf: RulesOf | undefined;
  readonly reserved: readonly number[] | null;
  readonly text: string | null;
  /** Whether seats may linger, or be given up when idle. */
  readonly lingers: boolean;
}

/** Says anew of every lease, the oldest first, whose seat it has, and what that counts for. */
async function recount(
  tx: Transaction,
  { poolId, countBy, weights, rulesOf, reserved, text, lingers }: Recount,
): Promise<void> {
  const { rows } = await tx.query<{ lease_id: string; holder: string }>(
    'SELECT lease_id, holder FROM lease WHERE pool_id = $1 ORDER BY acquired_at, lease_id',
    [poolId],
  );
  const used = (reserved ?? []).map(() => 0);
  const seats = new Map<string, { slot: number; tallies: string | null; leases: number }>();
  const tallies = new Map<string, number>();
  let inUse = 0;
  const slots = rows.map(({ holder }) => {
    const part = partOf(holder, countBy ?? 'session');
    const shared = seats.get(part);
    if (shared !== undefined) {
      shared.leases += 1;
      return shared.slot;
    }
    const { slot: wanted, caps } = rulesOf?.(holder) ?? { slot: 0, caps: [] };
    const taken = used[wanted - 1] ?? 0;
    const size = sizeOf(holder, weights);
    inUse += size;
    const slot = reserved !== null && taken + size <= (reserved[wanted - 1] ?? 0) ? wanted : 0;
    if (slot > 0) used[slot - 1] = taken + size;
    const keys = caps.filter((c) => c.most > 0).map((c) => c.tally);
    if (countBy !== null) for (const key of keys) tallies.set(key, (tallies.get(key) ?? 0) + size);
    seats.set(part, { slot, tallies: keys.length === 0 ? null : keys.join('\u001e'), leases: 1 });
    return slot;
  });
  await tx.query(
    'UPDATE lease l SET slot = u.s FROM unnest($1::uuid[], $2::smallint[]) u(i, s) WHERE l.lease_id = u.i AND l.slot <> u.s',
    [rows.map((r) => r.lease_id), slots],
  );
  await setTimes(tx, poolId, rows, lingers ? rulesOf : undefined);
  await tx.query('DELETE FROM seat WHERE pool_id = $1', [poolId]);
  await tx.query('DELETE FROM tally WHERE pool_id = $1', [poolId]);
  if (countBy !== null) {
    const all = [...seats];
    await tx.query(
      `INSERT INTO seat (pool_id, part, leases, slot, tallies)
       SELECT $1, * FROM unnest($2::text[], $3::int[], $4::smallint[], $5::text[])`,
      [
        poolId,
        all.map(([part]) => part),
        all.map(([, seat]) => seat.leases),
        all.map(([, seat]) => seat.slot),
        all.map(([, seat]) => seat.tallies),
      ],
    );
    await tx.query('INSERT INTO tally (pool_id, key, used) SELECT $1, * FROM unnest($2::text[], $3::int[])', [
      poolId,
      [...tallies.keys()],
      [...tallies.values()],
    ]);
  }
  await tx.query(
    'UPDATE pool SET reservations = $2, reserved_used = $3, count_by = $4, in_use = $5 WHERE pool_id = $1',
    [poolId, text, reserved === null ? null : used, countBy, inUse],
  );
}

/** Says anew of every lease how long it may be idle and is held at least. Those that linger end as they were told. */
async function setTimes(
  tx: Transaction,
  poolId: number,
  leases: readonly { lease_id: string; holder: string }[],
  rulesOf: RulesOf | undefined,
): Promise<void> {
  const times = leases.map(({ holder }) => rulesOf?.(holder));
  await tx.query(
    `UPDATE lease l SET idle_after = u.i, held_until = l.acquired_at + u.h * interval '1 s',
            idle_from = l.idle_from + (u.i - l.idle_after) * interval '1 s'
       FROM unnest($2::uuid[], $3::int[], $4::int[]) u(id, i, h)
      WHERE l.pool_id = $1 AND l.lease_id = u.id AND l.kind <> $5
        AND (l.idle_after, l.held_until) IS DISTINCT FROM (u.i, l.acquired_at + u.h * interval '1 s')`,
    [
      poolId,
      leases.map((l) => l.lease_id),
      times.map((t) => (t?.idleAfterMs === undefined ? null : t.idleAfterMs / 1_000)),
      times.map((t) => (t?.holdMs === undefined ? null : t.holdMs / 1_000)),
      lingeringKind,
    ],
  );
  await tx.query(
    'UPDATE pool SET lingers = $2 OR EXISTS (SELECT FROM lease WHERE pool_id = $1 AND kind = $3) WHERE pool_id = $1',
    [poolId, rulesOf !== undefined, lingeringKind],
  );
}

import type pg from 'pg';
import type { ProductEntitlement } from './entitlement.ts';
import { fitReservations } from './ledger.ts';
import { type Reservation, type SlotOf, slotFinder } from './reservations.ts';

/** What the server knows of one product beside its row. */
export interface PoolInfo {
  readonly poolId: number;
  readonly product: string;
  readonly entitlement: ProductEntitlement;
  readonly reservations: readonly Reservation[];
  readonly slotOf: SlotOf;
  /** What the licences grant beside seats, as members of an answer: with a comma before each. */
  readonly terms: string;
}

const termsOf = ({ features, trial }: ProductEntitlement): string =>
  `,"features":${JSON.stringify(features)}${trial ? ',"trial":true' : ''}`;

/** A client whose statements are one transaction; the caller begins and commits. */
type Transaction = Pick<pg.ClientBase, 'query'>;

/**
 * Writes the limits of all products into their pools, makes missing pools, and takes the limit of those that are no longer
 * known to zero (their leases stay). Seats beyond a smaller limit are kept: no new one is granted until use falls below it.
 */
export async function savePools(
  tx: Transaction,
  entitlements: readonly ProductEntitlement[],
  reservations: readonly Reservation[],
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
    const entitlement = entitlements.find((e) => e.product === row.product);
    const own = reservations.filter((r) => r.product === row.product);
    const slotOf = slotFinder(own);
    const limit = entitlement?.seatLimit ?? 0;
    const reserved =
      own.length === 0
        ? null
        : fitReservations(
            limit,
            own.map((r) => r.seats),
          );
    // a shorter lease time must not leave the bound of the next expiry too high
    await tx.query(
      `UPDATE pool SET seat_limit = $2, reserved = $3,
              next_expiry = least(next_expiry, greatest(clock_timestamp(), frozen_until) + $4 * interval '1 ms') WHERE pool_id = $1`,
      [row.pool_id, limit, reserved, leaseMs],
    );
    const text = own.length === 0 ? null : JSON.stringify(own);
    if (text !== row.reservations) {
      await assignSlots(tx, row.pool_id, slotOf, reserved, text);
    }
    if (entitlement !== undefined) {
      const terms = termsOf(entitlement);
      pools.push({ poolId: row.pool_id, product: row.product, entitlement, reservations: own, slotOf, terms });
    }
  }
  return pools;
}

/** Reservations have changed: says anew of every lease whose seat it uses, the oldest first. */
async function assignSlots(
  tx: Transaction,
  poolId: number,
  slotOf: SlotOf,
  reserved: readonly number[] | null,
  text: string | null,
): Promise<void> {
  const { rows } = await tx.query<{ lease_id: string; holder: string }>(
    'SELECT lease_id, holder FROM lease WHERE pool_id = $1 ORDER BY acquired_at, lease_id',
    [poolId],
  );
  const used = (reserved ?? []).map(() => 0);
  const ids: string[] = [];
  const slots: number[] = [];
  for (const row of rows) {
    const wanted = reserved === null ? 0 : slotOf(row.holder);
    const taken = used[wanted - 1] ?? 0;
    const slot = taken < (reserved?.[wanted - 1] ?? 0) ? wanted : 0;
    if (slot > 0) used[slot - 1] = taken + 1;
    ids.push(row.lease_id);
    slots.push(slot);
  }
  await tx.query(
    'UPDATE lease l SET slot = u.s FROM unnest($1::uuid[], $2::smallint[]) u(i, s) WHERE l.lease_id = u.i AND l.slot <> u.s',
    [ids, slots],
  );
  await tx.query('UPDATE pool SET reservations = $2, reserved_used = $3 WHERE pool_id = $1', [
    poolId,
    text,
    reserved === null ? null : used,
  ]);
}

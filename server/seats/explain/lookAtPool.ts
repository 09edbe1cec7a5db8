import type pg from 'pg';
import { separator } from '../holderKey.ts';
import type { IdleSeat } from '../ledger/idle.ts';
import type { Ruled } from '../seatRules.ts';

/** Whoever has a seat that is wanted. Times in ms since the epoch. */
export interface HolderSeen {
  readonly leaseId: string;
  /** As a key is, in its spelling. */
  readonly holder: string;
  /** 0 leased, 1 reported, 2 sticky. */
  readonly kind: number;
  readonly slot: number;
  readonly acquiredAt: number;
  readonly expiresAt: number | null;
  readonly stale: boolean;
}

/** What a check-out of one holder depends on, as the database has it at one moment. */
export interface Look {
  readonly nowMs: number;
  readonly seatLimit: number;
  readonly overdraft: number;
  readonly inUse: number;
  readonly reserved: readonly number[];
  readonly reservedUsed: readonly number[];
  /** The holder has a lease. */
  readonly held: boolean;
  /** Whether a seat is assigned to the user; null: seats are whoever's. */
  readonly assigned: boolean | null;
  /** The seat that it would share: how many leases do, and of which reservation it is. */
  readonly shared: { readonly leases: number; readonly slot: number } | null;
  /** Seats that count for each of the holder's caps, in their order. */
  readonly tallies: readonly number[];
  /** Who would be served before, the seats that they ask for, and all who wait. */
  readonly ahead: number;
  readonly need: number;
  readonly waiting: number;
  /** What is free once expired seats are given up; null: there are none, or none are needed. */
  readonly due: {
    readonly leases: number;
    readonly seats: number;
    readonly part: number;
    /** The reservations that they are of, one entry a seat. */
    readonly slots: readonly number[];
    readonly tallies: readonly number[];
  } | null;
  /** Seats of idle programs that may be given up for others, the longest idle first. */
  readonly idle: readonly IdleSeat[];
  /** Whether expired seats may be given up now. */
  readonly mayExpire: boolean;
  readonly frozenUntilMs: number | null;
  readonly holders: readonly HolderSeen[];
}

/** One statement that changes nothing. `now` (ms) replaces the database's clock, in tests only. */
export async function lookAtPool(
  db: Pick<pg.ClientBase, 'query'>,
  poolId: number,
  holder: string,
  size: number,
  { priority, caps }: Pick<Ruled, 'priority' | 'caps'>,
  staleAfterMs: number,
  now?: number,
): Promise<Look> {
  const { rows } = await db.query<{ look: Look }>({
    name: 'look_at_pool',
    text: "SELECT look_at_pool($1, $2, $3, $4, $5, $6, $7 * interval '1 ms', $8) AS look",
    values: [
      poolId,
      holder,
      size,
      priority,
      caps.map((c) => c.tally),
      caps.map((c) => c.most),
      staleAfterMs,
      now === undefined ? null : new Date(now).toISOString(),
    ],
  });
  const [row] = rows;
  if (row?.look == null) throw new Error(`there is no pool ${poolId} (any more): ${holder.split(separator)[0]}`);
  return row.look;
}

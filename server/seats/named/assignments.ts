import type pg from 'pg';
import { ProblemError } from '../../../runtime/problem.ts';
import { fold } from '../holderKey.ts';
import type { PoolInfo } from '../pools.ts';
import type { Renewals } from '../renewals.ts';
import { type Assigned, type Change, changeTo, movableFromMs, type Person, planChange } from './planChange.ts';

type Transaction = <T>(work: (tx: pg.PoolClient) => Promise<T>) => Promise<T>;

/** An entry of the list of persons. */
export interface AssignmentSeen {
  /** As it was spelled. */
  readonly user: string;
  readonly assignedAt: string;
  /** From when on the seat may become somebody else's. */
  readonly reassignableFrom: string;
  /** Absent: never. */
  readonly lastUsedAt?: string;
  readonly inUse: boolean;
}

/** What became of a change. */
export interface Changed {
  readonly assigned: number;
  readonly removed: number;
  /** Leases of those who were removed: they have ended. */
  readonly ended: number;
}

export const personOf = (shown: string): Person => ({ person: fold(shown), shown });

interface Row {
  person: string;
  shown: string;
  assigned_at: Date;
  used_at: Date | null;
  in_use: boolean;
}

/** Whose the seats of a product for named users are. The ledger looks them up itself (seat_batch_ruled). */
export class Assignments {
  readonly #db: Pick<pg.Pool, 'query'>;
  readonly #transaction: Transaction;
  /** Told how many leases of a pool have ended. */
  readonly #ended: (pool: PoolInfo, leases: number) => void;
  readonly #renewals: Renewals | undefined;

  /** `renewals`: what forgets a lease whose person has no seat any more. */
  constructor(
    db: Pick<pg.Pool, 'query'>,
    transaction: Transaction,
    ended: (pool: PoolInfo, leases: number) => void,
    renewals?: Renewals,
  ) {
    this.#db = db;
    this.#transaction = transaction;
    this.#ended = ended;
    this.#renewals = renewals;
  }

  /** In the order of the names. */
  async list(pool: PoolInfo): Promise<AssignmentSeen[]> {
    const { rows } = await this.#db.query<Row>(
      `SELECT a.person, a.shown, a.assigned_at, a.used_at,
              EXISTS (SELECT FROM lease l WHERE l.pool_id = a.pool_id AND split_part(l.holder, chr(31), 2) = a.person) AS in_use
         FROM assignment a WHERE a.pool_id = $1 ORDER BY a.person`,
      [pool.poolId],
    );
    return rows.map((row) => ({
      user: row.shown,
      assignedAt: row.assigned_at.toISOString(),
      reassignableFrom: new Date(
        movableFromMs(row.assigned_at.getTime(), termsOf(pool).reassignAfterDays),
      ).toISOString(),
      ...(row.used_at === null ? {} : { lastUsedAt: row.used_at.toISOString() }),
      inUse: row.in_use,
    }));
  }

  /**
   * Assigns seats and takes them from persons, all of it or nothing; leases of those who have none any more end.
   * @param change from what there is; it may be asked for once more
   * @throws ProblemError 409 when a seat is still somebody's, or there are not so many
   */
  async change(pool: PoolInfo, change: (now: readonly Assigned[]) => Change): Promise<Changed> {
    const ending: string[] = [];
    try {
      const done = await this.#transaction(async (tx) => {
        const plan = await changeList(tx, pool, change);
        ending.push(...(await leasesOf(tx, pool.poolId, plan.removed)));
        for (const leaseId of ending) this.#renewals?.ending(leaseId);
        await endLeases(tx, pool.poolId, ending);
        return { assigned: plan.assigned.length, removed: plan.removed.length, ended: ending.length };
      });
      if (done.ended > 0) this.#ended(pool, done.ended);
      return done;
    } catch (error) {
      if (ending.length > 0) this.#renewals?.doubt(); // it may have been done all the same
      throw error;
    } finally {
      for (const leaseId of ending) this.#renewals?.ended(leaseId);
    }
  }

  /** Makes these persons the whole list. */
  replace(pool: PoolInfo, all: readonly Person[]): Promise<Changed> {
    return this.change(pool, (now) => changeTo(now, all));
  }
}

/** Changes the list, whose pool is locked until the transaction ends. @throws ProblemError 409 */
async function changeList(tx: pg.PoolClient, pool: PoolInfo, change: (now: readonly Assigned[]) => Change) {
  const { poolId } = pool;
  const { rows: clock } = await tx.query<{ now: Date }>(
    'SELECT clock_timestamp() AS now FROM pool WHERE pool_id = $1 FOR UPDATE',
    [poolId],
  );
  const { rows } = await tx.query<Row>('SELECT person, shown, assigned_at FROM assignment WHERE pool_id = $1', [
    poolId,
  ]);
  const nowMs = clock[0]?.now.getTime() ?? Date.now();
  const now = rows.map((r) => ({ person: r.person, shown: r.shown, assignedAtMs: r.assigned_at.getTime() }));
  const plan = planChange(now, change(now), termsOf(pool), nowMs);
  if ('reason' in plan) throw refused(pool, plan);
  await tx.query('DELETE FROM assignment WHERE pool_id = $1 AND person = ANY($2)', [
    poolId,
    plan.removed.map((a) => a.person),
  ]);
  await tx.query(
    'INSERT INTO assignment (pool_id, person, shown, assigned_at) SELECT $1, u.p, u.s, $4 FROM unnest($2::text[], $3::text[]) u(p, s)',
    [poolId, plan.assigned.map((p) => p.person), plan.assigned.map((p) => p.shown), new Date(nowMs)],
  );
  return plan;
}

/** Those of persons that can be ended: what was taken along stays counted to its end. */
async function leasesOf(tx: pg.PoolClient, poolId: number, persons: readonly Person[]): Promise<string[]> {
  const { rows } = await tx.query<{ lease_id: string }>(
    'SELECT lease_id FROM lease WHERE pool_id = $1 AND kind NOT IN (-1, -2) AND split_part(holder, chr(31), 2) = ANY($2)',
    [poolId, persons.map((p) => p.person)],
  );
  return rows.map((row) => row.lease_id);
}

/** As an administrator takes seats back. */
async function endLeases(tx: pg.PoolClient, poolId: number, leaseIds: readonly string[]): Promise<void> {
  if (leaseIds.length === 0) return;
  await tx.query(
    "SELECT FROM seat_batch($1, 1000, '{}', '{}', '{}', NULL, NULL, NULL, $2, array_fill('A'::text, ARRAY[$3::int]), false, NULL)",
    [poolId, leaseIds, leaseIds.length],
  );
}

const termsOf = ({ entitlement: { seatLimit, reassignAfterDays = 0 } }: PoolInfo) => ({ seatLimit, reassignAfterDays });

function refused(
  { product, entitlement }: PoolInfo,
  fault: Exclude<ReturnType<typeof planChange>, { assigned: readonly Person[] }>,
) {
  const detail =
    fault.reason === 'ReassignedTooEarly'
      ? `a seat of ${product} is a person's for ${entitlement.reassignAfterDays} days at least: that of ${fault.shown} may be reassigned from ${new Date(fault.fromMs).toISOString()} on; nothing was changed`
      : `${fault.assigned} persons would have a seat of ${product}, and the licence has ${entitlement.seatLimit}; take somebody's away with it; nothing was changed`;
  return new ProblemError({ status: 409, reason: fault.reason, detail });
}

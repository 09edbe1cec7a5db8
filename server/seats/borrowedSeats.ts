import type { DatabasePool } from '../../runtime/database/pool.ts';
import type { HolderKey } from './holderKey.ts';
import { newLeaseId } from './leaseId.ts';
import type { PoolInfo } from './pools.ts';
import type { Renewals } from './renewals.ts';
import { claimed, type Ruled } from './seatRules.ts';
import { type BorrowResult, borrowSeat } from './seatSql.ts';

/** Seats that are taken along to a certain end. */
export class BorrowedSeats {
  readonly #db: DatabasePool;
  readonly #count: () => Promise<unknown>;
  readonly #renewals: Renewals | undefined;

  /** `count`: counts the pools anew. `renewals`: what forgets a lease that is borrowed from now on. */
  constructor(db: DatabasePool, count: () => Promise<unknown>, renewals?: Renewals) {
    this.#db = db;
    this.#count = count;
    this.#renewals = renewals;
  }

  /** Takes a seat along for so many hours, as far as the licence allows. */
  async take(
    pool: PoolInfo,
    { holder, shown }: { readonly holder: HolderKey; readonly shown: string | undefined },
    hours: number,
    subject: string | undefined,
  ): Promise<{ result: BorrowResult; ruled: Ruled | undefined }> {
    const ruled = pool.rulesOf?.(holder);
    const { seatLimit, borrow } = pool.entitlement;
    const most = Math.max(seatLimit - (borrow?.keepFree ?? seatLimit), 0);
    const claim = { holder, shown, leaseId: newLeaseId(pool.poolId), subject, ...claimed(ruled) };
    const changed = this.#renewals?.changing();
    try {
      const result = await borrowSeat(this.#db, pool.poolId, claim, { hours, most });
      this.#renewals?.forget(result.leaseId);
      return { result, ruled };
    } catch (error) {
      this.#renewals?.doubt();
      throw error;
    } finally {
      changed?.();
    }
  }

  /** Seats of a product that others than this holder have taken along; a holder that has one prolongs it. */
  async lent(pool: PoolInfo, holder: HolderKey): Promise<number> {
    const { rows } = await this.#db.query<{ n: number }>(
      `SELECT coalesce(sum(size_of(l.holder, p.weights)), 0)::int AS n FROM pool p JOIN lease l ON l.pool_id = p.pool_id
        WHERE p.pool_id = $1 AND l.kind < 0 AND l.expires_at > clock_timestamp() AND l.holder <> $2`,
      [pool.poolId, holder],
    );
    return rows[0]?.n ?? 0;
  }

  /** Until when a seat was taken along; undefined: it was not. */
  async until(leaseId: string): Promise<Date | undefined> {
    const { rows } = await this.#db.query<{ at: Date }>(
      'SELECT expires_at AS at FROM lease WHERE lease_id = $1 AND kind < 0 AND expires_at > clock_timestamp()',
      [leaseId],
    );
    return rows[0]?.at;
  }

  /** Writes a borrowed seat off; answers until when it counts. */
  async writeOff(leaseId: string): Promise<Date | undefined> {
    const { rows } = await this.#db.query<{ at: Date | null }>('SELECT write_off($1) AS at', [leaseId]);
    await this.#count();
    return rows[0]?.at ?? undefined;
  }
}

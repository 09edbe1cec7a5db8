import type { DatabasePool } from '../../runtime/database/pool.ts';
import { Loop } from '../loop.ts';
import { type BaseOwners, type OwnersGlance, ownersGlance } from './baseOwners.ts';
import { closeDenials, type Denials, findUnmet } from './denials.ts';
import type { SeatMetrics, StoreOp } from './seatMetrics.ts';

/** Of a pool that has leases to be ended. */
const isDue = 'next_expiry <= clock_timestamp() AND frozen_until <= clock_timestamp()';

/** Which housekeeping has anything to do. */
const glance = `SELECT ${ownersGlance}, EXISTS (SELECT FROM pool WHERE ${isDue}) AS is_due,
  EXISTS (SELECT FROM pool WHERE waiting > 0) AS has_queue, EXISTS (SELECT FROM denial WHERE open) AS has_denials FROM cluster c`;
interface Glance extends OwnersGlance {
  readonly is_due: boolean;
  readonly has_queue: boolean;
  readonly has_denials: boolean;
}

/** As many leases as one call of `reap_due` ends at most. */
const mostReaped = 2_000;

export interface HousekeepingOptions {
  readonly db: DatabasePool;
  readonly staleAfterMs: number;
  readonly denials: Denials;
  readonly owners: BaseOwners;
  readonly metrics: SeatMetrics;
  /** Seats of a pool are free. */
  readonly freed: (poolId: number, seats: number) => void;
  readonly failed: (op: StoreOp, error: unknown) => void;
}

/** What is done beside serving, in loops that may be late: leases that expired end, seats are counted, refusals and queues are settled. */
export class Housekeeping {
  readonly #o: HousekeepingOptions;
  #loops: readonly Loop[] = [];

  constructor(options: HousekeepingOptions) {
    this.#o = options;
  }

  start(everyMs: number): void {
    const woken = {
      reap: this.#loop('reap', undefined, () => this.#reap()),
      denials: this.#loop('denials', undefined, () => this.#settleDenials()),
      queue: this.#loop('queue', undefined, () => this.#tidyQueues()),
    };
    this.#loops = [
      ...Object.values(woken),
      this.#loop('look', everyMs, () => this.#look(woken)),
      this.#loop('count', everyMs, () => this.countPools()),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  #loop(op: StoreOp, everyMs: number | undefined, work: () => Promise<boolean>): Loop {
    return new Loop(everyMs, work, (error) => this.#o.failed(op, error)).start();
  }

  /** One small statement says which housekeeping has anything to do: a server at rest asks for nothing else. */
  async #look(woken: Readonly<Record<'reap' | 'denials' | 'queue', Loop>>): Promise<boolean> {
    const { rows } = await this.#o.db.query<Glance>(glance);
    const seen = rows[0];
    if (seen === undefined) return false;
    if (seen.is_due) woken.reap.wake();
    if (seen.has_queue) woken.queue.wake();
    if (seen.has_denials || this.#o.denials.hasNoted) woken.denials.wake();
    await this.#o.owners.follow(seen);
    return false;
  }

  /** Reads without a lock; a pool whose counts have changed is written to by itself. */
  async countPools(): Promise<boolean> {
    const { rows } = await this.#o.db.query<{
      pool_id: number;
      stale: number;
      stale_since: Date | null;
      holders_waiting: number;
      borrowed: number;
      lost: number;
      idle: number;
      lingering: number;
      assigned: number;
      unused: number;
    }>("SELECT * FROM count_pools($1 * interval '1 ms')", [this.#o.staleAfterMs]);
    for (const row of rows) {
      await this.#o.db.query(
        'UPDATE pool SET stale = $2, stale_since = $3, holders_waiting = $4, borrowed = $5, lost = $6, idle = $7, lingering = $8, assigned = $9, unused = $10 WHERE pool_id = $1',
        [
          ...[row.pool_id, row.stale, row.stale_since, row.holders_waiting],
          ...[row.borrowed, row.lost, row.idle, row.lingering, row.assigned, row.unused],
        ],
      );
    }
    return false;
  }

  /** Expired leases end even if nobody wants their seats; those who wait are told. */
  async #reap(): Promise<boolean> {
    const due = await this.#o.db.query<{ pool_id: number; product: string }>(
      `SELECT pool_id, product FROM pool WHERE ${isDue}`,
    );
    let isMore = false;
    for (const { pool_id, product } of due.rows) {
      const { rows } = await this.#o.db.query<{ n: number; expired: number }>(
        'SELECT n, expired FROM reap_due($1, NULL)',
        [pool_id],
      );
      const { n, expired } = rows[0] ?? { n: 0, expired: 0 };
      this.#o.metrics.released(product, 'expired', expired);
      this.#o.freed(pool_id, n);
      isMore ||= n >= mostReaped;
    }
    return isMore;
  }

  async #settleDenials(): Promise<boolean> {
    await this.#o.denials.flush(this.#o.db);
    const { unmet, isMore } = await findUnmet(this.#o.db);
    for (const [product, n] of unmet) this.#o.metrics.unmet(product, n);
    return (await closeDenials(this.#o.db)) || isMore;
  }

  /** Takes those out of the queue who no longer ask, pool by pool, since a transaction locks one pool only. */
  async #tidyQueues(): Promise<boolean> {
    const { rows } = await this.#o.db.query<{ pool_id: number }>(
      'SELECT pool_id FROM pool WHERE waiting > 0 ORDER BY 1',
    );
    for (const { pool_id } of rows) {
      const left = await this.#o.db.query<{ o_free: number | null }>(
        "SELECT o_free FROM leave_queue($1, '{}', '{}', 0, NULL)",
        [pool_id],
      );
      this.#o.freed(pool_id, left.rows[0]?.o_free ?? 0);
    }
    return false;
  }
}

import type pg from 'pg';
import type { HolderKey } from './holderKey.ts';

interface Leaver {
  readonly holder: HolderKey;
  readonly askedMs: number;
}

/**
 * Takes those out of the queue who went away while they waited, so that nobody waits behind them. Many that leave at once (a
 * proxy that restarts) are one statement a pool. One that has asked again since, here or at another server, stays.
 */
export class QueueLeavers {
  readonly #db: pg.Pool;
  readonly #queueMs: number;
  /** `free`: seats of the pool that those behind may have now. */
  readonly #left: (poolId: number, free: number) => void;
  readonly #failed: (error: unknown) => void;
  #leavers = new Map<number, Leaver[]>();
  #running: Promise<void> | undefined;

  constructor(
    db: pg.Pool,
    queueMs: number,
    left: (poolId: number, free: number) => void,
    failed: (error: unknown) => void,
  ) {
    this.#db = db;
    this.#queueMs = queueMs;
    this.#left = left;
    this.#failed = failed;
  }

  /** `askedMs`: the database's time when this request last asked, as the refusal told it. */
  leave(poolId: number, holder: HolderKey, askedMs: number): void {
    const leavers = this.#leavers.get(poolId);
    if (leavers) leavers.push({ holder, askedMs });
    else this.#leavers.set(poolId, [{ holder, askedMs }]);
    this.#running ??= this.#run();
  }

  async drained(): Promise<void> {
    await this.#running;
  }

  /** What fails is left to run out: a place is kept for seconds only. */
  async #run(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // those who leave in the same turn go together
    while (this.#leavers.size > 0) {
      const leaving = this.#leavers;
      this.#leavers = new Map();
      for (const [poolId, leavers] of leaving) {
        try {
          const { rows } = await this.#db.query<{ o_free: number | null }>(
            'SELECT o_free FROM leave_queue($1, $2, $3, $4, NULL)',
            [poolId, leavers.map((l) => l.holder), leavers.map((l) => l.askedMs), this.#queueMs],
          );
          this.#left(poolId, rows[0]?.o_free ?? 0);
        } catch (error) {
          this.#failed(error);
        }
      }
    }
    this.#running = undefined;
  }
}

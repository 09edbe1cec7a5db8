/** A request that waits for a seat. */
export interface Waiting {
  /** Asks the ledger again. */
  retry(): void;
  /** The wait is over without a seat. */
  giveUp(): void;
}

interface Entry extends Waiting {
  readonly holder: string;
  readonly untilMs: number;
  askedMs: number;
}

/**
 * The requests that wait for a seat on this server (long poll), by pool, in the order of arrival. The queue itself is in
 * the database and fair among all servers; here only the moment to ask again is decided: when a seat may have come free,
 * and every few seconds to keep the place.
 */
export class WaitingRoom {
  readonly #pools = new Map<number, Set<Entry>>();
  readonly #keepPlaceMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(keepPlaceMs: number) {
    this.#keepPlaceMs = keepPlaceMs;
  }

  get size(): number {
    let n = 0;
    for (const pool of this.#pools.values()) n += pool.size;
    return n;
  }

  /**
   * Adds a request until `untilMs` (of this process's clock). The answer takes it out again, and tells whether no other request
   * of its holder waits here.
   */
  enter(poolId: number, holder: string, waiting: Waiting, untilMs: number, nowMs: number): () => boolean {
    const entry: Entry = {
      holder,
      retry: () => waiting.retry(),
      giveUp: () => waiting.giveUp(),
      untilMs,
      askedMs: nowMs,
    };
    const pool = this.#pools.get(poolId) ?? new Set();
    this.#pools.set(poolId, pool);
    pool.add(entry);
    this.#timer ??= setInterval(() => this.tick(performance.now()), 250);
    return () => {
      pool.delete(entry);
      return ![...pool].some((other) => other.holder === holder);
    };
  }

  /** Seats may have come free in a pool: the first `free` ask again. */
  poke(poolId: number, free: number): void {
    const pool = this.#pools.get(poolId);
    if (pool === undefined || pool.size === 0) return;
    let left = free;
    for (const entry of pool) {
      if (left-- <= 0) break;
      pool.delete(entry);
      entry.retry();
    }
  }

  /** Ends waits that are over, and asks again for those that would lose their place. */
  tick(nowMs: number): void {
    for (const pool of this.#pools.values()) {
      for (const entry of pool) {
        if (entry.untilMs > nowMs && nowMs - entry.askedMs < this.#keepPlaceMs) continue;
        pool.delete(entry);
        if (entry.untilMs <= nowMs) entry.giveUp();
        else entry.retry();
      }
    }
    if (this.size === 0) this.#stopTimer();
  }

  /** Everybody is told that there is no seat: the server stops. */
  close(): void {
    this.#stopTimer();
    for (const pool of this.#pools.values()) {
      for (const entry of pool) entry.giveUp();
      pool.clear();
    }
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

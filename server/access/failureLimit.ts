/**
 * Slows down guessing: each address may fail `burst` times at once, then `perSecond` times a second. Who presents a good
 * token is never slowed, since only failures count.
 */
export class FailureLimit {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #most: number;
  readonly #failed = new Map<string, { left: number; atMs: number }>();

  constructor(burst = 20, perSecond = 1, most = 10_000) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#most = most;
  }

  /** Counts a failure; false when the address has failed too often. */
  allow(address: string, nowMs: number): boolean {
    const known = this.#failed.get(address);
    const left = known
      ? Math.min(this.#burst, known.left + (Math.max(0, nowMs - known.atMs) / 1000) * this.#perSecond)
      : this.#burst;
    this.#failed.delete(address); // at the end again: the oldest goes first when there are too many
    this.#failed.set(address, { left: Math.max(left - 1, 0), atMs: nowMs });
    if (this.#failed.size > this.#most) {
      const oldest = this.#failed.keys().next().value;
      if (oldest !== undefined) this.#failed.delete(oldest);
    }
    return left >= 1;
  }
}

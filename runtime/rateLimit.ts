/** A bucket for each of many askers: `burst` at once, then `perSecond`. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Limits how often each asker may do something. Remembers a bounded number of them: the one not seen longest goes first. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #most: number;
  readonly #seen = new Map<string, { left: number; atMs: number }>();

  constructor(rate: Rate, most = 10_000) {
    this.#rate = rate;
    this.#most = most;
  }

  /**
   * Takes one. Answers 0 when it is allowed, otherwise the whole seconds after which it will be.
   * @param nowMs monotonic
   */
  take(who: string, nowMs: number): number {
    const { burst, perSecond } = this.#rate;
    const known = this.#seen.get(who);
    const gained = known === undefined ? burst : (Math.max(0, nowMs - known.atMs) / 1000) * perSecond;
    const left = Math.min(burst, (known?.left ?? 0) + gained);
    const allowed = left >= 1;
    this.#seen.delete(who); // at the end again, so that the first is the one not seen longest
    this.#seen.set(who, { left: allowed ? left - 1 : left, atMs: nowMs });
    if (this.#seen.size > this.#most) {
      const [oldest] = this.#seen.keys();
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    return allowed ? 0 : Math.max(1, Math.ceil((1 - left) / perSecond));
  }
}

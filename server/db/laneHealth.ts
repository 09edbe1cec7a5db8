/**
 * Which kinds of work with the database fail: each is judged by itself, so that one that fails for good is not hidden by others that
 * go well. Times are of a clock that never runs back.
 */
export class LaneHealth {
  readonly #now: () => number;
  readonly #failing = new Map<string, { fault: string; atMs: number }>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** `fault`: why, never empty. */
  failed(work: string, fault: string): void {
    this.#failing.set(work, { fault, atMs: this.#now() });
  }

  worked(work: string): void {
    if (this.#failing.size > 0) this.#failing.delete(work);
  }

  isFailing(work: string): boolean {
    return this.#failing.has(work);
  }

  faultOf(work: string): string | undefined {
    return this.#failing.get(work)?.fault;
  }

  /** What failed last and has not worked since, in one sentence; what nobody has tried for 15 s is forgiven. */
  trouble(): string | undefined {
    const now = this.#now();
    let last: { work: string; fault: string; atMs: number } | undefined;
    for (const [work, { fault, atMs }] of this.#failing) {
      if (now - atMs < 15_000 && (last === undefined || atMs > last.atMs)) last = { work, fault, atMs };
    }
    return last && `the database refuses work (${last.work}): ${last.fault}`;
  }
}

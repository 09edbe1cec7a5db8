/**
 * What the clients alone can prove about seats, from the times of their own requests and answers (ms, one clock).
 *
 * A hold is *sure* from the answer that granted it until its holder asked to end it or its lease time was over; it is
 * *possible* from the request that may have granted it until an answer proved it gone. Whatever order the servers worked in:
 * sure holds never exceed the seats, and nobody is refused while even the possible holds leave a seat free.
 */
export class Holds {
  readonly #limit: number;
  #sureTimes: number[] = [];
  #sureSteps: number[] = [];
  #possible = new Map<string, number>();
  /** Rises and falls of the number of possible holds, in order of time. */
  #possibleCount = 0;
  #possibleLog: { readonly atMs: number; readonly count: number }[] = [{ atMs: 0, count: 0 }];
  readonly violations: string[] = [];
  denialsProven = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A hold that was sure for a while that is over. */
  sure(fromMs: number, untilMs: number): void {
    if (untilMs <= fromMs) return;
    this.#sureTimes.push(fromMs, untilMs);
    this.#sureSteps.push(1, -1);
  }

  mayHold(holder: string, atMs: number): void {
    if (this.#possible.has(holder)) return;
    this.#possible.set(holder, atMs);
    this.#possibleCount += 1;
    this.#possibleLog.push({ atMs, count: this.#possibleCount });
  }
  holdsNot(holder: string, atMs: number): void {
    if (!this.#possible.delete(holder)) return;
    this.#possibleCount -= 1;
    this.#possibleLog.push({ atMs, count: this.#possibleCount });
  }

  /** `holder` itself was refused between the two times; its own possible hold does not count. */
  denied(holder: string, fromMs: number, untilMs: number): void {
    let most = 0;
    for (let i = this.#possibleLog.length - 1; i >= 0; i--) {
      const step = this.#possibleLog[i];
      if (step === undefined) break;
      if (step.atMs <= untilMs || i === 0) most = Math.max(most, step.count);
      if (step.atMs < fromMs) break;
    }
    if (this.#possibleLog.length > 20_000) this.#possibleLog = this.#possibleLog.slice(-10_000);
    this.denialsProven += 1;
    // the refused holder counted itself when it asked
    if (most - 1 < this.#limit) this.violations.push(`${holder} was refused while at most ${most - 1} seats were held`);
  }

  /** The most sure holds at one moment. */
  peak(): number {
    const order = this.#sureTimes.map((_, i) => i);
    const at = (i: number) => this.#sureTimes[i] ?? 0;
    const step = (i: number) => this.#sureSteps[i] ?? 0;
    order.sort((a, b) => at(a) - at(b) || step(a) - step(b)); // what ends at a moment makes room for what begins
    let count = 0;
    let peak = 0;
    for (const i of order) {
      count += step(i);
      peak = Math.max(peak, count);
    }
    return peak;
  }
}

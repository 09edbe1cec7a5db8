import type { Clock } from '../../runtime/clock.ts';

/** Lets everything that is ready run: promise chains and, with them, callbacks that wait for one turn of the loop. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** A clock that moves only when told. Time of the day and monotonic time start apart, so that mixing them up shows. */
export class FakeClock implements Clock {
  #now: number;
  #elapsed = 5_000;
  readonly #timers = new Set<{ readonly at: number; readonly fn: () => void }>();

  constructor(startMs = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(delayMs: number, fn: () => void): () => void {
    const timer = { at: this.#elapsed + Math.max(0, delayMs), fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Sets the time of the day without time passing, as an administrator or NTP does. */
  set(nowMs: number): void {
    this.#now = nowMs;
  }

  /** Lets `ms` pass: each timer fires at its own time, and what it starts settles before the next one. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers].filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#pass(next.at - this.#elapsed);
      next.fn();
      await settle();
    }
    this.#pass(end - this.#elapsed);
    await settle();
  }

  /** Lets `ms` pass without firing anything: what a process sees that was stopped meanwhile. */
  freeze(ms: number): void {
    this.#pass(ms);
  }

  #pass(ms: number): void {
    this.#elapsed += ms;
    this.#now += ms;
  }
}

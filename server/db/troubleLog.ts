import { messageOf } from '../../runtime/database/fault.ts';
import type { Logger } from '../../runtime/log.ts';

/**
 * What a log says while the database refuses work: a line when that begins, one every `everyMs` with the numbers so far, one
 * when it is over; however many requests fail meanwhile. Times are in ms and never run back.
 */
export class TroubleLog {
  readonly #log: Logger;
  readonly #everyMs: number;
  readonly #now: () => number;
  #since: number | undefined;
  #lastAt = 0;
  #toldAt = 0;
  /** Commands that were refused, by the kind of work. */
  #refused = new Map<string, number>();

  constructor(log: Logger, everyMs = 10_000, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#everyMs = everyMs;
    this.#now = now;
  }

  /** `size` commands of the kind `op` were refused. */
  note(op: string, error: unknown, size: number): void {
    const now = this.#now();
    this.#lastAt = now;
    this.#refused.set(op, (this.#refused.get(op) ?? 0) + size);
    if (this.#since === undefined) {
      this.#since = now;
      this.#toldAt = now;
      this.#log.warn({ err: error, op, size }, 'the database did not do its work');
    } else if (now - this.#toldAt >= this.#everyMs) {
      this.#toldAt = now;
      this.#log.warn({ ...this.#numbers(now), last: messageOf(error) }, 'the database still does not do its work');
    }
  }

  /** Something worked. That ends the trouble only if nothing was refused for `quietMs`. */
  worked(quietMs = 2_000): void {
    const now = this.#now();
    if (this.#since === undefined || now - this.#lastAt < quietMs) return;
    this.#log.info(this.#numbers(this.#lastAt), 'the database does its work again');
    this.#since = undefined;
    this.#refused = new Map();
  }

  #numbers(now: number) {
    return { forMs: Math.round(now - (this.#since ?? now)), refused: Object.fromEntries(this.#refused) };
  }
}

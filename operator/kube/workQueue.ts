import { type Clock, monotonicOf } from '../../runtime/clock.ts';
import { exponentialMs } from './backOff.ts';
import type { KubeMetrics } from './kubeMetrics.ts';

/**
 * `edit` goes before `fresh`, and `fresh` before `resync`: somebody's change of an object does not wait behind thousands of
 * new ones that settle, and neither waits behind the keys of a restart or resync.
 */
export type Priority = 'edit' | 'fresh' | 'resync';

const order: readonly Priority[] = ['edit', 'fresh', 'resync'];
const goesBefore = (a: Priority, b: Priority): boolean => order.indexOf(a) < order.indexOf(b);

/** After so many keys of a line in a row one of the next line goes, so that a flood in one does not starve the others. */
const inRow = 16;

/**
 * Keys that need work, with client-go's guarantees:
 * a key is worked on by one worker at a time; however often it is added meanwhile, it is worked on once more afterwards;
 * nothing added is lost. `waiting` and `processing` give all of that: a key that is added while it is processed only
 * waits, and joins the line when it is done.
 */
export interface WorkQueueOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly metrics: KubeMetrics;
  /** Delay after the first failure, doubled by every further one; default 5 ms. */
  readonly baseDelayMs?: number;
  /** Default 1000 s. */
  readonly maxDelayMs?: number;
}

interface Delayed {
  readonly dueAt: number;
  readonly priority: Priority;
  readonly cancel: () => void;
}

export class WorkQueue {
  /** Keys in line, oldest first (a Map keeps that order), with the time they were added. */
  readonly #lines: Record<Priority, Map<string, number>> = {
    edit: new Map(),
    fresh: new Map(),
    resync: new Map(),
  };
  /** Keys being processed → since when, and the line they came from. */
  readonly #processing = new Map<string, { readonly since: number; readonly priority: Priority }>();
  /** Keys added while being processed. */
  readonly #again = new Map<string, { readonly priority: Priority; readonly addedAt: number }>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  readonly #idle: (() => void)[] = [];
  readonly #options: WorkQueueOptions;
  readonly #label: { readonly name: string; readonly controller: string };
  #closed = false;
  /** Keys taken from a line since one of a later line was. */
  readonly #row: Record<Priority, number> = { edit: 0, fresh: 0, resync: 0 };

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#label = { name: options.name, controller: options.name };
    const { metrics } = options;
    for (const gauge of [metrics.queueDepth, metrics.queueUnfinished, metrics.queueLongestRunning]) {
      gauge.set(this.#label, 0);
    }
    for (const counter of [metrics.queueAdds, metrics.queueRetries]) counter.inc(this.#label, 0);
    for (const histogram of [metrics.queueDuration, metrics.queueWorkDuration]) histogram.zero(this.#label);
  }

  /** Keys in line. */
  get length(): number {
    return order.reduce((sum, priority) => sum + this.#lines[priority].size, 0);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Adds a key, unless it is in line already; one of a higher priority moves up from its line. */
  add(key: string, priority: Priority = 'fresh'): void {
    if (this.#closed) return;
    const addedAt = this.#now();
    if (this.#processing.has(key)) {
      const again = this.#again.get(key);
      if (again === undefined) this.#options.metrics.queueAdds.inc(this.#label);
      if (again === undefined || goesBefore(priority, again.priority)) {
        this.#again.set(key, { priority, addedAt: again?.addedAt ?? addedAt });
      }
      return;
    }
    const line = order.find((each) => this.#lines[each].has(key));
    if (line !== undefined && !goesBefore(priority, line)) return;
    const waitingSince = line && this.#lines[line].get(key);
    if (line === undefined) this.#options.metrics.queueAdds.inc(this.#label);
    else this.#lines[line].delete(key);
    this.#line(key, priority, waitingSince ?? addedAt);
  }

  /** Adds a key after a delay. Of several delays for one key the earliest counts. */
  addAfter(key: string, delayMs: number, priority: Priority = 'fresh'): void {
    if (this.#closed) return;
    if (delayMs <= 0) {
      this.add(key, priority);
      return;
    }
    const dueAt = this.#now() + delayMs;
    const known = this.#delayed.get(key);
    if (known !== undefined) {
      if (known.dueAt <= dueAt) return;
      known.cancel();
    }
    this.#delayed.set(key, { dueAt, priority, cancel: this.#wake(key, dueAt, priority) });
  }

  /** Adds a key after a failure: each failure in a row doubles the delay. Answers the delay in ms. */
  addRateLimited(key: string, priority: Priority = 'fresh'): number {
    const delayMs = this.nextDelayOf(key);
    this.#failures.set(key, this.failuresOf(key) + 1);
    this.#options.metrics.queueRetries.inc(this.#label);
    this.addAfter(key, delayMs, priority);
    return delayMs;
  }

  /** The delay in ms that the next failure of a key would bring. */
  nextDelayOf(key: string): number {
    const { baseDelayMs = 5, maxDelayMs = 1_000_000 } = this.#options;
    return exponentialMs(baseDelayMs, maxDelayMs, this.failuresOf(key));
  }

  /** Ends a key's row of failures. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The line that a key came from which is being processed. */
  priorityOf(key: string): Priority {
    return this.#processing.get(key)?.priority ?? 'fresh';
  }

  /** Failures in a row. */
  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key, waiting for one; undefined when the queue is closed. Each key taken must be given back by `done`. */
  take(): Promise<string | undefined> {
    const key = this.#first();
    if (key !== undefined) return Promise.resolve(key);
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** Work on the key has ended, well or badly. */
  done(key: string): void {
    const work = this.#processing.get(key);
    if (work === undefined) return;
    this.#processing.delete(key);
    this.#options.metrics.queueWorkDuration.observe(this.#label, (this.#now() - work.since) / 1000);
    const again = this.#again.get(key);
    this.#again.delete(key);
    if (again !== undefined && !this.#closed) this.#line(key, again.priority, again.addedAt);
    if (this.#processing.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Takes nothing more and gives nothing more out; resolves when the keys being processed are done. */
  close(): Promise<void> {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    for (const line of Object.values(this.#lines)) line.clear();
    this.#depth();
    for (const take of this.#takers.splice(0)) take(undefined);
    return this.#processing.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Brings the gauges of work in progress up to date. */
  observe(): void {
    const ages = [...this.#processing.values()].map(({ since }) => (this.#now() - since) / 1000);
    const sum = ages.reduce((total, age) => total + age, 0);
    this.#options.metrics.queueUnfinished.set(this.#label, sum);
    this.#options.metrics.queueLongestRunning.set(this.#label, Math.max(0, ...ages));
  }

  #line(key: string, priority: Priority, addedAt: number): void {
    this.#lines[priority].set(key, addedAt);
    const take = this.#takers.shift();
    if (take === undefined) this.#depth();
    else take(this.#first());
  }

  #first(): string | undefined {
    const priority = this.#turn();
    const [next] = this.#lines[priority];
    if (next === undefined) return undefined;
    const [key, addedAt] = next;
    this.#lines[priority].delete(key);
    this.#processing.set(key, { since: this.#now(), priority });
    this.#options.metrics.queueDuration.observe(this.#label, (this.#now() - addedAt) / 1000);
    this.#depth();
    return key;
  }

  /** The line whose turn it is. */
  #turn(): Priority {
    const waiting = order.filter((priority) => this.#lines[priority].size > 0);
    let [turn = 'fresh'] = waiting;
    for (const next of waiting.slice(1)) {
      if (this.#row[turn] < inRow) break;
      turn = next;
    }
    for (const before of order.slice(0, order.indexOf(turn))) this.#row[before] = 0;
    this.#row[turn] += 1;
    return turn;
  }

  #wake(key: string, dueAt: number, priority: Priority): () => void {
    // A timer holds at most 2^31 ms; a longer delay goes in steps.
    const stepMs = Math.min(Math.max(0, dueAt - this.#now()), 2 ** 31 - 1);
    return this.#options.clock.after(stepMs, () => {
      if (this.#now() < dueAt) {
        this.#delayed.set(key, { dueAt, priority, cancel: this.#wake(key, dueAt, priority) });
        return;
      }
      this.#delayed.delete(key);
      this.add(key, priority);
    });
  }

  #depth(): void {
    this.#options.metrics.queueDepth.set(this.#label, this.length);
  }

  #now(): number {
    return monotonicOf(this.#options.clock);
  }
}

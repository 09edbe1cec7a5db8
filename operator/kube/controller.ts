import { randomUUID } from 'node:crypto';
import { type Clock, monotonicOf, sleep } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { trace } from '../../runtime/tracing.ts';
import type { KubeMetrics } from './kubeMetrics.ts';
import { type Priority, WorkQueue, type WorkQueueOptions } from './workQueue.ts';

/** What a reconcile asks for when it ends well; nothing: done until something changes. */
export interface Result {
  /** Again after so long, whatever happens meanwhile. */
  readonly requeueAfterMs?: number;
}

export interface ReconcileContext {
  /** In every line of this reconcile. */
  readonly reconcileID: string;
  readonly log: Logger;
  /** Aborts when the reconcile is over its time, or the controller has waited long enough for it to end. */
  readonly signal: AbortSignal;
  /** How often this key failed in a row before. */
  readonly failures: number;
  /** After how many milliseconds it is tried again if it fails now, unless something brings it sooner. */
  readonly retryAfterMs: number;
}

/** Brings the object of that key to its desired state. A throw means: again, with back-off. */
export type Reconcile = (key: string, context: ReconcileContext) => Promise<Result | undefined>;

export interface ControllerOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
  readonly reconcile: Reconcile;
  /** Keys at one time; default 4. */
  readonly workers?: number;
  /** Of one reconcile; default 60 s. */
  readonly timeoutMs?: number;
  /** All keys again, spread over the time between, behind everything fresh. */
  readonly resync?: { readonly everyMs: number; readonly keys: () => Iterable<string> };
  readonly queue?: Pick<WorkQueueOptions, 'baseDelayMs' | 'maxDelayMs'>;
  /** How long running reconciles may take to end: the first after which they are told, the second is the end. */
  readonly stop?: { readonly tellAfterMs: number; readonly leaveAfterMs: number };
}

/** A resync goes on in steps of so long, so that thousands of keys need no timer each. */
const resyncStepMs = 1_000;

/** So long at most passes go on that wait for nothing, before all else in the process has its turn. */
const turnMs = 50;

const results = ['success', 'requeue_after', 'error'] as const;

/** Workers that take keys from a queue and reconcile them; one key is never reconciled twice at a time. */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #label: { readonly controller: string };
  readonly #stopping = new AbortController();
  /** When something else last had its turn. */
  #turnAt = 0;

  constructor(options: ControllerOptions) {
    const { name, clock, metrics, workers = 4 } = options;
    this.#options = options;
    this.#label = { controller: name };
    this.#queue = new WorkQueue({ name, clock, metrics, ...options.queue });
    metrics.maxConcurrent.set(this.#label, workers);
    metrics.activeWorkers.set(this.#label, 0);
    for (const result of results) metrics.reconciles.inc({ ...this.#label, result }, 0);
    for (const counter of [
      metrics.reconcileErrors,
      metrics.reconcileTerminalErrors,
      metrics.reconcilePanics,
      metrics.reconcileTimeouts,
    ]) {
      counter.inc(this.#label, 0);
    }
    metrics.reconcileTime.zero(this.#label);
  }

  get queue(): WorkQueue {
    return this.#queue;
  }

  enqueue(key: string, priority: Priority = 'fresh'): void {
    this.#queue.add(key, priority);
  }

  enqueueAfter(key: string, delayMs: number): void {
    this.#queue.addAfter(key, delayMs);
  }

  /** Works until `signal` aborts, then lets running reconciles end, for 10 s at most. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, workers = 4 } = this.#options;
    const { tellAfterMs = 8_000, leaveAfterMs = 10_000 } = this.#options.stop ?? {};
    this.#turnAt = monotonicOf(clock);
    const ended = Promise.all(Array.from({ length: workers }, () => this.#work()));
    void this.#resync(signal);
    void this.#observe(signal);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    const drained = this.#queue.close();
    const cancelTell = clock.after(tellAfterMs, () => this.#stopping.abort(new Error('the controller is stopping')));
    const late = Promise.withResolvers<'late'>();
    const cancelLate = clock.after(leaveAfterMs, () => late.resolve('late'));
    if ((await Promise.race([Promise.all([drained, ended]), late.promise])) === 'late') {
      log.error({ controller: this.#options.name }, 'a reconcile did not end in time and is left behind');
    }
    cancelTell();
    cancelLate();
  }

  async #work(): Promise<void> {
    for (let key = await this.#queue.take(); key !== undefined; key = await this.#queue.take()) {
      this.#options.metrics.activeWorkers.inc(this.#label);
      try {
        await this.#reconcile(key);
      } finally {
        this.#options.metrics.activeWorkers.dec(this.#label);
        this.#queue.done(key);
      }
      await this.#giveTurn();
    }
  }

  /**
   * After a restart thousands of settled objects are looked at, and none of these passes waits for an answer: together they would
   * hold the process for so long that the leader lease runs out, and so after each further restart.
   */
  async #giveTurn(): Promise<void> {
    if (monotonicOf(this.#options.clock) - this.#turnAt < turnMs) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#turnAt = monotonicOf(this.#options.clock);
  }

  async #reconcile(key: string): Promise<void> {
    const { clock, metrics, timeoutMs = 60_000 } = this.#options;
    const reconcileID = randomUUID();
    const log = this.#options.log.child({ controller: this.#options.name, key, reconcileID });
    const priority = this.#queue.priorityOf(key);
    const failures = this.#queue.failuresOf(key);
    const retryAfterMs = this.#queue.nextDelayOf(key);
    const timeout = new AbortController();
    const cancelTimeout = clock.after(timeoutMs, () => {
      metrics.reconcileTimeouts.inc(this.#label);
      timeout.abort(new Error(`the reconcile took longer than ${timeoutMs} ms`));
    });
    const since = monotonicOf(clock);
    const tookMs = () => Math.round((monotonicOf(clock) - since) * 10) / 10;
    try {
      const signal = AbortSignal.any([timeout.signal, this.#stopping.signal]);
      const result = await trace('reconcile', { ...this.#label, key, reconcileID }, () =>
        this.#options.reconcile(key, { reconcileID, log, signal, failures, retryAfterMs }),
      );
      this.#queue.forget(key);
      const afterMs = result?.requeueAfterMs;
      // Coming back by itself is not somebody's edit any more.
      if (afterMs !== undefined) this.#queue.addAfter(key, afterMs, priority === 'edit' ? 'fresh' : priority);
      const outcome = afterMs === undefined ? 'success' : 'requeue_after';
      metrics.reconciles.inc({ ...this.#label, result: outcome });
      const line = { result: outcome, tookMs: tookMs(), ...(afterMs === undefined ? {} : { afterMs }) };
      log[priority === 'resync' ? 'debug' : 'info'](line, 'reconciled');
    } catch (error) {
      if (isBug(error)) metrics.reconcilePanics.inc(this.#label);
      metrics.reconciles.inc({ ...this.#label, result: 'error' });
      metrics.reconcileErrors.inc(this.#label);
      const retryMs = this.#queue.addRateLimited(key, priority);
      log.error({ err: error, result: 'error', tookMs: tookMs(), failures: failures + 1, retryMs }, 'reconcile failed');
    } finally {
      cancelTimeout();
      metrics.reconcileTime.observe(this.#label, (monotonicOf(clock) - since) / 1000);
    }
  }

  /** Keeps the ages of work in progress up to date, as often as client-go does. */
  async #observe(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#queue.observe();
      await sleep(this.#options.clock, 500, signal).catch(() => {});
    }
  }

  async #resync(signal: AbortSignal): Promise<void> {
    const { clock, resync } = this.#options;
    if (resync === undefined) return;
    while (!signal.aborted) {
      const keys = [...resync.keys()];
      // Up to a tenth longer, so that replicas and controllers do not fall into step.
      const roundMs = resync.everyMs * (1 + Math.random() / 10);
      const steps = Math.max(1, Math.min(keys.length, Math.floor(roundMs / resyncStepMs)));
      for (let step = 1; step <= steps; step++) {
        try {
          await sleep(clock, roundMs / steps, signal);
        } catch {
          return;
        }
        const upTo = (of: number) => Math.round((keys.length * of) / steps);
        for (const key of keys.slice(upTo(step - 1), upTo(step))) this.enqueue(key, 'resync');
      }
    }
  }
}

/** What the language throws is a mistake in the code, not in the world. */
const isBug = (error: unknown): boolean =>
  error instanceof TypeError ||
  error instanceof ReferenceError ||
  error instanceof RangeError ||
  !(error instanceof Error);

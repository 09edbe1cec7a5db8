import { type Clock, monotonicOf, sleep } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { isAlreadyExists, isConflict, isNotFound } from './apiError.ts';
import type { KubeClient, KubeRequest, WriteGuard } from './client.ts';
import type { KubeMetrics } from './kubeMetrics.ts';
import type { KubeObject } from './object.ts';
import { apiVersionOf, collectionPath, kinds, objectPath } from './resourceKind.ts';
import { microTime } from './times.ts';

/**
 * One of several processes leads: the one that holds a Lease object, by client-go's protocol.
 *
 * The holder renews every 2 s. Others never compare its clock with theirs: they take the lease over when *they* have seen
 * no change of it for 15 s. The holder gives up by its own monotonic clock 10 s after the start of its last renewal that
 * succeeded, so it has stopped writing 5 s before anybody else can begin, whatever the clocks say. A process that was
 * stopped and goes on finds that out before its next write, since the guard looks at the clock and not at a timer.
 */
export interface LeaderElectorOptions {
  readonly client: Pick<KubeClient, 'request'>;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** Unique to this process. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
  /** Default 15 s. */
  readonly leaseDurationMs?: number;
  /** Default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Default 2 s. */
  readonly retryPeriodMs?: number;
}

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}
type Lease = KubeObject & { readonly spec?: LeaseSpec };
const typed = { apiVersion: apiVersionOf(kinds.Lease), kind: kinds.Lease.kind };

export class LeaderElector {
  readonly #options: LeaderElectorOptions;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  /** What was seen last, and when it was first seen so (monotonic). */
  #seen: { readonly record: string; readonly at: number } | undefined;
  /** The lease as this process wrote it last. */
  #own: Lease | undefined;
  /** Until when this process may write (monotonic). */
  #heldUntil = Number.NEGATIVE_INFINITY;

  constructor(options: LeaderElectorOptions) {
    this.#options = options;
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryPeriodMs = options.retryPeriodMs ?? 2_000;
    options.metrics.leader.set({ name: options.name }, 0);
    options.metrics.leaderSlowPath.inc({ name: options.name }, 0);
  }

  get isLeader(): boolean {
    return monotonicOf(this.#options.clock) < this.#heldUntil;
  }

  /**
   * Waits for the lease, then runs `lead` with a guard that turns bad the moment the lease is lost; give
   * `client.guarded(guard)` to whatever writes. Ends `released` when `signal` aborts or `lead` ends: the lease is free at
   * once then. Ends `lost` when it could not be renewed in time. `lead` has always ended before; it must end when
   * `guard.signal` aborts.
   */
  async run(signal: AbortSignal, lead: (guard: WriteGuard) => Promise<void>): Promise<'released' | 'lost'> {
    const { log, metrics, name, identity } = this.#options;
    if (!(await this.#acquire(signal))) return 'released';
    metrics.leader.set({ name }, 1);
    log.info({ lease: name, identity }, 'leading');
    const lost = new AbortController();
    const ended = new AbortController();
    const guard: WriteGuard = {
      signal: lost.signal,
      assertHeld: () => {
        if (!this.isLeader) lost.abort(new Error(`leader lease ${name} is no longer held`));
        lost.signal.throwIfAborted();
      },
    };
    const renewing = this.#renewUntil(AbortSignal.any([signal, ended.signal]), lost);
    let wasLost = false;
    try {
      await lead(guard);
    } finally {
      ended.abort();
      await renewing;
      wasLost = lost.signal.aborted || !this.isLeader;
      this.#heldUntil = Number.NEGATIVE_INFINITY;
      lost.abort(new Error(`leader lease ${name} was given back`));
      if (!wasLost) await this.#release();
      metrics.leader.set({ name }, 0);
      log.info({ lease: name, identity, lost: wasLost }, 'no longer leading');
    }
    return wasLost ? 'lost' : 'released';
  }

  /** False if the signal aborted first. */
  async #acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      if (await this.#try(signal)) return true;
      // Up to 1.2 times the period, as client-go does it, so that candidates do not fall into step.
      await sleep(this.#options.clock, this.#retryPeriodMs * (1 + Math.random() * 0.2), signal).catch(() => {});
    }
    return false;
  }

  /** Renews until `signal` aborts; aborts `lost` when the deadline passes or somebody else holds the lease. */
  async #renewUntil(signal: AbortSignal, lost: AbortController): Promise<void> {
    const { clock, name } = this.#options;
    let cancelDeadline = () => {};
    const arm = () => {
      cancelDeadline();
      const leftMs = this.#heldUntil - monotonicOf(clock);
      cancelDeadline = clock.after(Math.max(0, leftMs), () => {
        if (this.isLeader) arm();
        else lost.abort(new Error(`leader lease ${name} was not renewed in ${this.#renewDeadlineMs} ms`));
      });
    };
    arm();
    const until = AbortSignal.any([signal, lost.signal]);
    while (!until.aborted) {
      await sleep(clock, this.#retryPeriodMs, until).catch(() => {});
      if (until.aborted) break;
      if (await this.#try(until)) arm();
      else if (this.#isTakenByOther()) {
        this.#heldUntil = Number.NEGATIVE_INFINITY;
        lost.abort(new Error(`leader lease ${name} was taken by another process`));
      }
    }
    cancelDeadline();
  }

  /** One attempt to take or renew the lease; faults of the API server count as "not now". */
  async #try(signal: AbortSignal): Promise<boolean> {
    const startedAt = monotonicOf(this.#options.clock);
    try {
      const written = await this.#write(signal);
      if (written === undefined) return false;
      this.#own = written;
      this.#see(written);
      this.#heldUntil = startedAt + this.#renewDeadlineMs;
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      this.#own = undefined;
      const message = error instanceof Error ? error.message : String(error);
      if (!isConflict(error) && !isAlreadyExists(error)) {
        this.#options.log.warn({ lease: this.#options.name, error: message }, 'leader lease could not be written');
      }
      return false;
    }
  }

  /** The lease as written, or undefined if somebody else holds it. */
  async #write(signal: AbortSignal): Promise<Lease | undefined> {
    const { namespace, name, clock, identity } = this.#options;
    // The usual renewal is one request: the lease as written last, under its resource version.
    if (this.#own !== undefined) return this.#put(this.#own, this.#renewed(this.#own.spec ?? {}), signal);
    if (this.isLeader) this.#options.metrics.leaderSlowPath.inc({ name });
    const lease = await this.#get(signal);
    if (lease === undefined) {
      const path = collectionPath(kinds.Lease, namespace);
      return this.#ask(
        { method: 'POST', path, body: { ...typed, metadata: { namespace, name }, spec: this.#taken({}, 0) } },
        signal,
      );
    }
    this.#see(lease);
    const spec = lease.spec ?? {};
    if (spec.holderIdentity === identity) return this.#put(lease, this.#renewed(spec), signal);
    const seenAt = this.#seen?.at ?? monotonicOf(clock);
    const durationMs = Math.max(this.#leaseDurationMs, (spec.leaseDurationSeconds ?? 0) * 1000);
    const isHeld = (spec.holderIdentity ?? '') !== '' && monotonicOf(clock) < seenAt + durationMs;
    if (isHeld) return undefined;
    return this.#put(lease, this.#taken(spec, (spec.leaseTransitions ?? 0) + 1), signal);
  }

  async #get(signal: AbortSignal): Promise<Lease | undefined> {
    try {
      return await this.#ask({ method: 'GET', path: this.#path() }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #put(lease: Lease, spec: LeaseSpec, signal: AbortSignal): Promise<Lease> {
    return this.#ask({ method: 'PUT', path: this.#path(), body: { ...lease, ...typed, spec } }, signal);
  }

  async #ask(request: KubeRequest, signal: AbortSignal): Promise<Lease> {
    const timeoutMs = Math.min(5_000, this.#renewDeadlineMs / 2);
    return (await this.#options.client.request({ ...request, signal, timeoutMs, urgent: true })).body as Lease;
  }

  #path(): string {
    return objectPath(kinds.Lease, this.#options.namespace, this.#options.name);
  }

  #renewed(spec: LeaseSpec): LeaseSpec {
    const { clock, identity } = this.#options;
    return { ...spec, holderIdentity: identity, ...this.#duration(), renewTime: microTime(clock.now()) };
  }

  #taken(spec: LeaseSpec, leaseTransitions: number): LeaseSpec {
    return { ...this.#renewed(spec), acquireTime: microTime(this.#options.clock.now()), leaseTransitions };
  }

  #duration(): { readonly leaseDurationSeconds: number } {
    return { leaseDurationSeconds: Math.max(1, Math.round(this.#leaseDurationMs / 1000)) };
  }

  /** Notes when this record of the lease was first seen, by the clock of this process. */
  #see(lease: Lease): void {
    const record = JSON.stringify([lease.metadata.uid, lease.spec]);
    if (this.#seen?.record !== record) this.#seen = { record, at: monotonicOf(this.#options.clock) };
  }

  #isTakenByOther(): boolean {
    if (this.#own !== undefined || this.#seen === undefined) return false;
    const [, spec] = JSON.parse(this.#seen.record) as [string, LeaseSpec | undefined];
    return (spec?.holderIdentity ?? '') !== this.#options.identity;
  }

  /** Frees the lease, so that the next process need not wait; failing that, it runs out by itself. */
  async #release(): Promise<void> {
    const { clock, log, name, identity } = this.#options;
    const { signal } = new AbortController();
    try {
      // A renewal that was cut off may have been written all the same: only the server knows the version.
      const lease = await this.#get(signal);
      if (lease?.spec?.holderIdentity !== identity) return;
      this.#own = undefined;
      const renewTime = microTime(clock.now());
      await this.#put(lease, { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime }, signal);
    } catch (error) {
      log.warn({ err: error, lease: name }, 'leader lease was not released, it runs out');
    }
  }
}

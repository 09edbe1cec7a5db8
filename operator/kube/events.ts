import { type Clock, monotonicOf, sleep } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { ApiError } from './apiError.ts';
import type { KubeClient } from './client.ts';
import type { KubeMetrics } from './kubeMetrics.ts';
import type { KubeObject } from './object.ts';
import { kinds } from './resourceKind.ts';
import { microTime } from './times.ts';

export interface EventInput {
  /** What the event is about. */
  readonly regarding: KubeObject;
  readonly type: 'Normal' | 'Warning';
  /** UpperCamelCase; what programs match. */
  readonly reason: string;
  /** What was done or tried, an UpperCamelCase verb. */
  readonly action: string;
  /** For people. */
  readonly note: string;
  readonly related?: KubeObject;
}

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'create' | 'mergePatch'>;
  /** Qualified name, for example `example.org/some-operator`. */
  readonly controller: string;
  /** For example the pod's name. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}

/** The same event again and again is one object that counts. */
interface Series {
  readonly name: string;
  readonly namespace: string;
  count: number;
  lastAt: number;
  lastTick: number;
  /** What the API server was told. */
  sent: number;
  /** Writes of this series, one after the other. */
  tail: Promise<void>;
  cancel: (() => void) | undefined;
}

/** A series ends when nothing was added for so long. */
const seriesMs = 6 * 60_000;
/** How often the count of a series is brought up to date, after the second event. */
const updateMs = 60_000;
const warnMs = 10_000;
const maxSeries = 4_096;
const maxPending = 1_000;
/** New events about one object: so many at once, then one in so long, as client-go bounds them. */
const burst = 25;
const refillMs = 300_000;

/**
 * Writes events of events.k8s.io/v1 beside the work: an event that cannot be written is counted, and told of in the log once in
 * ten seconds at most; it is nobody else's trouble.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #series = new Map<string, Series>();
  readonly #buckets = new Map<string, { tokens: number; filledAt: number }>();
  readonly #pending = new Set<Promise<void>>();
  #sequence = 0;
  #warnedTick = Number.NEGATIVE_INFINITY;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    for (const result of ['created', 'counted', 'limited', 'failed']) options.metrics.events.inc({ result }, 0);
  }

  /** Returns at once; never throws. */
  record(event: EventInput): void {
    const { clock, metrics } = this.#options;
    const key = seriesKey(event);
    const tick = monotonicOf(clock);
    const known = this.#series.get(key);
    if (known !== undefined && tick - known.lastTick < seriesMs) {
      known.count++;
      known.lastAt = clock.now();
      known.lastTick = tick;
      metrics.events.inc({ result: 'counted' });
      if (known.count === 2) this.#update(known);
      else known.cancel ??= clock.after(updateMs, () => this.#update(known));
      return;
    }
    if (this.#pending.size >= maxPending || !this.#mayCreate(event.regarding, tick)) {
      metrics.events.inc({ result: 'limited' });
      return;
    }
    this.#create(event, key, tick);
  }

  /** Waits until everything recorded so far is written, or given up. */
  async flush(): Promise<void> {
    for (const series of this.#series.values()) if (series.sent < series.count) this.#update(series);
    await Promise.all(this.#pending);
  }

  #create(event: EventInput, key: string, tick: number): void {
    const { clock, controller, instance } = this.#options;
    const { regarding, related } = event;
    const namespace = regarding.metadata.namespace ?? 'default';
    const at = clock.now();
    const name = `${regarding.metadata.name.slice(0, 200)}.${at.toString(16)}${(this.#sequence++ % 65_536).toString(16).padStart(4, '0')}`;
    const series: Series = {
      name,
      namespace,
      count: 1,
      lastAt: at,
      lastTick: tick,
      sent: 1,
      tail: Promise.resolve(),
      cancel: undefined,
    };
    this.#series.delete(key);
    this.#series.set(key, series);
    if (this.#series.size > maxSeries) this.#dropOldest();
    const object = {
      metadata: { name, namespace },
      eventTime: microTime(at),
      reportingController: controller,
      reportingInstance: instance.slice(0, 128),
      type: event.type,
      reason: event.reason.slice(0, 128),
      action: event.action.slice(0, 128),
      note: shortened(event.note),
      regarding: reference(regarding),
      ...(related === undefined ? {} : { related: reference(related) }),
    };
    this.#send(series, 'created', async () => {
      await this.#options.client.create(kinds.Event, object);
    });
  }

  #update(series: Series): void {
    series.cancel?.();
    series.cancel = undefined;
    this.#send(series, undefined, async () => {
      const { count, lastAt } = series;
      if (series.sent >= count) return;
      const patch = { series: { count, lastObservedTime: microTime(lastAt) } };
      await this.#options.client.mergePatch(kinds.Event, series.namespace, series.name, patch);
      series.sent = count;
    });
  }

  #send(series: Series, result: 'created' | undefined, write: () => Promise<void>): void {
    const { metrics } = this.#options;
    const sent = series.tail.then(async () => {
      try {
        await this.#tried(write);
        if (result !== undefined) metrics.events.inc({ result });
      } catch (error) {
        metrics.events.inc({ result: 'failed' });
        this.#warn(series, error);
      }
    });
    series.tail = sent;
    this.#pending.add(sent);
    void sent.then(() => this.#pending.delete(sent));
  }

  /** Where one fails for the way's sake, hundreds do: the metric counts them. */
  #warn({ name, namespace }: Series, error: unknown): void {
    const { clock, log } = this.#options;
    const tick = monotonicOf(clock);
    if (tick - this.#warnedTick < warnMs) return;
    this.#warnedTick = tick;
    const message = error instanceof Error ? error.message : String(error);
    log.warn(
      { event: name, namespace, error: message },
      'event was not written; others that follow at once are not told of',
    );
  }

  /** Three tries, unless the API server refuses the event as such. */
  async #tried(write: () => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await write();
        return;
      } catch (error) {
        const refused = error instanceof ApiError && error.status < 500 && error.status !== 429;
        if (refused || tries === 3) throw error;
        await sleep(this.#options.clock, tries * 1_000);
      }
    }
  }

  #mayCreate(regarding: KubeObject, tick: number): boolean {
    const key = regarding.metadata.uid ?? regarding.metadata.name;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, filledAt: tick };
    bucket.tokens = Math.min(burst, bucket.tokens + (tick - bucket.filledAt) / refillMs);
    bucket.filledAt = tick;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > maxSeries && oldest !== undefined) this.#buckets.delete(oldest);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #dropOldest(): void {
    const [oldest] = this.#series;
    if (oldest === undefined) return;
    oldest[1].cancel?.();
    this.#series.delete(oldest[0]);
  }
}

const seriesKey = ({ regarding, related, type, reason, action, note }: EventInput): string =>
  JSON.stringify([regarding.metadata.uid, regarding.kind, related?.metadata.uid, type, reason, action, note]);

/** At most 1024 bytes, as the API server demands. */
function shortened(note: string): string {
  if (Buffer.byteLength(note) <= 1024) return note;
  let text = note.slice(0, 1021);
  while (Buffer.byteLength(text) > 1021) text = text.slice(0, -1);
  return `${text.toWellFormed()}…`;
}

function reference({ apiVersion, kind, metadata }: KubeObject): Record<string, string> {
  const { namespace, name, uid, resourceVersion } = metadata;
  const fields = { apiVersion, kind, namespace, name, uid, resourceVersion };
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined),
  );
}

import { type Clock, monotonicOf, sleep } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { ApiError, isGone, readStatus } from './apiError.ts';
import { BackOff } from './backOff.ts';
import type { KubeClient, KubeRequest } from './client.ts';
import type { KubeMetrics } from './kubeMetrics.ts';
import type { KubeObject } from './object.ts';
import { apiVersionOf, collectionPath, type ResourceKind } from './resourceKind.ts';
import type { Store } from './store.ts';

/**
 * Keeps a store equal to what the API server has of one kind: a full list in pages, then a watch from its version on.
 *
 *   list ──► watch ──ended by the server──► watch from the last version seen
 *    ▲         │
 *    └─ 410 ───┤ (that version is too old)
 *              └─ any other fault: wait 0.8 → 30 s, watch from the last version seen
 *
 * The server is asked to end each watch after 5 to 10 minutes, so that connections spread over its replicas, and to send
 * bookmarks, so that the last version seen stays young where nothing happens. A watch that says nothing at all, not even a
 * bookmark, for longer than `idleMs` is taken for dead. No fault ends the loop; only the signal does.
 */
export interface ReflectorOptions {
  readonly client: KubeClient;
  readonly kind: ResourceKind;
  /** With `metadataOnly` give it that transform, so that own writes are cut down too. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
  /** One namespace; all without it. */
  readonly namespace?: string;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Only `metadata` is asked of the API server (for Secrets). */
  readonly metadataOnly?: boolean;
  /** Bookmarks come about once a minute; default 150 s. */
  readonly idleMs?: number;
  /** Default 0.8 s and 30 s. */
  readonly backOff?: { readonly baseMs: number; readonly maxMs: number };
  /** Told after the first full list, after each fault, and when something is heard again. */
  readonly onState?: () => void;
}

/** Why nothing is heard now. */
export interface WatchFault {
  /** The API server's word, or `Connection`, `Silent`, `Malformed`. */
  readonly reason: string;
  readonly message: string;
  /** The API server answered that it will not (no right, no such kind), rather than not at all. */
  readonly isRefused: boolean;
  /** Failures in a row since something was heard last. */
  readonly failures: number;
}

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: KubeObject;
}

/** One failure passes by itself; after so many in a row (some seconds) it is told. */
const failuresToTell = 3;

/** A watch that lasted this long was a healthy one. */
const healthyMs = 10_000;

export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #log: Logger;
  readonly #synced = Promise.withResolvers<void>();
  #isSynced = false;
  /** When something was last heard, or the start; both monotonic. */
  #heardTick: number | undefined;
  /** The same, or the start of the present watch. */
  #lastEventTick = 0;
  /** Where the next watch goes on; undefined: a list is needed. */
  #version: string | undefined;
  #fault: WatchFault | undefined;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    const { kind, namespace } = options;
    this.#log = options.log.child({ kind: kind.kind, ...(namespace === undefined ? {} : { namespace }) });
  }

  /** True after the first full list. */
  get synced(): boolean {
    return this.#isSynced;
  }

  /**
   * How long ago the API server last said something (a list, an event or a bookmark), or how long this has been running if it
   * never did; in ms, by a clock that nobody sets.
   */
  get silentMs(): number {
    return this.#heardTick === undefined ? 0 : monotonicOf(this.#options.clock) - this.#heardTick;
  }

  /** Why nothing is heard, after some failures in a row; undefined as soon as something is. */
  get fault(): WatchFault | undefined {
    return (this.#fault?.failures ?? 0) < failuresToTell ? undefined : this.#fault;
  }

  /** Resolves after the first full list; rejects when the signal aborts before. */
  whenSynced(signal?: AbortSignal): Promise<void> {
    return orAborted(this.#synced.promise, signal);
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, metrics, kind } = this.#options;
    this.#heardTick = monotonicOf(clock);
    const backOff = new BackOff(this.#options.backOff ?? { baseMs: 800, maxMs: 30_000 });
    while (!signal.aborted) {
      const startedAt = monotonicOf(clock);
      try {
        if (this.#version === undefined) {
          this.#version = await this.#list(signal);
        }
        await this.#watch(this.#version, signal);
        if (monotonicOf(clock) - startedAt >= healthyMs) {
          backOff.reset();
          continue; // ended as agreed
        }
        await sleep(clock, backOff.next(), signal);
      } catch (error) {
        if (signal.aborted) return;
        if (isGone(error)) this.#version = undefined;
        if (monotonicOf(clock) - startedAt >= healthyMs) backOff.reset();
        const delayMs = Math.max(backOff.next(), retryAfterMs(error));
        const reason = reasonOf(error);
        const message = messageOf(error);
        this.#fault = { reason, message, isRefused: isRefusal(error), failures: (this.#fault?.failures ?? 0) + 1 };
        metrics.reflectorWatchFaults.inc({ kind: kind.kind, reason });
        this.#log.warn({ reason, error: message, delayMs: Math.round(delayMs) }, 'watch failed, trying again');
        if (this.fault !== undefined) this.#options.onState?.();
        await sleep(clock, delayMs, signal).catch(() => {});
      }
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const {
      client,
      kind,
      store,
      metrics,
      namespace,
      labelSelector,
      fieldSelector,
      metadataOnly = false,
    } = this.#options;
    const keep = (object: KubeObject) => store.kept(object);
    const selection = { namespace, labelSelector, fieldSelector, metadataOnly, keep, signal };
    const { items, resourceVersion } = await client.list(kind, selection);
    // The store may have been cleared of what nobody looks at any more.
    signal.throwIfAborted();
    store.replace(items, resourceVersion, namespace);
    metrics.reflectorRelists.inc({ kind: kind.kind });
    this.#log.debug({ objects: items.length, resourceVersion }, 'listed');
    const isFirst = !this.#isSynced;
    this.#isSynced = true;
    this.#heard();
    this.#synced.resolve();
    if (isFirst) this.#options.onState?.();
    return resourceVersion;
  }

  /** One watch; returns when the server ends it. */
  async #watch(version: string, signal: AbortSignal): Promise<void> {
    const cut = new AbortController();
    const stopWatchdog = this.#watchdog(cut);
    try {
      const both = AbortSignal.any([signal, cut.signal]);
      const lines = await this.#options.client.lines(this.#watchRequest(version, both));
      this.#heard();
      for await (const line of lines) {
        signal.throwIfAborted();
        this.#take(JSON.parse(line) as WatchEvent);
      }
    } catch (error) {
      throw cut.signal.aborted ? cut.signal.reason : error;
    } finally {
      stopWatchdog();
    }
  }

  #watchRequest(resourceVersion: string, signal: AbortSignal): KubeRequest {
    const { kind, namespace, labelSelector, fieldSelector, metadataOnly } = this.#options;
    return {
      method: 'GET',
      path: collectionPath(kind, namespace),
      query: {
        watch: true,
        allowWatchBookmarks: true,
        timeoutSeconds: Math.round(300 * (1 + Math.random())),
        resourceVersion,
        labelSelector,
        fieldSelector,
      },
      signal,
      ...(metadataOnly ? { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' } : {}),
    };
  }

  #take({ type, object }: WatchEvent): void {
    const { store, kind } = this.#options;
    this.#heard();
    if (type === 'ERROR') {
      const code = object.code;
      throw new ApiError(`watch of ${kind.plural}`, readStatus(typeof code === 'number' ? code : 500, object));
    }
    if (type !== 'BOOKMARK') {
      // A metadata-only object says that it is a PartialObjectMetadata.
      const typed = { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind };
      if (type === 'DELETED') store.remove(typed);
      else store.put(typed);
    }
    this.#version = object.metadata.resourceVersion ?? this.#version;
  }

  #heard(): void {
    const { clock, metrics, store, kind } = this.#options;
    this.#heardTick = monotonicOf(clock);
    this.#lastEventTick = this.#heardTick;
    metrics.reflectorObjects.set({ kind: kind.kind }, store.size);
    const { fault } = this;
    this.#fault = undefined;
    if (fault !== undefined) this.#options.onState?.();
  }

  /** Aborts `cut` when nothing was heard for too long; looks at the time of the last event instead of a timer for each. */
  #watchdog(cut: AbortController): () => void {
    const { clock, idleMs = 150_000 } = this.#options;
    this.#lastEventTick = monotonicOf(clock);
    let cancel = () => {};
    const look = () => {
      const silentMs = monotonicOf(clock) - this.#lastEventTick;
      if (silentMs >= idleMs) cut.abort(new WatchSilent(`the watch said nothing for ${Math.round(silentMs / 1000)} s`));
      else cancel = clock.after(idleMs - silentMs, look);
    };
    look();
    return () => cancel();
  }
}

class WatchSilent extends Error {}

const retryAfterMs = (error: unknown): number =>
  error instanceof ApiError ? Math.min(error.retryAfterSeconds ?? 0, 60) * 1000 : 0;

function reasonOf(error: unknown): string {
  if (error instanceof ApiError) return error.reason === '' ? String(error.status) : error.reason;
  if (error instanceof WatchSilent) return 'Silent';
  return error instanceof SyntaxError ? 'Malformed' : 'Connection';
}

const isRefusal = (error: unknown): boolean =>
  error instanceof ApiError && error.status < 500 && ![410, 429].includes(error.status);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The promise, or a rejection with the signal's reason as soon as it aborts. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

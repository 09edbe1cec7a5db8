import { Reflector, type ReflectorOptions, type WatchFault } from './reflector.ts';
import type { ResourceKind } from './resourceKind.ts';
import type { Store } from './store.ts';

/** What of a kind is watched, and where it is kept. */
export interface WatchedKind {
  readonly kind: ResourceKind;
  readonly store: Store;
  readonly metadataOnly: boolean;
  readonly labelSelector?: string | undefined;
  /** The cluster may lack it, or have it broken: then everything else goes on without it. */
  readonly optional?: boolean;
}

export interface NamespaceWatchOptions
  extends Pick<ReflectorOptions, 'client' | 'clock' | 'log' | 'metrics' | 'idleMs' | 'backOff'> {
  /** `''`: all of the cluster. */
  readonly namespace: string;
  /** Told when `synced`, `lists` or `unheard` may answer otherwise than before. */
  readonly onState: () => void;
}

/** A kind of which nothing is heard, and why. */
export interface Unheard extends WatchFault {
  readonly namespace: string;
  readonly kind: string;
  readonly optional: boolean;
  /** False: it was never listed, so nothing is known of it at all. */
  readonly wasListed: boolean;
  readonly silentMs: number;
}

/**
 * All watched kinds of one namespace. Absence in a cache is a fact only when everything was listed: that is `synced`, and
 * nobody works on what is in the namespace before. A kind that cannot be listed is named; an optional one is not waited for.
 */
export class NamespaceWatch {
  readonly #options: NamespaceWatchOptions;
  readonly #running = new Map<WatchedKind, { readonly reflector: Reflector; readonly stop: AbortController }>();
  readonly #ended = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #isSynced = false;

  constructor(options: NamespaceWatchOptions) {
    this.#options = options;
  }

  /** Begins to watch a kind, until `signal` aborts or it is stopped. */
  start(watched: WatchedKind, signal: AbortSignal): void {
    const { namespace, onState, ...options } = this.#options;
    const { kind, store, metadataOnly, labelSelector } = watched;
    const reflector = new Reflector({
      ...options,
      kind,
      store,
      metadataOnly,
      labelSelector,
      onState,
      ...(namespace === '' ? {} : { namespace }),
    });
    const stop = new AbortController();
    this.#running.set(watched, { reflector, stop });
    const ended = reflector.run(AbortSignal.any([signal, this.#stop.signal, stop.signal])).finally(() => {
      this.#ended.delete(ended);
    });
    this.#ended.add(ended);
  }

  /** The kind is gone from the cluster. */
  stopKind(watched: WatchedKind): void {
    this.#running.get(watched)?.stop.abort(new Error('the kind is gone'));
    this.#running.delete(watched);
    watched.store.clear(this.#options.namespace === '' ? undefined : this.#options.namespace);
  }

  /** Nobody looks at the namespace any more: what was known of it leaves the stores. */
  stop(): void {
    this.#stop.abort(new Error('the namespace is no longer chosen'));
    for (const watched of [...this.#running.keys()]) this.stopKind(watched);
  }

  /** Resolves when every reflector has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#ended);
  }

  /** Whether everything was listed once: each kind that must be, and each optional one that can be. */
  get synced(): boolean {
    this.#isSynced ||=
      this.#running.size > 0 &&
      [...this.#running].every(
        ([{ optional }, { reflector }]) => reflector.synced || (optional && reflector.fault !== undefined),
      );
    return this.#isSynced;
  }

  /** Whether what the store has of a kind is all that there is. */
  lists(kind: ResourceKind): boolean {
    return [...this.#running].some(([watched, { reflector }]) => watched.kind === kind && reflector.synced);
  }

  /** The kinds of which nothing is heard. */
  unheard(): Unheard[] {
    const { namespace } = this.#options;
    return [...this.#running].flatMap(([{ kind, optional = false }, { reflector }]) => {
      const { fault, synced: wasListed, silentMs } = reflector;
      if (fault === undefined) return [];
      return [{ ...fault, namespace, kind: kind.kind, optional, wasListed, silentMs }];
    });
  }

  /** How long each kind has said nothing, in ms. */
  silences(): [string, number][] {
    return [...this.#running].map(([{ kind }, { reflector }]) => [kind.kind, reflector.silentMs]);
  }
}

import type { Clock } from '../../../runtime/clock.ts';
import type { Logger } from '../../../runtime/log.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Discovery } from '../../kube/discovery.ts';
import type { KubeMetrics } from '../../kube/kubeMetrics.ts';
import { type NamespaceChoice, NamespaceScope } from '../../kube/namespaceScope.ts';
import { NamespaceWatch, type Unheard, type WatchedKind } from '../../kube/namespaceWatch.ts';
import { orAborted } from '../../kube/reflector.ts';
import { kinds, type ResourceKind } from '../../kube/resourceKind.ts';
import { Stores } from './stores.ts';

export interface WatchOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
  readonly namespaces: NamespaceChoice;
  /** How often it is looked whether optional kinds came or went; default 60 s. */
  readonly discoveryMs?: number;
}

/**
 * Keeps the stores equal to the cluster, in a standby as well as in a leader: a watch for each chosen namespace, which come
 * and go as the choice changes, or one for all. Each goes on by itself: one that cannot be listed is named, and keeps
 * nobody else waiting.
 */
export class Watch {
  readonly stores = new Stores();
  readonly discovery: Discovery;
  readonly #options: WatchOptions;
  readonly #scope: NamespaceScope;
  /** By namespace; `''` for all. */
  readonly #namespaces = new Map<string, NamespaceWatch>();
  /** Namespaces that were synced, and what was unheard in each, when that was last told. */
  readonly #told = new Map<string, string>();
  readonly #listeners = new Set<(namespace: string) => void>();
  readonly #ended = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;
  #hasDiscovered = false;
  #settled = Promise.withResolvers<void>();

  constructor(options: WatchOptions) {
    const { client, clock, log, metrics, namespaces, discoveryMs } = options;
    this.#options = options;
    const onState = () => this.#wake();
    this.#scope = new NamespaceScope({ client, clock, log, metrics, choice: namespaces, onState });
    this.discovery = new Discovery({
      client,
      clock,
      log,
      kinds: this.stores.watched.filter((w) => w.optional).map((w) => w.kind),
      ...(discoveryMs === undefined ? {} : { intervalMs: discoveryMs }),
    });
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    const unfollow = this.#scope.onChange(() => this.#follow());
    this.discovery.onChange((kind, present) => this.#onKind(kind, present));
    this.#follow();
    const scope = this.#scope.run(signal);
    await this.discovery.refresh(signal);
    this.#hasDiscovered = true;
    for (const [namespace, watch] of this.#namespaces) this.#tell(namespace, watch);
    this.#wake();
    await Promise.all([scope, this.discovery.run(signal)]);
    unfollow();
    await Promise.all([...this.#ended, ...[...this.#namespaces.values()].map((namespace) => namespace.ended())]);
  }

  /** Whether everything in the namespace was listed, so that what is not in the stores is not there. */
  syncedIn(namespace: string): boolean {
    return this.#hasDiscovered && this.#of(namespace)?.synced === true;
  }

  /** Whether a kind is there, and what the stores have of it in the namespace is all that there is. */
  lists(kind: ResourceKind, namespace: string): boolean {
    return this.#of(namespace)?.lists(kind) === true;
  }

  /**
   * Kinds that the API server refuses in the namespace, and why. An API server that is away says nothing of a namespace; that
   * an optional kind is broken it tells in many ways.
   */
  unheardIn(namespace: string): readonly Unheard[] {
    return this.#of(namespace)?.unheard().filter(isOfNamespace) ?? [];
  }

  /** Everything of which nothing is heard, whatever the reason; the list of namespaces too. */
  unheard(): readonly Unheard[] {
    const { fault, silentMs = 0, synced } = this.#scope;
    const scope = { namespace: '', kind: kinds.Namespace.kind, optional: false, wasListed: synced, silentMs };
    return [
      ...(fault === undefined ? [] : [{ ...fault, ...scope }]),
      ...[...this.#namespaces.values()].flatMap((watch) => watch.unheard()),
    ];
  }

  /** Tells of a namespace when it has been listed, or is heard otherwise than before; `''` for all of the cluster. */
  onChange(fn: (namespace: string) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** Seconds since each watch last said anything, the longest of each kind. */
  eventAges(): Record<string, number> {
    const ages: Record<string, number> = {};
    const add = (kind: string, silentMs: number) => {
      ages[kind] = Math.max(ages[kind] ?? 0, silentMs / 1000);
    };
    if (this.#scope.silentMs !== undefined) add(kinds.Namespace.kind, this.#scope.silentMs);
    for (const watch of this.#namespaces.values()) for (const [kind, silentMs] of watch.silences()) add(kind, silentMs);
    return ages;
  }

  /** Seconds since anything at all was heard; undefined: nothing is watched. */
  get silentSeconds(): number | undefined {
    const silences = [...this.#namespaces.values()].flatMap((watch) => watch.silences().map(([, ms]) => ms));
    if (this.#scope.silentMs !== undefined) silences.push(this.#scope.silentMs);
    return silences.length === 0 ? undefined : Math.min(...silences) / 1000;
  }

  /** Whether each chosen namespace was listed, or is known not to let itself be listed now. */
  get settled(): boolean {
    if (this.#signal === undefined || !this.#hasDiscovered) return false;
    if (!this.#scope.synced) return this.#scope.fault !== undefined;
    return [...this.#namespaces.values()].every(
      (watch) => watch.synced || watch.unheard().some(({ optional, wasListed }) => !optional && !wasListed),
    );
  }

  /** Resolves when `settled` holds for the first time. */
  async whenSettled(signal: AbortSignal): Promise<void> {
    while (!this.settled) await orAborted(this.#settled.promise, signal);
  }

  #of(namespace: string): NamespaceWatch | undefined {
    return this.#namespaces.get('') ?? this.#namespaces.get(namespace);
  }

  #follow(): void {
    const signal = this.#signal;
    if (signal === undefined || signal.aborted) return;
    const chosen = new Set(this.#scope.current() ?? ['']);
    for (const [namespace, watch] of this.#namespaces) {
      if (chosen.has(namespace)) continue;
      this.#namespaces.delete(namespace);
      this.#told.delete(namespace);
      watch.stop();
      const ended = watch.ended().finally(() => this.#ended.delete(ended));
      this.#ended.add(ended);
    }
    for (const namespace of chosen) {
      if (!this.#namespaces.has(namespace)) this.#start(namespace, signal);
    }
    this.#wake();
  }

  #start(namespace: string, signal: AbortSignal): void {
    const { client, clock, log, metrics } = this.#options;
    const watch: NamespaceWatch = new NamespaceWatch({
      client,
      clock,
      log,
      metrics,
      namespace,
      onState: () => this.#tell(namespace, watch),
    });
    this.#namespaces.set(namespace, watch);
    for (const watched of this.stores.watched) {
      if (!watched.optional || this.discovery.has(watched.kind)) watch.start(watched, signal);
    }
  }

  #onKind(kind: ResourceKind, present: boolean): void {
    const watched: WatchedKind | undefined = this.stores.watched.find((w) => w.kind === kind);
    if (watched === undefined || this.#signal === undefined) return;
    for (const [namespace, watch] of this.#namespaces) {
      watch.stopKind(watched);
      if (present) watch.start(watched, this.#signal);
      this.#tell(namespace, watch);
    }
  }

  /** Tells the listeners if the namespace is otherwise than when they were told last. */
  #tell(namespace: string, watch: NamespaceWatch): void {
    const unheard = watch
      .unheard()
      .filter(isOfNamespace)
      .map(({ kind, reason }) => `${kind} ${reason}`);
    const optional = this.stores.watched.filter((w) => w.optional && watch.lists(w.kind)).map((w) => w.kind.kind);
    const state = JSON.stringify([this.#hasDiscovered && watch.synced, unheard, optional]);
    if (this.#namespaces.get(namespace) !== watch || this.#told.get(namespace) === state) return;
    this.#told.set(namespace, state);
    for (const tell of this.#listeners) tell(namespace);
    this.#wake();
  }

  /** Lets those who wait look again whether all is settled. */
  #wake(): void {
    this.#settled.resolve();
    this.#settled = Promise.withResolvers();
  }
}

const isOfNamespace = ({ isRefused, optional, reason }: Unheard): boolean =>
  isRefused || (optional && reason !== 'Connection' && reason !== 'Silent');

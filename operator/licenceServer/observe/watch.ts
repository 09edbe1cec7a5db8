import type { Clock } from '../../../runtime/clock.ts';
import type { Logger } from '../../../runtime/log.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Discovery } from '../../kube/discovery.ts';
import type { KubeMetrics } from '../../kube/kubeMetrics.ts';
import { type NamespaceChoice, NamespaceScope } from '../../kube/namespaceScope.ts';
import { ScopedReflector } from '../../kube/scopedReflector.ts';
import { fieldManager, labels } from '../api/types.ts';
import { Stores, type Watched } from './stores.ts';

export interface WatchOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
  readonly namespaces: NamespaceChoice;
  /** How often it is looked whether optional kinds came or went; default 60 s. */
  readonly discoveryMs?: number;
}

/** Keeps the stores equal to the cluster, in a standby as well as in a leader. */
export class Watch {
  readonly stores = new Stores();
  readonly discovery: Discovery;
  readonly #options: WatchOptions;
  readonly #scope: NamespaceScope;
  readonly #running = new Map<Watched, { readonly reflector: ScopedReflector; readonly stop: AbortController }>();

  constructor(options: WatchOptions) {
    const { client, clock, log, metrics, namespaces, discoveryMs } = options;
    this.#options = options;
    this.#scope = new NamespaceScope({ client, clock, log, metrics, choice: namespaces });
    this.discovery = new Discovery({
      client,
      clock,
      log,
      kinds: this.stores.watched.filter((w) => w.optional).map((w) => w.kind),
      ...(discoveryMs === undefined ? {} : { intervalMs: discoveryMs }),
    });
  }

  /** Seconds since each watch last said anything, by kind. */
  eventAges(): Record<string, number> {
    const ages: Record<string, number> = {};
    if (this.#scope.silentMs !== undefined) ages.Namespace = this.#scope.silentMs / 1000;
    for (const [{ kind }, { reflector }] of this.#running) {
      if (reflector.silentMs !== undefined) ages[kind.kind] = reflector.silentMs / 1000;
    }
    return ages;
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const ended: Promise<void>[] = [this.#scope.run(signal), this.discovery.run(signal)];
    const { client, clock, log, metrics } = this.#options;
    const start = (watched: Watched) => {
      const { kind, store, metadataOnly, ours } = watched;
      const labelSelector = ours ? { labelSelector: `${labels.managedBy}=${fieldManager}` } : {};
      const options = { client, clock, log, metrics, kind, store, metadataOnly, scope: this.#scope, ...labelSelector };
      const reflector = new ScopedReflector(options);
      const stop = new AbortController();
      this.#running.set(watched, { reflector, stop });
      ended.push(reflector.run(AbortSignal.any([signal, stop.signal])));
    };
    for (const watched of this.stores.watched) if (!watched.optional) start(watched);
    this.discovery.onChange((kind, present) => {
      const watched = this.stores.watched.find((w) => w.kind === kind);
      if (watched === undefined) return;
      this.#running.get(watched)?.stop.abort(new Error('the kind is gone'));
      this.#running.delete(watched);
      if (present) start(watched);
      else watched.store.clear();
    });
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await Promise.all(ended);
  }

  /** Resolves when everything that is watched was listed once. */
  async whenSynced(signal: AbortSignal): Promise<void> {
    await this.discovery.refresh(signal);
    await Promise.all([...this.#running.values()].map(({ reflector }) => reflector.whenSynced(signal)));
  }

  get synced(): boolean {
    return this.#running.size > 0 && [...this.#running.values()].every(({ reflector }) => reflector.synced);
  }
}

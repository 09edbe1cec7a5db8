import { type Clock, sleep } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { isNotFound } from './apiError.ts';
import type { KubeClient } from './client.ts';
import { apiVersionOf, type ResourceKind, versionPath } from './resourceKind.ts';

export interface DiscoveryOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** The kinds that may or may not be there. */
  readonly kinds: readonly ResourceKind[];
  /** Default 60 s. */
  readonly intervalMs?: number;
}

/**
 * Whether optional kinds exist, asked again and again: a kind that is installed later is noticed without a restart. Needs
 * only the right to read discovery, which every authenticated user has.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #present = new Set<ResourceKind>();
  readonly #listeners = new Set<(kind: ResourceKind, present: boolean) => void>();

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  /** What the last look said; false before the first. */
  has(kind: ResourceKind): boolean {
    return this.#present.has(kind);
  }

  /** Tells when a kind appears or goes; the answer ends it. */
  onChange(fn: (kind: ResourceKind, present: boolean) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** Looks now. A server that cannot be asked leaves the last answer standing. */
  async refresh(signal?: AbortSignal): Promise<void> {
    const byVersion = Map.groupBy(this.#options.kinds, versionPath);
    await Promise.all([...byVersion].map(([path, kinds]) => this.#look(path, kinds, signal)));
  }

  /** Looks at once and then at every interval, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs = 60_000 } = this.#options;
    while (!signal.aborted) {
      await this.refresh(signal);
      await sleep(clock, intervalMs, signal).catch(() => {});
    }
  }

  async #look(path: string, kinds: readonly ResourceKind[], signal: AbortSignal | undefined): Promise<void> {
    let found: ReadonlySet<string>;
    try {
      const { body } = await this.#options.client.request({ method: 'GET', path, signal });
      found = pluralsOf(body);
    } catch (error) {
      if (!isNotFound(error)) {
        if (!signal?.aborted) this.#options.log.warn({ path, err: error }, 'discovery failed, the last answer stands');
        return;
      }
      found = new Set();
    }
    for (const kind of kinds) this.#set(kind, found.has(kind.plural));
  }

  #set(kind: ResourceKind, present: boolean): void {
    if (this.#present.has(kind) === present) return;
    if (present) this.#present.add(kind);
    else this.#present.delete(kind);
    this.#options.log.info({ kind: kind.kind, apiVersion: apiVersionOf(kind), present }, 'kind came or went');
    for (const tell of this.#listeners) tell(kind, present);
  }
}

function pluralsOf(body: unknown): ReadonlySet<string> {
  const { resources = [] } = body as { readonly resources?: readonly { readonly name: string }[] };
  return new Set(resources.map((resource) => resource.name));
}

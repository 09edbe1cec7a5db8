import type { Clock } from '../../../runtime/clock.ts';
import { isForbidden } from '../../kube/apiError.ts';
import type { KubeClient } from '../../kube/client.ts';
import { keyFor } from '../../kube/object.ts';
import { kinds } from '../../kube/resourceKind.ts';
import { labels } from '../api/metadata.ts';
import type { PodLike } from './noPod.ts';

/** When a server without a pod is looked at first: most are up by then. Also between two looks at the same one. */
export const firstLookMs = 5_000;
/** When it looks again while nothing else happens: after as long as it has lasted. A whole fleet may be without its nodes. */
export const lookAgain = { firstMs: 20_000, maxMs: 5 * 60_000 } as const;
/** Between two looks at whichever server: many that start together do not become a storm of lists. */
const apartMs = 100;
const forbiddenMs = 10 * 60_000;

/**
 * Looks at the pods of a server that does not come up. They are not watched: a settled fleet's pods are nobody's business here,
 * and one that starts in the usual time is not looked at either.
 */
export class PodLook {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #known = new Map<string, { readonly atMs: number; readonly pods: readonly PodLike[] }>();
  #nextAtMs = 0;

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** The pods; as they were seen last where it is not time yet, none where rights of an older chart do not allow it. */
  async read(namespace: string, name: string, signal: AbortSignal): Promise<readonly PodLike[]> {
    const key = keyFor(namespace, name);
    const known = this.#known.get(key);
    const nowMs = this.#clock.now();
    if (nowMs < this.#nextAtMs || (known !== undefined && nowMs < known.atMs + firstLookMs)) return known?.pods ?? [];
    this.#nextAtMs = nowMs + apartMs;
    try {
      const labelSelector = `${labels.name}=licence-server,${labels.instance}=${name}`;
      const { items } = await this.#client.list(kinds.Pod, { namespace, labelSelector, signal });
      this.#known.set(key, { atMs: nowMs, pods: items as readonly PodLike[] });
      return items as readonly PodLike[];
    } catch (error) {
      if (!isForbidden(error)) throw error;
      this.#nextAtMs = nowMs + forbiddenMs;
      return [];
    }
  }

  /** It is up, or gone. */
  forget(namespace: string, name: string): void {
    this.#known.delete(keyFor(namespace, name));
  }
}

import type { KubeClient } from '../../kube/client.ts';
import { isControlledBy, type KubeObject } from '../../kube/object.ts';
import { kinds } from '../../kube/resourceKind.ts';
import { digestOf } from '../api/digest.ts';
import { labels } from '../api/metadata.ts';
import { selectorOf } from '../api/owner.ts';
import { asLongAgainMs } from '../api/times.ts';
import type { Status } from '../api/types.ts';
import type { Children } from '../build/children.ts';
import { revisionHistoryLimit } from '../build/deployment.ts';
import type { Valid } from '../decide/validate.ts';
import type { Stores } from '../observe/stores.ts';
import { isOwn } from './ownership.ts';

/**
 * Removes copies of keys, settings and trusted keys that nothing names any more: not what this pass built (so that nothing is
 * made and removed in turn), not the status, not the Deployment, and no ReplicaSet that could be rolled back to.
 */
export class Prune {
  readonly #client: KubeClient;
  readonly #stores: Stores;
  /** Server → what was superfluous but still named by a ReplicaSet, so that these are not listed in every pass. */
  readonly #looked = new Map<string, Looked>();

  constructor(client: KubeClient, stores: Stores) {
    this.#client = client;
    this.#stores = stores;
  }

  forget(key: string): void {
    this.#looked.delete(key);
  }

  /**
   * @returns when to look again: the cluster has not yet dropped ReplicaSets beyond the history that is kept, and no event
   * will tell when it has. Ever more rarely, since it may never do so
   */
  async run(
    key: string,
    { valid, children, status, nowMs }: PruneInput,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { namespace, name } = valid.owner;
    const copies = [
      ...this.#stores.copies('secrets', namespace, name),
      ...this.#stores.copies('configMaps', namespace, name),
    ].filter((copy) => isOwn(valid.owner, copy));
    const deployment = this.#stores.get(kinds.Deployment, namespace, name);
    const built = Object.values(children) as (KubeObject | undefined)[];
    const named = new Set([
      ...namesIn(deployment),
      ...namesIn(children.deployment),
      ...built.map((child) => child?.metadata.name),
      valid.desiredKeys.ok ? valid.desiredKeys.copy : undefined,
      status.keysCopy,
      status.rotation?.copy,
    ]);
    const superfluous = copies.filter((copy) => !named.has(copy.metadata.name));
    if (superfluous.length === 0) return undefined;
    const signature = digestOf([superfluous.map((c) => c.metadata.uid).sort(), deployment?.metadata.generation ?? 0]);
    const looked = this.#looked.get(key);
    const isSame = looked?.signature === signature;
    if (isSame && (looked.nextAtMs === undefined || nowMs < looked.nextAtMs)) return looked.nextAtMs;
    const labelSelector = Object.entries(selectorOf(valid.owner))
      .map(([k, v]) => `${k}=${v}`)
      .join(',');
    const { items } = await this.#client.list(kinds.ReplicaSet, { namespace, labelSelector, signal });
    const kept = new Set(items.flatMap(namesIn));
    for (const copy of superfluous) {
      if (kept.has(copy.metadata.name)) continue;
      const kind = copy.metadata.labels?.[labels.copy] === 'keys' ? kinds.Secret : kinds.ConfigMap;
      await this.#client.delete(kind, namespace, copy.metadata.name, { uid: copy.metadata.uid, signal });
    }
    // While the Deployment moves its history is about to change, and its events bring another pass.
    if (deployment !== undefined && !isSettled(deployment)) return undefined;
    const history = items.filter((item) => deployment !== undefined && isControlledBy(item, deployment));
    const sinceMs = isSame ? looked.sinceMs : nowMs;
    const isOver = history.length <= revisionHistoryLimit + 1;
    const nextAtMs = isOver ? undefined : asLongAgainMs(nowMs, sinceMs, pace);
    this.#looked.set(key, { signature, sinceMs, nextAtMs });
    return nextAtMs;
  }
}

/** What was superfluous, since when that has been so, and when to look again. */
interface Looked {
  readonly signature: string;
  readonly sinceMs: number;
  readonly nextAtMs: number | undefined;
}

export interface PruneInput {
  readonly valid: Valid;
  readonly children: Children;
  readonly status: Status;
  readonly nowMs: number;
}

const pace = { firstMs: 5_000, maxMs: 10 * 60_000 } as const;

interface Rollout {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly updatedReplicas?: number;
  readonly unavailableReplicas?: number;
}

function isSettled({ metadata, status: told = {} }: KubeObject & { readonly status?: unknown }): boolean {
  const status = told as Rollout;
  const isCurrent = status.observedGeneration === metadata.generation;
  return isCurrent && (status.updatedReplicas ?? 0) === (status.replicas ?? 0) && !status.unavailableReplicas;
}

/** Names of Secrets and ConfigMaps that a workload's template refers to. */
function namesIn(workload: KubeObject | undefined): string[] {
  const spec = (workload as { spec?: { template?: { spec?: PodLike } } } | undefined)?.spec?.template?.spec;
  const volumes = (spec?.volumes ?? []).flatMap((v) => [v.secret?.secretName, v.configMap?.name]);
  const environment = (spec?.containers ?? []).flatMap((c) => (c.envFrom ?? []).map((e) => e.configMapRef?.name));
  return [...volumes, ...environment].filter((name) => name !== undefined);
}

interface PodLike {
  readonly volumes?: readonly {
    readonly secret?: { readonly secretName?: string };
    readonly configMap?: { readonly name?: string };
  }[];
  readonly containers?: readonly {
    readonly envFrom?: readonly { readonly configMapRef?: { readonly name?: string } }[];
  }[];
}

import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/object.ts';
import { kinds } from '../../kube/resourceKind.ts';
import { digestOf } from '../api/digest.ts';
import { selectorOf } from '../api/owner.ts';
import { labels, type Status } from '../api/types.ts';
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
  readonly #looked = new Map<string, string>();

  constructor(client: KubeClient, stores: Stores) {
    this.#client = client;
    this.#stores = stores;
  }

  forget(key: string): void {
    this.#looked.delete(key);
  }

  /**
   * @returns whether to look again soon: the cluster has not yet dropped ReplicaSets beyond the history that is kept, and no
   * event will tell when it has
   */
  async run(key: string, valid: Valid, children: Children, status: Status, signal: AbortSignal): Promise<boolean> {
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
    if (superfluous.length === 0) return false;
    const signature = digestOf([superfluous.map((c) => c.metadata.uid).sort(), deployment?.metadata.generation ?? 0]);
    if (this.#looked.get(key) === signature) return false;
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
    if (!isSettled(deployment)) return false;
    if (items.length > revisionHistoryLimit + 1) return true;
    this.#looked.set(key, signature);
    return false;
  }
}

interface Rollout {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly updatedReplicas?: number;
  readonly unavailableReplicas?: number;
}

function isSettled(deployment: KubeObject | undefined): boolean {
  const status = (deployment?.status ?? {}) as Rollout;
  const isCurrent = status.observedGeneration === deployment?.metadata.generation;
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

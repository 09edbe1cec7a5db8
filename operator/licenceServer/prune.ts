import type { KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/object.ts';
import { kinds } from '../kube/resourceKind.ts';
import { configMap, settingsOf } from './build/configMap.ts';
import { selectorOf } from './build/object.ts';
import { digestOf } from './digest.ts';
import type { Plan } from './plan.ts';
import type { Stores } from './stores.ts';
import { type LicenceServer, labels } from './types.ts';
import type { Valid } from './validate.ts';

/**
 * Removes copies of keys, settings and trusted keys that nothing names any more: not the plan, not the memory in status,
 * not the Deployment, and no ReplicaSet that could be rolled back to.
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

  async run(
    key: string,
    server: LicenceServer,
    valid: Valid,
    plan: Plan,
    ipv6: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name } = valid.owner;
    const copies = [
      ...this.#stores.copies('secrets', namespace, name),
      ...this.#stores.copies('configMaps', namespace, name),
    ];
    const deployment = this.#stores.get(kinds.Deployment, namespace, name);
    const named = new Set([
      ...namesIn(deployment),
      ...(plan.pod === undefined ? [] : [plan.pod.keys, plan.pod.config, plan.pod.trust]),
      configMap(valid.owner, settingsOf(valid.spec, ipv6)).metadata.name,
      valid.desiredKeys.ok ? valid.desiredKeys.copy : undefined,
      plan.rotation.proven,
      plan.rotation.run,
      plan.rotation.rotation?.copy,
      server.status?.keysCopy,
      server.status?.rotation?.copy,
    ]);
    const superfluous = copies.filter((copy) => !named.has(copy.metadata.name));
    if (superfluous.length === 0) return;
    const signature = digestOf([superfluous.map((c) => c.metadata.uid).sort(), deployment?.metadata.generation ?? 0]);
    if (this.#looked.get(key) === signature) return;
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
    this.#looked.set(key, signature);
  }
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

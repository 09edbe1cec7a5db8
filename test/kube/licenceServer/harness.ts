import { setTimeout as wait } from 'node:timers/promises';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { createKubeMetrics } from '../../../operator/kube/kubeMetrics.ts';
import { loadKubeClient } from '../../../operator/kube/loadKubeClient.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { licenceServerCrd } from '../../../operator/licenceServer/api/crd.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createMetrics } from '../../../runtime/metrics.ts';

/** A client with every right, as a person at the cluster has. */
export function adminClient(kubeconfig: string): KubeClient {
  return loadKubeClient({
    kubeconfig,
    clock: systemClock,
    metrics: createKubeMetrics(createMetrics()),
    userAgent: 'test',
    qps: 0,
  }).client;
}

/** Installs the CRD as it is now, and waits until it is served. */
export async function installCrd(client: KubeClient): Promise<void> {
  await client.apply(kinds.CustomResourceDefinition, licenceServerCrd(), { fieldManager: 'test' });
  await eventually('the CRD is established', async () => {
    const crd = await client.get<{
      metadata: { name: string };
      status?: { conditions?: { type: string; status: string }[] };
    }>(kinds.CustomResourceDefinition, undefined, licenceServerCrd().metadata.name);
    return crd?.status?.conditions?.some((c) => c.type === 'Established' && c.status === 'True');
  });
}

export async function freshNamespace(client: KubeClient, prefix: string): Promise<string> {
  const name = `${prefix}-${Math.random().toString(36).slice(2, 10)}`;
  await client.create(kinds.Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  return name;
}

/** Asks again and again until the answer is not false, undefined or an assertion that failed; gives up after `limitMs`. */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  limitMs = 45_000,
): Promise<Exclude<T, false | undefined>> {
  const until = Date.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > until) {
      throw new Error(`not in ${limitMs} ms: ${what}; last: ${last instanceof Error ? last.message : String(last)}`);
    }
    await wait(50);
  }
}

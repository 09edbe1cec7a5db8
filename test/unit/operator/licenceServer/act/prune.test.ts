import { expect, test } from 'vitest';
import type { KubeClient } from '../../../../../operator/kube/client.ts';
import type { KubeObject } from '../../../../../operator/kube/object.ts';
import { Prune } from '../../../../../operator/licenceServer/act/prune.ts';
import { childrenOf } from '../../../../../operator/licenceServer/build/children.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import { Stores } from '../../../../../operator/licenceServer/observe/stores.ts';
import { defaults, licenceServer, nowMs, observed, owner, valid } from '../world.ts';

const labels = { 'app.kubernetes.io/managed-by': 'licence-operator', 'app.kubernetes.io/instance': owner.name };
const meta = (name: string, more: Record<string, unknown> = {}) => ({
  ...{ name, namespace: owner.namespace, uid: name, resourceVersion: '1', labels },
  ...more,
});
/** A ReplicaSet whose pods have the settings of that name. */
const replicaSet = (name: string, config: string, controller?: string): KubeObject => ({
  metadata: meta(name, {
    ownerReferences:
      controller === undefined
        ? []
        : [{ apiVersion: 'apps/v1', kind: 'Deployment', name: owner.name, uid: controller, controller: true }],
  }) as KubeObject['metadata'],
  spec: { template: { spec: { containers: [{ envFrom: [{ configMapRef: { name: config } }] }] } } },
});

/** Passes over a settled server one after the other, each when it was asked for; the moments, in seconds. */
async function passes(replicaSets: readonly KubeObject[], count: number) {
  const stores = new Stores();
  const copy = { ...labels, 'licensing.softonit.ru/copy': 'config' };
  stores.configMaps.put({ metadata: meta('office-config-old', { labels: copy }) as KubeObject['metadata'] });
  stores.deployments.put({
    metadata: meta(owner.name, { uid: 'd', generation: 1 }) as KubeObject['metadata'],
    status: { observedGeneration: 1, replicas: 1, updatedReplicas: 1 },
  });
  const deleted: string[] = [];
  let lists = 0;
  const client = {
    list: async () => {
      lists += 1;
      return { items: replicaSets };
    },
    delete: async (_: unknown, __: unknown, name: string) => deleted.push(name),
  } as unknown as KubeClient;
  const seen = observed();
  const judged = valid(licenceServer(), seen);
  const children = childrenOf(judged, plan(judged, {}, seen, defaults), seen, defaults);
  const prune = new Prune(client, stores);
  const at: number[] = [];
  for (let atMs: number | undefined = nowMs; atMs !== undefined && at.length < count; ) {
    at.push((atMs - nowMs) / 1000);
    const input = { valid: judged, children, status: {}, nowMs: atMs };
    atMs = await prune.run('accounting/office', input, new AbortController().signal);
  }
  return { at, deleted, lists };
}

test('ReplicaSets that the cluster never drops are looked at ever more rarely', async () => {
  const kept = Array.from({ length: 5 }, (_, i) => replicaSet(`r${i}`, 'office-config-old', 'd'));
  const { at, deleted, lists } = await passes(kept, 8);
  expect(at).toEqual([0, 5, 10, 20, 40, 80, 160, 320]);
  expect(lists).toBe(8);
  expect(deleted).toEqual([]);
});

test('somebody else’s ReplicaSets are no history that is waited for, but what they use stays', async () => {
  const others = Array.from({ length: 5 }, (_, i) => replicaSet(`r${i}`, 'office-config-old'));
  expect(await passes(others, 8)).toEqual({ at: [0], deleted: [], lists: 1 });
});

test('what no ReplicaSet uses goes', async () => {
  const { deleted } = await passes([replicaSet('r', 'office-config-new', 'd')], 1);
  expect(deleted).toEqual(['office-config-old']);
});

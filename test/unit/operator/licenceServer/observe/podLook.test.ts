import { expect, test } from 'vitest';
import { readSpec } from '../../../../../operator/licenceServer/api/readSpec.ts';
import { type ObserveOptions, observe } from '../../../../../operator/licenceServer/observe/observe.ts';
import { Stores } from '../../../../../operator/licenceServer/observe/stores.ts';
import { licenceServer, nowMs, owner } from '../world.ts';

/** When a server whose pod has been away since `nowMs` is looked at, in seconds, if nothing else happens. */
async function looks(count: number): Promise<number[]> {
  const stores = new Stores();
  const server = licenceServer();
  const read = readSpec(server);
  if (!read.ok) throw new Error(read.message);
  stores.deployments.put({
    metadata: { name: owner.name, namespace: owner.namespace, uid: 'd', resourceVersion: '1', generation: 1 },
    spec: { replicas: 1 },
    status: {
      observedGeneration: 1,
      conditions: [{ type: 'Available', status: 'False', lastTransitionTime: new Date(nowMs).toISOString() }],
    },
  });
  const at: number[] = [];
  for (let atMs = nowMs; at.length < count; ) {
    const options = {
      stores,
      clock: { now: () => atMs },
      lookUp: { read: async () => ({ keySources: [] }) },
      poller: { answer: () => ({ kind: 'none' }) },
      pods: { read: async () => [], forget: () => {} },
      watch: { lists: () => false, unheardIn: () => [] },
      turns: { fleet: () => ({ budget: true, message: '' }) },
    } as unknown as ObserveOptions;
    const { observed } = await observe(options, server, read.spec, new AbortController().signal);
    at.push((atMs - nowMs) / 1000);
    atMs = observed.lookAtMs ?? Number.NaN;
  }
  return at;
}

test('a server that stays without a pod is looked at ever more rarely: a whole fleet may be without its nodes', async () => {
  expect(await looks(9)).toEqual([0, 5, 25, 50, 100, 200, 400, 700, 1000]);
});

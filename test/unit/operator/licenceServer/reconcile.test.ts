import { expect, test } from 'vitest';
import { ApiError } from '../../../../operator/kube/apiError.ts';
import type { KubeObject } from '../../../../operator/kube/object.ts';
import { keyOf } from '../../../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../../../operator/kube/resourceKind.ts';
import type { LicenceServer, Status } from '../../../../operator/licenceServer/api/types.ts';
import { LookUp } from '../../../../operator/licenceServer/observe/lookUp.ts';
import { Stores } from '../../../../operator/licenceServer/observe/stores.ts';
import { type ReconcileOptions, reconcileLicenceServer } from '../../../../operator/licenceServer/reconcile.ts';
import { createLog } from '../../../../runtime/log.ts';
import { defaults, licenceServer, nowMs } from './world.ts';

const forbidden = { status: 403, reason: 'Forbidden', message: 'no', retryAfterSeconds: undefined, details: undefined };

/** A cluster that takes everything but Services. */
function refusing() {
  const stores = new Stores();
  let version = 1;
  const taken = (object: KubeObject): KubeObject => {
    version += 1;
    const { uid = `u${version}` } = object.metadata;
    return { ...object, metadata: { ...object.metadata, uid, resourceVersion: String(version) } };
  };
  const put = (server: LicenceServer) => stores.licenceServers.put(taken(server));
  put(licenceServer({ keys: [] }));
  const time = { now: nowMs };
  const client = {
    get: async () => undefined,
    create: async (_: ResourceKind, object: KubeObject) => taken(object),
  };
  const nothing = () => {};
  const options = {
    stores,
    client,
    clock: { now: () => time.now, after: () => nothing },
    watch: { syncedIn: () => true, unheardIn: () => [], lists: () => false },
    lookUp: new LookUp({ client: client as never, secrets: stores.secrets, configMaps: stores.configMaps }),
    poller: { answer: () => ({ kind: 'none' }), target: nothing, track: nothing, expect: nothing, forget: nothing },
    pods: { read: async () => [], forget: nothing },
    turns: { fleet: () => ({ budget: true, message: '' }), note: nothing, end: nothing, forget: nothing },
    prune: { run: async () => undefined, forget: nothing },
    staleRelease: { run: async () => {}, forget: nothing },
    teller: { tell: nothing, failed: nothing },
    metrics: { pastWakes: { inc: nothing } },
    defaults,
    applier: {
      apply: async ({ kind, object }: { kind: ResourceKind; object: KubeObject }) => {
        if (kind !== kinds.Service) return { outcome: 'updated', changed: [], object: taken(object) };
        throw new ApiError('PATCH services', forbidden);
      },
      applyStatus: async (_: ResourceKind, seen: LicenceServer, status: Status) => {
        put({ ...seen, status });
        return { outcome: 'updated' };
      },
    },
  } as unknown as ReconcileOptions;
  const server = () => stores.licenceServers.list()[0] as LicenceServer;
  const context = {
    ...{ reconcileID: '', log: createLog('test', 'silent'), signal: new AbortController().signal },
    ...{ failures: 0, retryAfterMs: 5 },
  };
  return { time, server, options, pass: () => reconcileLicenceServer(options)(keyOf(server()), context) };
}

test('what the API server refuses by the spec’s fault is tried again ever more rarely', async () => {
  const { time, server, pass } = refusing();
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    const result = await pass();
    waits.push((result?.requeueAfterMs ?? Number.NaN) / 1000);
    time.now += result?.requeueAfterMs ?? 0;
  }
  expect(server().status?.conditions?.find(({ type }) => type === 'Stalled')).toMatchObject({
    status: 'True',
    reason: 'ServiceRefused',
  });
  expect(waits).toEqual([60, 60, 120, 240, 480, 600, 600, 600]);
});

test('a namespace that is no longer looked at in the middle of a pass: what left the stores is not taken for absent', async () => {
  const { server, options, pass } = refusing();
  const looks = [true, false];
  Object.assign(options.watch, { syncedIn: () => looks.shift() ?? false });
  const before = server();
  expect(await pass()).toBeUndefined();
  expect(server()).toBe(before);
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type ControlPlane, startControlPlane } from '../../cluster/controlPlane.ts';
import { EventRecorder } from '../../operator/kube/events.ts';
import { createKubeMetrics } from '../../operator/kube/kubeMetrics.ts';
import { loadKubeClient } from '../../operator/kube/loadKubeClient.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import type { Store } from '../../operator/kube/store.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { createMechanicsWorld, type MechanicsWorld } from '../support/mechanicsWorld.ts';

// A control plane of its own: these tests end its API server.
let plane: ControlPlane;
let world: MechanicsWorld;
beforeAll(async () => {
  plane = await startControlPlane({ controllers: false });
}, 120_000);
afterAll(() => plane.stop());
beforeEach(async () => {
  world = await createMechanicsWorld(plane.kubeconfig);
});
afterEach(() => world[Symbol.asyncDispose]());

const shown = (store: Store) =>
  Object.fromEntries(store.list().map((o) => [o.metadata.name, (o.data as Record<string, string>)?.v]));

it('a reflector catches up after the API server was killed and started again', async () => {
  await world.setMap('a', { v: '1' });
  const { store, reflector } = world.follow();
  await reflector.whenSynced();
  await plane.stopApiServer();
  await expect
    .poll(async () => (await world.kubeMetrics.reflectorWatchFaults.get()).values.length, { timeout: 10_000 })
    .toBeGreaterThan(0);
  expect(shown(store)).toEqual({ a: '1' });
  await plane.startApiServer();
  await expect.poll(() => world.setMap('a', { v: '2' }).catch(() => undefined), { timeout: 20_000 }).toBeDefined();
  await expect.poll(() => shown(store), { timeout: 20_000 }).toEqual({ a: '2' });
});

it('a reflector that asks for history which is no longer kept lists again (a real 410)', async () => {
  await world.setMap('a', { v: '1' });
  await plane.restartApiServer();
  let storms = 3;
  world.proxy.fault = ({ isWatch }) => (isWatch && storms-- > 0 ? { query: { resourceVersion: '2' } } : undefined);
  const { store } = world.follow();
  await expect.poll(() => shown(store), { timeout: 10_000 }).toEqual({ a: '1' });
  await expect.poll(() => storms, { timeout: 10_000 }).toBeLessThan(0);
  await world.setMap('a', { v: '2' });
  await expect.poll(() => shown(store)).toEqual({ a: '2' });
  const { values } = await world.kubeMetrics.reflectorWatchFaults.get();
  expect(values.find((v) => v.labels.reason === 'Expired')?.value).toBe(3);
});

/** Makes etcd forget all history, as it does by itself every few minutes. */
async function compactEtcd(): Promise<void> {
  const ask = async (path: string, body: unknown) => {
    const answer = await fetch(new URL(path, plane.etcdUrl), { method: 'POST', body: JSON.stringify(body) });
    expect(answer.status, path).toBe(200);
    return answer.json();
  };
  const { header } = (await ask('/v3/kv/range', { key: 'AA==', count_only: true })) as { header: { revision: string } };
  await ask('/v3/kv/compaction', { revision: header.revision, physical: true });
}

it('a reflector lists again after etcd was compacted while it was away, and a list goes on whose pages are gone', {
  timeout: 120_000,
}, async () => {
  for (const name of ['a', 'b', 'c']) await world.setMap(name, { v: '1' });
  const path = `/api/v1/namespaces/${world.namespace}/configmaps`;
  const request = (query: Record<string, string | number>) =>
    world.others.request({ method: 'GET', path, query: { labelSelector: 'test', ...query } });
  const { store, reflector } = world.follow();
  await reflector.whenSynced();
  const first = (await request({ limit: 1 })).body as { metadata: { continue: string } };
  world.proxy.down = true;
  world.proxy.cut();
  for (let v = 2; v < 30; v++) await world.setMap('a', { v: String(v) });
  await world.others.delete(kinds.ConfigMap, world.namespace, 'b');
  await compactEtcd();
  // What the API server itself remembers goes with it.
  await plane.restartApiServer();
  await expect(request({ limit: 1, continue: first.metadata.continue })).rejects.toMatchObject({ status: 410 });

  // The page that a list of ours goes on with is the one that etcd no longer has.
  let pages = 0;
  world.proxy.fault = ({ isWatch, url }) => {
    if (isWatch || !url.searchParams.has('limit')) return undefined;
    pages++;
    const next: Record<string, string> = url.searchParams.has('continue')
      ? { continue: first.metadata.continue }
      : { limit: '1' };
    return { query: next };
  };
  world.proxy.down = false;
  await expect.poll(() => shown(store), { timeout: 60_000 }).toEqual({ a: '29', c: '1' });
  const { values } = await world.kubeMetrics.reflectorWatchFaults.get();
  expect(values.find((v) => v.labels.reason === 'Expired')?.value).toBe(1);
  expect(pages).toBe(2);
  await world.setMap('c', { v: '2' });
  await expect.poll(() => shown(store), { timeout: 30_000 }).toEqual({ a: '29', c: '2' });
});

it('a reflector whose token has run out goes on with the one that is in the file by then', {
  timeout: 120_000,
}, async () => {
  const { namespace, others } = world;
  await others.create(kinds.ServiceAccount, { metadata: { namespace, name: 'robot' } });
  const subject = { kind: 'ServiceAccount', namespace, name: 'robot' };
  const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1', namespaced: true };
  await others.create(
    { ...rbac, kind: 'RoleBinding', plural: 'rolebindings' },
    {
      metadata: { namespace, name: 'robot' },
      subjects: [subject],
      roleRef: { apiGroup: rbac.group, kind: 'ClusterRole', name: 'cluster-admin' },
    },
  );
  /** A token that holds as long as the Secret of that name does. */
  const tokenOf = async (secret: string): Promise<string> => {
    const { metadata } = await others.create(kinds.Secret, { metadata: { namespace, name: secret } });
    const boundObjectRef = { apiVersion: 'v1', kind: 'Secret', name: secret, uid: metadata.uid };
    const { body } = await others.request({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/serviceaccounts/robot/token`,
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { boundObjectRef } },
    });
    return (body as { status: { token: string } }).status.token;
  };
  const dir = mkdtempSync(join(tmpdir(), 'token-'));
  const tokenFile = join(dir, 'token');
  const kubeconfig = join(dir, 'kubeconfig');
  const config = JSON.parse(readFileSync(plane.kubeconfig, 'utf8'));
  config.users[0].user = { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } };
  writeFileSync(kubeconfig, JSON.stringify(config));
  writeFileSync(tokenFile, await tokenOf('first'));
  const metrics = createKubeMetrics(createMetrics());
  const { client } = loadKubeClient({ kubeconfig, clock: systemClock, metrics, userAgent: 'robot', qps: 0 });
  try {
    await world.setMap('a', { v: '1' });
    const { store, reflector } = world.follow({ client, metrics });
    await reflector.whenSynced();
    await others.delete(kinds.Secret, namespace, 'first');
    await plane.restartApiServer();
    const refused = async () =>
      (await metrics.restRequests.get()).values.find((v) => v.labels.code === '401')?.value ?? 0;
    await expect.poll(refused, { timeout: 60_000 }).toBeGreaterThan(1);
    writeFileSync(tokenFile, await tokenOf('second'));
    await world.setMap('a', { v: '2' });
    await expect.poll(() => shown(store), { timeout: 60_000 }).toEqual({ a: '2' });
  } finally {
    await world.stop();
    await client.close();
    rmSync(dir, { recursive: true });
  }
});

it('events are taken by the real API, counted as a series, and written after the server was away', async () => {
  const regarding = await world.setMap('a', { v: '1' });
  const { client, log, kubeMetrics: metrics } = world;
  const recorder = new EventRecorder({
    client,
    controller: 'example.org/operator',
    instance: 'test',
    clock: systemClock,
    log,
    metrics,
  });
  const event = { regarding, type: 'Normal', reason: 'Copied', action: 'Copy', note: 'copied it' } as const;
  for (let i = 0; i < 5; i++) recorder.record(event);
  await recorder.flush();
  let refusals = 1;
  world.proxy.fault = () => (refusals-- > 0 ? { cut: 'before' } : undefined);
  recorder.record({ ...event, type: 'Warning', reason: 'NotCopied' });
  await recorder.flush();
  const { items } = await world.others.list(kinds.Event, { namespace: world.namespace });
  const told = items.map((e) => [e.reason, (e.series as { count: number } | undefined)?.count, e.note]);
  expect(told.sort()).toEqual([
    ['Copied', 5, 'copied it'],
    ['NotCopied', undefined, 'copied it'],
  ]);
});

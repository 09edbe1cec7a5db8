import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type ControlPlane, startControlPlane } from '../../cluster/controlPlane.ts';
import { EventRecorder } from '../../operator/kube/events.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import type { Store } from '../../operator/kube/store.ts';
import { systemClock } from '../../runtime/clock.ts';
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

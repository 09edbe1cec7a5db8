import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Applier } from '../../operator/kube/apply.ts';
import { Controller } from '../../operator/kube/controller.ts';
import { enqueueObject, enqueueOwner } from '../../operator/kube/enqueue.ts';
import { controllerReference, type KubeObject, splitKey } from '../../operator/kube/object.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import { Store } from '../../operator/kube/store.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createMechanicsWorld, type MechanicsWorld } from '../support/mechanicsWorld.ts';

/** More of them take longer and find more: MECHANICS_EDITS=100000. */
const total = Number(process.env.MECHANICS_EDITS ?? 2_000);

let world: MechanicsWorld;
beforeEach(async () => {
  world = await createMechanicsWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const sumOf = (object: KubeObject | undefined): string => (object?.data as Record<string, string>)?.sum ?? '';
const copied = (object: KubeObject | undefined): string => (object?.data as Record<string, string>)?.v ?? '';

/** A small operator: each ConfigMap labelled `test` owns another one that holds a copy of its value. */
async function startCopier() {
  const { client, kubeMetrics: metrics, log, namespace } = world;
  const children = new Store();
  const { store: parents, reflector } = world.follow();
  const { reflector: childReflector } = world.follow({ store: children, labelSelector: 'copy' });
  const applier = new Applier({
    client,
    fieldManager: 'copier',
    hashAnnotation: 'example.org/applied',
    metrics,
    storeOf: () => children,
  });
  const working = new Set<string>();
  let reconciles = 0;
  const controller = new Controller({
    name: 'copier',
    clock: systemClock,
    log,
    metrics,
    workers: 8,
    reconcile: async (key, { signal }) => {
      if (working.has(key)) throw new RangeError(`two workers have ${key}`);
      working.add(key);
      reconciles++;
      try {
        const parent = parents.get(key);
        if (parent === undefined) return undefined;
        const name = `${splitKey(key).name}-copy`;
        const object = {
          metadata: { namespace, name, labels: { copy: 'yes' }, ownerReferences: [controllerReference(parent)] },
          data: { sum: copied(parent) },
        };
        await applier.apply({ kind: kinds.ConfigMap, object }, children.get(`${namespace}/${name}`), signal);
        return undefined;
      } finally {
        working.delete(key);
      }
    },
    queue: { maxDelayMs: 1_000 },
  });
  parents.onChange(enqueueObject((key, priority) => controller.enqueue(key, priority)));
  children.onChange(enqueueOwner(kinds.ConfigMap, (key, priority) => controller.enqueue(key, priority)));
  await Promise.all([reflector.whenSynced(), childReflector.whenSynced()]);
  const stop = new AbortController();
  const running = controller.run(stop.signal);
  return {
    parents,
    children,
    controller,
    reconciles: () => reconciles,
    stop: () => {
      stop.abort();
      return running;
    },
  };
}

const panics = async () => (await world.kubeMetrics.reconcilePanics.get()).values.reduce((s, v) => s + v.value, 0);

describe('a controller on a real API server', () => {
  it(`loses no update in ${total} random edits, with connections cut and requests refused all the while`, {
    timeout: 120_000 + total * 50,
  }, async () => {
    const names = Array.from({ length: 60 }, (_, i) => `m${i}`);
    const wanted = new Map<string, string>();
    const copier = await startCopier();
    let edits = 0;
    const chaos = (at: number) => {
      if (at % 300 === 0) world.proxy.cut();
      // Silence is noticed late; the cut that follows ends it.
      if (at % 500 === 0) world.proxy.silence();
    };
    world.proxy.fault = ({ isWatch }) => {
      const dice = Math.random();
      if (isWatch)
        return dice < 0.2 ? { answer: 410, body: { kind: 'Status', code: 410, reason: 'Expired' } } : undefined;
      if (dice < 0.01) return { cut: 'after' };
      if (dice < 0.02) return { cut: 'before' };
      if (dice < 0.03) return { answer: 500, body: { kind: 'Status', code: 500, reason: 'InternalError' } };
      if (dice < 0.04) return { answer: 429, headers: { 'retry-after': '0' } };
      return dice < 0.06 ? { delayMs: 50 } : undefined;
    };
    const editor = async (own: readonly string[]) => {
      while (edits < total) {
        chaos(++edits);
        const name = own[Math.floor(Math.random() * own.length)] ?? '';
        const dice = Math.random();
        if (dice < 0.02) {
          await world.others.delete(kinds.ConfigMap, world.namespace, name);
          wanted.delete(name);
        } else if (dice < 0.06) {
          // Somebody spoils the copy.
          const spoilt = { data: { sum: 'spoilt' } };
          await world.others.mergePatch(kinds.ConfigMap, world.namespace, `${name}-copy`, spoilt).catch(() => {});
        } else {
          const value = String(edits);
          await world.setMap(name, { v: value });
          wanted.set(name, value);
        }
      }
    };
    // Each name has one editor, so that the last edit of it is known.
    const hands = 12;
    await Promise.all(Array.from({ length: hands }, (_, hand) => editor(names.filter((__, i) => i % hands === hand))));
    world.proxy.fault = () => undefined;
    world.proxy.cut();
    const copies = async () => {
      const { items } = await world.others.list(kinds.ConfigMap, { namespace: world.namespace, labelSelector: 'copy' });
      // Copies of what was deleted are the garbage collector's, in its own time.
      const kept = items.filter((o) => wanted.has(o.metadata.name.replace('-copy', '')));
      return Object.fromEntries(kept.map((o) => [o.metadata.name, sumOf(o)]));
    };
    const expected = Object.fromEntries([...wanted].map(([name, value]) => [`${name}-copy`, value]));
    await expect.poll(copies, { timeout: 60_000, interval: 200 }).toEqual(expected);
    expect(await panics()).toBe(0);
    expect(copier.reconciles()).toBeGreaterThan(total / 10);
    await expect.poll(() => copier.controller.queue.length).toBe(0);
    await copier.stop();
  });

  it('does not reconcile again for what it wrote itself, and writes nothing once settled', async () => {
    for (let i = 0; i < 20; i++) await world.setMap(`m${i}`, { v: '1' });
    const copier = await startCopier();
    await expect.poll(() => copier.children.size).toBe(20);
    await world.setMap('m0', { v: '2' });
    await expect.poll(() => sumOf(copier.children.get(`${world.namespace}/m0-copy`))).toBe('2');
    await expect.poll(() => copier.controller.queue.length).toBe(0);
    // The event of an own write may come before its answer; then it is news, once.
    expect(copier.reconciles()).toBeLessThanOrEqual(21 * 2);
    const writes = world.proxy.writes();
    expect(writes).toBe(21);
    for (const key of copier.parents.keys()) copier.controller.enqueue(key, 'resync');
    const before = copier.reconciles();
    await expect.poll(() => copier.reconciles()).toBeGreaterThanOrEqual(before + 20);
    expect(world.proxy.writes()).toBe(writes);
    await copier.stop();
  });

  it('takes a fresh edit before the backlog of a start', async () => {
    const count = 200;
    await Promise.all(Array.from({ length: count }, (_, i) => world.setMap(`m${i}`, { v: '1' })));
    world.proxy.fault = ({ isWrite }) => (isWrite ? { delayMs: 150 } : undefined);
    const copier = await startCopier();
    await world.setMap('m7', { v: 'fresh' });
    await world.setMap('late', { v: 'fresh' });
    for (const name of ['m7', 'late']) {
      const copy = () => sumOf(copier.children.get(`${world.namespace}/${name}-copy`));
      await expect.poll(copy, { interval: 10, timeout: 10_000 }).toBe('fresh');
    }
    expect(copier.children.size).toBeLessThan(count / 2);
    await expect.poll(() => copier.children.size, { timeout: 30_000 }).toBe(count + 1);
    await copier.stop();
  });
});

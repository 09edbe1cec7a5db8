import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Discovery } from '../../operator/kube/discovery.ts';
import { NamespaceScope } from '../../operator/kube/namespaceScope.ts';
import { NamespaceWatch } from '../../operator/kube/namespaceWatch.ts';
import type { KubeObject } from '../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../operator/kube/resourceKind.ts';
import { metadataOnly, Store } from '../../operator/kube/store.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createMechanicsWorld, type MechanicsWorld } from '../support/mechanicsWorld.ts';

let world: MechanicsWorld;
beforeEach(async () => {
  world = await createMechanicsWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

/** Name → `data.v` of everything in the store. */
const shown = (store: Store) =>
  Object.fromEntries(store.list().map((o) => [o.metadata.name, (o.data as Record<string, string>)?.v]));
const becomes = (store: Store, expected: Record<string, string>, timeout = 10_000) =>
  expect.poll(() => shown(store), { timeout, interval: 10 }).toEqual(expected);
const faults = async (reason: string): Promise<number> => {
  const { values } = await world.kubeMetrics.reflectorWatchFaults.get();
  return values.find((v) => v.labels.reason === reason)?.value ?? 0;
};
const watches = () => world.proxy.requests.filter((r) => r.isWatch);
const lists = () => world.proxy.requests.filter((r) => r.method === 'GET' && !r.isWatch);

const expired = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };

describe('a reflector', () => {
  it('follows what is created, changed and deleted', async () => {
    await world.setMap('a', { v: '1' });
    const { store, reflector } = world.follow();
    await reflector.whenSynced();
    expect(shown(store)).toEqual({ a: '1' });
    await world.setMap('a', { v: '2' });
    await world.setMap('b', { v: '1' });
    await becomes(store, { a: '2', b: '1' });
    await world.others.delete(kinds.ConfigMap, world.namespace, 'a');
    await becomes(store, { b: '1' });
    expect(store.list()[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    expect(store.list()[0]?.metadata.managedFields).toBeUndefined();
    expect([lists().length, watches().length]).toEqual([1, 1]);
    expect(watches()[0]?.url.searchParams.get('allowWatchBookmarks')).toBe('true');
    const timeout = Number(watches()[0]?.url.searchParams.get('timeoutSeconds'));
    expect(timeout).toBeGreaterThanOrEqual(300);
    expect(timeout).toBeLessThanOrEqual(600);
  });

  it('goes on where it was after each cut, without listing again', async () => {
    const { store, reflector } = world.follow();
    await reflector.whenSynced();
    for (let v = 0; v < 10; v++) {
      world.proxy.cut();
      await world.setMap('a', { v: String(v) });
      await becomes(store, { a: String(v) });
    }
    expect(lists()).toHaveLength(1);
    expect(await faults('Connection')).toBeGreaterThanOrEqual(5);
  });

  it('notices a watch that died silently', async () => {
    const { store, reflector } = world.follow({ idleMs: 700 });
    await reflector.whenSynced();
    await expect.poll(() => watches().length).toBeGreaterThan(0);
    world.proxy.silence();
    await world.setMap('a', { v: '1' });
    await becomes(store, { a: '1' });
    expect(await faults('Silent')).toBeGreaterThanOrEqual(1);
  });

  it('says how long it has heard nothing, from its start on', async () => {
    let silent = true;
    world.proxy.fault = () => (silent ? { answer: 500 } : undefined);
    const { reflector } = world.follow();
    await expect.poll(() => reflector.silentMs).toBeGreaterThan(100);
    expect(reflector.silentMs).toBeLessThan(60_000);
    silent = false;
    await reflector.whenSynced();
    const quiet = reflector.silentMs;
    await expect.poll(() => reflector.silentMs, { timeout: 10_000 }).toBeGreaterThan(quiet + 500);
    const said = async () => {
      await world.setMap('a', { v: String(performance.now()) });
      return reflector.silentMs;
    };
    await expect.poll(said, { timeout: 10_000 }).toBeLessThan(quiet + 500);
    expect(reflector.synced).toBe(true);
  });

  it('lists again when the server no longer has the history, again and again', async () => {
    await world.setMap('a', { v: '1' });
    let storms = 5;
    world.proxy.fault = ({ isWatch }) => (isWatch && storms-- > 0 ? { answer: 410, body: expired } : undefined);
    const { store } = world.follow();
    await becomes(store, { a: '1' });
    await expect.poll(() => storms).toBeLessThan(0);
    await world.setMap('a', { v: '2' });
    await becomes(store, { a: '2' });
    expect(lists()).toHaveLength(6);
    expect(await faults('Expired')).toBe(5);
  });

  it('lists again when a list page comes too late', async () => {
    await world.setMap('a', { v: '1' });
    world.proxy.fault = ({ url }) => {
      if (url.searchParams.has('continue')) return { answer: 410, body: expired };
      if (!url.searchParams.has('limit')) return undefined;
      const items = [{ metadata: { namespace: world.namespace, name: 'ghost', resourceVersion: '1' } }];
      return { answer: 200, body: { metadata: { resourceVersion: '1', continue: 'x' }, items } };
    };
    const { store } = world.follow();
    await becomes(store, { a: '1' });
    const told = lists().map((r) => [r.url.searchParams.has('limit'), r.url.searchParams.has('continue')]);
    expect(told).toEqual([
      [true, false],
      [true, true],
      [false, false],
    ]);
  });

  it('waits as long as 429 asks', async () => {
    const { store, reflector } = world.follow();
    await reflector.whenSynced();
    await expect.poll(() => watches().length).toBe(1);
    let refusals = 2;
    world.proxy.fault = () => (refusals-- > 0 ? { answer: 429, headers: { 'retry-after': '1' } } : undefined);
    world.proxy.cut();
    await world.setMap('a', { v: '1' });
    await becomes(store, { a: '1' });
    const at = watches().map((r) => r.at);
    expect(at).toHaveLength(4);
    for (const i of [2, 3]) expect((at[i] ?? 0) - (at[i - 1] ?? 0)).toBeGreaterThanOrEqual(1_000);
  });

  it('backs off from a server that fails, and catches up after', async () => {
    let broken = true;
    world.proxy.fault = () => (broken ? { answer: 500, body: 'no' } : undefined);
    const { store } = world.follow({ backOff: { baseMs: 50, maxMs: 800 } });
    await world.setMap('a', { v: '1' });
    await expect.poll(() => lists().length, { timeout: 10_000 }).toBe(5);
    const at = lists().map((r) => r.at);
    const gaps = at.slice(1).map((t, i) => t - (at[i] ?? 0));
    for (const [i, gap] of gaps.entries()) expect(gap).toBeGreaterThanOrEqual(25 * 2 ** i - 2);
    broken = false;
    await becomes(store, { a: '1' });
  });

  it('does not spin when the server ends each watch at once', async () => {
    world.proxy.fault = ({ isWatch }) => (isWatch ? { answer: 200, body: '' } : undefined);
    const { reflector } = world.follow({ backOff: { baseMs: 100, maxMs: 30_000 } });
    await reflector.whenSynced();
    const from = performance.now();
    await expect.poll(() => watches().length, { timeout: 10_000, interval: 10 }).toBe(5);
    expect(performance.now() - from).toBeGreaterThanOrEqual(50 + 100 + 200 + 400 - 50);
    expect(lists()).toHaveLength(1);
  });

  it.each([
    ['an error that says 410', { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }, 2],
    ['an error of the server', { type: 'ERROR', object: { kind: 'Status', code: 500, reason: 'InternalError' } }, 1],
    ['half an event', '{"type":"ADDED","obj', 1],
    ['nonsense', 'hello\n', 1],
  ])('survives %s in the stream', async (_, line, expectedLists) => {
    let times = 1;
    world.proxy.fault = ({ isWatch }) => (isWatch && times-- > 0 ? { answer: 200, body: line } : undefined);
    const { store } = world.follow();
    await expect.poll(() => watches().length).toBe(2);
    await world.setMap('a', { v: '1' });
    await becomes(store, { a: '1' });
    expect(lists()).toHaveLength(expectedLists);
  });

  it('tells of an object that was deleted and created again while nobody looked', async () => {
    await world.setMap('a', { v: '1' });
    const { store, reflector } = world.follow();
    await reflector.whenSynced();
    const told: string[] = [];
    store.onChange({
      add: (o) => told.push(`add ${(o.data as { v: string }).v}`),
      delete: (o) => told.push(`delete ${(o.data as { v: string }).v}`),
    });
    world.proxy.down = true;
    world.proxy.cut();
    await world.others.delete(kinds.ConfigMap, world.namespace, 'a');
    await world.setMap('a', { v: '2' });
    // Its history is gone, so that a list alone tells what happened.
    world.proxy.fault = ({ isWatch }) => (isWatch && lists().length === 1 ? { answer: 410, body: expired } : undefined);
    world.proxy.down = false;
    await becomes(store, { a: '2' });
    expect(told).toEqual(['add 1', 'delete 1', 'add 2']);
  });

  it('survives an API server that is away', async () => {
    const { store, reflector } = world.follow();
    await reflector.whenSynced();
    world.proxy.down = true;
    world.proxy.cut();
    await world.setMap('a', { v: '1' });
    const { values } = await world.kubeMetrics.reflectorWatchFaults.get();
    const before = values.reduce((sum, v) => sum + v.value, 0);
    await expect
      .poll(async () => (await world.kubeMetrics.reflectorWatchFaults.get()).values.reduce((s, v) => s + v.value, 0))
      .toBeGreaterThan(before + 3);
    expect(shown(store)).toEqual({});
    world.proxy.down = false;
    await becomes(store, { a: '1' });
  });

  it('lists page by page from a slow server, and misses nothing that happens meanwhile', async () => {
    const names = Array.from({ length: 250 }, (_, i) => `m${i}`);
    for (let i = 0; i < names.length; i += 50) {
      await Promise.all(names.slice(i, i + 50).map((name) => world.setMap(name, { v: '1' })));
    }
    world.proxy.fault = ({ isWatch }) => (isWatch ? undefined : { delayMs: 300 });
    const { store, reflector } = world.follow();
    await expect.poll(() => lists().length).toBe(2);
    await world.setMap('m0', { v: '2' });
    await world.setMap('m249', { v: '2' });
    await world.others.delete(kinds.ConfigMap, world.namespace, 'm120');
    await reflector.whenSynced();
    expect(lists().map((r) => r.url.searchParams.get('limit'))).toEqual(['100', '100', '100']);
    const expected = Object.fromEntries(names.map((name) => [name, '1']));
    delete expected.m120;
    await becomes(store, { ...expected, m0: '2', m249: '2' });
  });

  it('keeps nothing of a Secret but its metadata, own writes included', async () => {
    const secret = (name: string): KubeObject => ({
      metadata: { namespace: world.namespace, name, labels: { test: 'yes' } },
      stringData: { password: 'correct horse' },
    });
    await world.others.create(kinds.Secret, secret('a'));
    const store = new Store({ transform: metadataOnly });
    const { reflector } = world.follow({ kind: kinds.Secret, metadataOnly: true, store });
    await reflector.whenSynced();
    await world.others.create(kinds.Secret, secret('b'));
    await expect.poll(() => store.size).toBe(2);
    store.assume(await world.client.create(kinds.Secret, secret('c')));
    await expect.poll(() => store.size).toBe(3);
    expect(JSON.stringify(store.list())).not.toMatch(/password|"data"|horse/);
    expect(store.list().map((o) => o.kind)).toEqual(['Secret', 'Secret', 'Secret']);
  });

  it('stops when told, in the middle of anything', async () => {
    world.proxy.fault = () => ({ hang: true });
    const { reflector } = world.follow();
    await expect.poll(() => lists().length).toBe(1);
    const waiting = reflector.whenSynced(world.signal);
    const rejected = expect(waiting).rejects.toThrow('the test is over');
    const from = performance.now();
    await world[Symbol.asyncDispose]();
    await rejected;
    expect(performance.now() - from).toBeLessThan(5_000);
    world = await createMechanicsWorld();
  });
});

describe('a scope of namespaces', () => {
  const parts = () => {
    const { client, log, kubeMetrics: metrics } = world;
    return { client, log, metrics, clock: systemClock, backOff: { baseMs: 20, maxMs: 300 } };
  };
  const label = (value: string | null) =>
    world.others.mergePatch(kinds.Namespace, undefined, world.namespace, { metadata: { labels: { watched: value } } });

  it('follows a label selector live', async () => {
    const scope = new NamespaceScope({ ...parts(), choice: { selector: `watched=${world.namespace}` } });
    const seen: (readonly string[] | undefined)[] = [];
    scope.onChange(() => seen.push(scope.current()));
    const stop = new AbortController();
    const running = scope.run(stop.signal);
    await expect.poll(() => scope.synced).toBe(true);
    expect(scope.current()).toEqual([]);
    await label(world.namespace);
    await expect.poll(() => scope.current()).toEqual([world.namespace]);
    await label(null);
    await expect.poll(() => scope.current()).toEqual([]);
    expect(seen).toEqual([[world.namespace], []]);
    stop.abort();
    await running;
  });

  it('is a list of names, or everything, without asking anybody', async () => {
    for (const choice of [{ names: [world.namespace, 'default'] }, { all: true as const }]) {
      const scope = new NamespaceScope({ ...parts(), choice });
      expect([scope.synced, scope.silentMs]).toEqual([true, undefined]);
      expect(scope.current()).toEqual('names' in choice ? choice.names : undefined);
    }
    expect(lists()).toEqual([]);
  });
});

describe('the watch of a namespace', () => {
  const missing: ResourceKind = {
    group: 'nobody.example.org',
    version: 'v1',
    kind: 'Nothing',
    plural: 'nothings',
    namespaced: true,
  };
  const parts = (namespace: string, onState = () => {}) => {
    const { client, log, kubeMetrics: metrics } = world;
    return { client, log, metrics, namespace, onState, clock: systemClock, backOff: { baseMs: 20, maxMs: 300 } };
  };
  const maps = (store: Store) => ({ kind: kinds.ConfigMap, store, metadataOnly: false, labelSelector: 'test' });
  const of = (kind: ResourceKind, store = new Store()) => ({ kind, store, metadataOnly: false });

  it('is synced when all of its kinds were listed, and not before; what is optional and broken is named, not waited for', async () => {
    await world.setMap('a', { v: '1' });
    const store = new Store();
    let states = 0;
    const watch = new NamespaceWatch(parts(world.namespace, () => states++));
    let held = true;
    world.proxy.fault = ({ url }) => (held && url.pathname.endsWith('/services') ? { answer: 503 } : undefined);
    watch.start(maps(store), world.signal);
    watch.start(of(kinds.Service), world.signal);
    watch.start({ ...of(missing), optional: true }, world.signal);
    await becomes(store, { a: '1' });
    await expect
      .poll(() =>
        watch
          .unheard()
          .map(({ kind }) => kind)
          .sort(),
      )
      .toEqual(['Nothing', 'Service']);
    expect([watch.synced, watch.lists(kinds.ConfigMap), watch.lists(kinds.Service)]).toEqual([false, true, false]);
    const before = states;
    held = false;
    await expect.poll(() => watch.synced).toBe(true);
    expect(states).toBeGreaterThan(before);
    expect(watch.unheard()).toMatchObject([{ kind: 'Nothing', optional: true, isRefused: true, wasListed: false }]);
    watch.stop();
    await watch.ended();
    expect(store.size).toBe(0);
  });

  it('leaves no object behind when it is stopped while a list is on its way', async () => {
    await world.setMap('a', { v: '1' });
    const store = new Store();
    const watch = new NamespaceWatch(parts(world.namespace));
    world.proxy.fault = () => ({ delayMs: 150 });
    watch.start(maps(store), world.signal);
    await expect.poll(() => lists().length).toBe(1);
    watch.stop();
    await watch.ended();
    expect([store.size, watch.synced]).toEqual([0, false]);
  });

  it('of all the cluster asks for all of it, and one of a namespace for that only', async () => {
    await world.setMap('a', { v: '1' });
    for (const namespace of ['', world.namespace]) {
      const store = new Store();
      const watch = new NamespaceWatch(parts(namespace));
      watch.start(maps(store), world.signal);
      await expect.poll(() => watch.synced).toBe(true);
      expect(store.list(world.namespace).map((o) => o.metadata.name)).toEqual(['a']);
      watch.stop();
      await watch.ended();
    }
    const paths = lists().map((r) => r.url.pathname.replace(world.namespace, 'its-own'));
    expect([...new Set(paths)]).toEqual(['/api/v1/configmaps', '/api/v1/namespaces/its-own/configmaps']);
  });
});

describe('discovery', () => {
  it('notices a kind that is installed and removed while it runs, and keeps its answer while the server is away', async () => {
    const group = `${world.namespace}.example.org`;
    const kind: ResourceKind = { group, version: 'v1', kind: 'Widget', plural: 'widgets', namespaced: true };
    const discovery = new Discovery({
      client: world.client,
      clock: systemClock,
      log: world.log,
      kinds: [kind, kinds.ConfigMap],
      intervalMs: 100,
    });
    const told: string[] = [];
    discovery.onChange((k, present) => told.push(`${k.kind} ${present}`));
    await discovery.refresh();
    expect([discovery.has(kind), discovery.has(kinds.ConfigMap)]).toEqual([false, true]);
    const stop = new AbortController();
    const running = discovery.run(stop.signal);
    await world.others.create(kinds.CustomResourceDefinition, {
      metadata: { name: `widgets.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { kind: 'Widget', plural: 'widgets' },
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    });
    await expect.poll(() => discovery.has(kind), { timeout: 10_000 }).toBe(true);
    world.proxy.fault = () => ({ answer: 500 });
    const asked = world.proxy.requests.length;
    await expect.poll(() => world.proxy.requests.length).toBeGreaterThan(asked + 4);
    expect(discovery.has(kind)).toBe(true);
    world.proxy.fault = () => undefined;
    await world.others.delete(kinds.CustomResourceDefinition, undefined, `widgets.${group}`);
    await expect.poll(() => discovery.has(kind), { timeout: 10_000 }).toBe(false);
    expect(told).toEqual(['ConfigMap true', 'Widget true', 'Widget false']);
    stop.abort();
    await running;
  });
});

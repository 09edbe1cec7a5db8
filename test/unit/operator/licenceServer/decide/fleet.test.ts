import { describe, expect, test } from 'vitest';
import type { LicenceServer } from '../../../../../operator/licenceServer/api/types.ts';
import { fleetOf, nextOf } from '../../../../../operator/licenceServer/decide/fleet.ts';
import { rollingIn } from '../../../../../operator/licenceServer/observe/rolling.ts';
import { Stores } from '../../../../../operator/licenceServer/observe/stores.ts';
import { Turns } from '../../../../../operator/licenceServer/turns.ts';
import { licenceServer } from '../world.ts';

const since = '2030-01-01T11:00:00Z';
const full = { budget: false, message: `one server rolls at a time, now n/a since ${since}` };
const free = { budget: true, message: '' };
const pause = { annotations: { 'licensing.softonit.ru/pause': 'true' } };

/** A cluster of servers in the namespace n, as the stores show it. */
class Cluster {
  readonly stores = new Stores();
  #version = 1;

  server(name: string, more: Parameters<typeof licenceServer>[1] = {}, spec: Parameters<typeof licenceServer>[0] = {}) {
    const made = licenceServer(spec, {
      name,
      namespace: 'n',
      uid: name,
      resourceVersion: String(this.#version++),
      ...more,
    });
    this.stores.licenceServers.put(made as LicenceServer);
    return this;
  }

  /** Its Deployment, by default one that rolls by the operator's decision and is not up. */
  deployment(name: string, how: { own?: boolean; ready?: boolean; failed?: boolean; stopped?: boolean } = {}) {
    const { own = true, ready = false, failed = false, stopped = false } = how;
    this.stores.deployments.put({
      metadata: {
        name,
        namespace: 'n',
        uid: `d-${name}`,
        resourceVersion: String(this.#version++),
        generation: 2,
        labels: { 'app.kubernetes.io/managed-by': 'licence-operator', 'app.kubernetes.io/instance': name },
        annotations: own ? { 'licensing.softonit.ru/paced-at': since } : {},
      },
      spec: {
        replicas: 1,
        paused: stopped,
        // As every pod that was ever rolled has it.
        template: { metadata: { annotations: { 'licensing.softonit.ru/restart-reason': 'ImageChanged' } } },
      },
      status: {
        observedGeneration: 2,
        replicas: 1,
        updatedReplicas: 1,
        availableReplicas: ready ? 1 : 0,
        conditions: failed ? [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }] : [],
      },
    });
    return this;
  }

  clearing(name: string, by: 'Roll' | 'Release', more: Parameters<typeof licenceServer>[1] = {}, suspend = false) {
    const clearing = { id: 'c', startedAt: since, before: 1, by };
    return this.server(name, { status: { staleSeats: { clearing } }, ...more }, { suspend });
  }

  seenBy(key: string, maxRollouts = 1, afterMs = 0) {
    return fleetOf(key, rollingIn(this.stores, Date.parse(since) + afterMs), maxRollouts);
  }
}

describe('the fleet', () => {
  test('has a place until as many roll as may, names who has it, and never counts the one that asks', () => {
    const cluster = new Cluster().server('a').deployment('a').server('b').deployment('b');
    expect(cluster.seenBy('n/c', 3)).toEqual(free);
    expect(cluster.seenBy('n/b')).toEqual(full);
    expect(cluster.seenBy('n/c', 2).message).toBe(
      `2 servers roll at a time, now n/a since ${since}, n/b since ${since}`,
    );
    cluster.deployment('b', { ready: true });
    expect(cluster.seenBy('n/a')).toEqual(free);
    expect(cluster.seenBy('n/b')).toEqual(full);
  });

  test.each<[string, (cluster: Cluster) => void]>([
    ['rolls because a person asked', (c) => c.server('a').deployment('a', { own: false })],
    ['did not come up after what a person asked', (c) => c.server('a').deployment('a', { own: false, failed: true })],
    ['is paused', (c) => c.server('a', pause).deployment('a')],
    ['has failed and is paused', (c) => c.server('a', pause).deployment('a', { failed: true })],
    ['is suspended', (c) => c.server('a', {}, { suspend: true }).deployment('a')],
    ['is being deleted', (c) => c.server('a', { deletionTimestamp: since }).deployment('a')],
    ['is gone', (c) => c.deployment('a')],
    ['has its rollout stopped by a person', (c) => c.server('a').deployment('a', { stopped: true })],
    ['releases stale seats in place', (c) => c.clearing('a', 'Release').deployment('a', { own: false })],
    ['is to clear stale seats, and is paused', (c) => c.clearing('a', 'Roll', pause)],
    ['is to clear stale seats, and is suspended', (c) => c.clearing('a', 'Roll', {}, true)],
  ])('gives its place to others if a server %s', (_, make) => {
    const cluster = new Cluster();
    make(cluster);
    expect(cluster.seenBy('n/b')).toEqual(free);
  });

  test('counts a clearing from the moment that it is written', () => {
    expect(new Cluster().clearing('a', 'Roll').seenBy('n/b')).toEqual(full);
  });

  test('counts a clearing no longer than one lasts: of a server that is refused, or whose passes fail, nobody tells the end', () => {
    const cluster = new Cluster().clearing('a', 'Roll');
    expect(cluster.seenBy('n/b', 1, 599_000)).toEqual(full);
    expect(cluster.seenBy('n/b', 1, 600_000)).toEqual(free);
  });

  test('counts what says in words that it is not paused', () => {
    const not = { annotations: { 'licensing.softonit.ru/pause': 'false' } };
    expect(new Cluster().server('a', not).deployment('a').seenBy('n/b')).toEqual(full);
  });

  test('stops at a server that did not come up, until it does, is paused, or goes', () => {
    const cluster = new Cluster().server('a').deployment('a', { failed: true });
    expect(cluster.seenBy('n/b', 5)).toEqual({
      budget: false,
      message: expect.stringContaining('n/a did not come up'),
    });
    expect(cluster.seenBy('n/a', 5)).toEqual(free);
  });

  test('lets as many of those that wait go on as there are places, in their order', () => {
    const a = { key: 'n/a', failed: false };
    expect(nextOf(['n/x', 'n/y', 'n/z'], [a], 2)).toEqual(['n/x']);
    expect(nextOf(['n/x', 'n/y', 'n/z'], [], 2)).toEqual(['n/x', 'n/y']);
    expect(nextOf(['n/x'], [a], 1)).toEqual([]);
    // One that has a place keeps it, wherever it stands.
    expect(nextOf(['n/a'], [a], 1)).toEqual(['n/a']);
    expect(nextOf(['n/x', 'n/a', 'n/y'], [a], 1)).toEqual(['n/a']);
  });
});

describe('turns', () => {
  const rolls = { countsInFleet: true, waitsForFleet: false };
  const waits = { countsInFleet: false, waitsForFleet: true };
  const idle = { countsInFleet: false, waitsForFleet: false };
  const made = (cluster: Cluster, maxRollouts = 1, deaf = new Set<string>()) => {
    const told: string[] = [];
    const { stores } = cluster;
    const isHeard = (namespace: string) => !deaf.has(namespace);
    const clock = { now: () => Date.parse(since) };
    return { turns: new Turns({ stores, clock, isHeard, maxRollouts, enqueue: (key) => told.push(key) }), told };
  };

  test('give a place away once: who has decided has it before the stores show it', () => {
    const { turns, told } = made(new Cluster());
    turns.note('n/a', rolls);
    expect(turns.fleet('n/b').budget).toBe(false);
    turns.note('n/b', waits);
    turns.note('n/c', waits);
    turns.end('n/b');
    turns.look();
    expect(told).toEqual([]);
    turns.end('n/a');
    expect(told).toEqual(['n/b']);
  });

  test('are given back by a server whose namespace is not heard any more', () => {
    const cluster = new Cluster().server('a').deployment('a');
    const deaf = new Set<string>();
    const { turns, told } = made(cluster, 1, deaf);
    turns.note('other/b', waits);
    turns.look();
    expect(told).toEqual([]);
    deaf.add('n');
    turns.look();
    expect(told).toEqual(['other/b']);
    expect(turns.fleet('other/c')).toEqual(free);
  });

  test('tell the next one when somebody comes up, and only that one', () => {
    const cluster = new Cluster().server('a').deployment('a');
    const { turns, told } = made(cluster);
    for (const key of ['n/b', 'n/c', 'n/d']) turns.note(key, waits);
    for (let i = 0; i < 3; i++) turns.look();
    expect(told).toEqual([]);
    cluster.deployment('a', { ready: true });
    for (let i = 0; i < 3; i++) turns.look();
    expect(told).toEqual(['n/b']);
    // It waits for something else now: the place is another one's.
    turns.note('n/b', idle);
    turns.end('n/b');
    expect(told).toEqual(['n/b', 'n/c']);
    // Its pass failed before it could decide.
    turns.end('n/c');
    expect(told).toEqual(['n/b', 'n/c', 'n/d']);
  });

  test('are no longer waited for by a server that is gone', () => {
    const cluster = new Cluster().server('a').deployment('a');
    const { turns, told } = made(cluster);
    turns.note('n/b', waits);
    turns.forget('n/b');
    cluster.deployment('a', { ready: true });
    turns.look();
    expect(told).toEqual([]);
  });

  test('are told of to all that wait when one fails in front of them, and when that is over', () => {
    const cluster = new Cluster().server('a').deployment('a').server('e').deployment('e');
    const { turns, told } = made(cluster, 2);
    const wait = () => {
      for (const key of ['n/c', 'n/d']) {
        turns.note(key, waits);
        turns.end(key);
      }
    };
    wait();
    cluster.deployment('a', { failed: true });
    turns.look();
    expect(told).toEqual(['n/c', 'n/d']);
    wait();
    turns.look();
    expect(told).toEqual(['n/c', 'n/d']);
    cluster.deployment('a', { ready: true });
    turns.look();
    expect(told).toEqual(['n/c', 'n/d', 'n/c', 'n/d']);
  });
});

test('a clearing that a clock began which was a day ahead holds no place until then', () => {
  const stores = new Stores();
  const clearing = { id: 'c1', by: 'Roll', startedAt: '2030-01-02T12:00:00Z', before: 2 };
  const made = licenceServer({}, { name: 'a', namespace: 'n', uid: 'a', resourceVersion: '1' });
  stores.licenceServers.put({ ...made, status: { staleSeats: { clearing } } } as LicenceServer);
  expect(rollingIn(stores, Date.parse('2030-01-01T12:00:00Z'))).toEqual([]);
  expect(rollingIn(stores, Date.parse('2030-01-02T12:01:00Z'))).toHaveLength(1);
});

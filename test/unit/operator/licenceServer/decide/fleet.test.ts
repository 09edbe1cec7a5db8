import { describe, expect, test } from 'vitest';
import { RollingServers } from '../../../../../operator/licenceServer/decide/fleet.ts';
import { licenceServer } from '../world.ts';

const deployment = (reason: string | undefined, ready: boolean, failed = false) => ({
  metadata: { name: 'x', generation: 2 },
  spec: {
    replicas: 1,
    template: {
      metadata: { annotations: reason === undefined ? {} : { 'licensing.softonit.ru/restart-reason': reason } },
    },
  },
  status: {
    observedGeneration: 2,
    replicas: 1,
    updatedReplicas: 1,
    availableReplicas: ready ? 1 : 0,
    conditions: failed ? [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }] : [],
  },
});

describe('the fleet', () => {
  test('has a place until as many roll as may, and never counts the one that asks', () => {
    const rolling = new RollingServers(2);
    rolling.noteDeployment('n/a', deployment('ImageChanged', false));
    expect(rolling.fleet('n/c').budget).toBe(true);
    rolling.noteDeployment('n/b', deployment('StaleSeats', false));
    expect(rolling.fleet('n/c')).toEqual({ budget: false, message: 'no more than 2 servers may roll at a time' });
    expect(rolling.fleet('n/b').budget).toBe(true);
    rolling.noteDeployment('n/a', deployment('ImageChanged', true));
    expect(rolling.fleet('n/c').budget).toBe(true);
  });

  test('does not count a server that is being installed', () => {
    const rolling = new RollingServers(1);
    rolling.noteDeployment('n/a', deployment(undefined, false));
    expect(rolling.fleet('n/b').budget).toBe(true);
  });

  test('counts a clearing from the moment that it is written', () => {
    const rolling = new RollingServers(1);
    const clearing = { id: 'c', startedAt: '', before: 1 };
    rolling.noteServer('n/a', licenceServer({}, { status: { staleSeats: { clearing: { ...clearing, by: 'Roll' } } } }));
    expect(rolling.fleet('n/b').budget).toBe(false);
    rolling.noteServer(
      'n/a',
      licenceServer({}, { status: { staleSeats: { clearing: { ...clearing, by: 'Release' } } } }),
    );
    expect(rolling.fleet('n/b').budget).toBe(true);
  });

  test('stops at a server that did not come up, until it does, is paused, or goes', () => {
    const told: string[] = [];
    const rolling = new RollingServers(1, (key) => told.push(key));
    rolling.noteDeployment('n/a', deployment('ImageChanged', false, true));
    rolling.wait('n/b');
    expect(rolling.fleet('n/b').message).toContain('n/a did not come up');
    rolling.noteServer('n/a', licenceServer({}, { annotations: { 'licensing.softonit.ru/pause': 'true' } }));
    expect(rolling.fleet('n/b').budget).toBe(true);
    expect(told).toEqual(['n/b']);
    rolling.noteServer('n/a', licenceServer());
    expect(rolling.fleet('n/b').budget).toBe(false);
    rolling.noteDeployment('n/a', undefined);
    expect(rolling.fleet('n/b').budget).toBe(true);
  });

  test('gives a place away once, and tells as many of those that wait as there are places', () => {
    const told: string[] = [];
    const rolling = new RollingServers(1, (key) => told.push(key));
    rolling.hold('n/a');
    expect(rolling.fleet('n/b').budget).toBe(false);
    rolling.wait('n/b');
    rolling.wait('n/c');
    expect(told).toEqual([]);
    rolling.release('n/a');
    expect(told).toEqual(['n/b']);
  });

  test('tells all that wait when one fails in front of them, and when that is over', () => {
    const told: string[] = [];
    const rolling = new RollingServers(2, (key) => {
      told.push(key);
      if (!rolling.fleet(key).budget) rolling.wait(key);
    });
    rolling.noteDeployment('n/a', deployment('ImageChanged', false));
    rolling.hold('n/b');
    rolling.wait('n/c');
    rolling.wait('n/d');
    rolling.noteDeployment('n/a', deployment('ImageChanged', false, true));
    expect(told).toEqual(['n/c', 'n/d']);
    rolling.release('n/b');
    rolling.noteDeployment('n/e', deployment(undefined, true));
    expect(told).toEqual(['n/c', 'n/d']);
    rolling.noteDeployment('n/a', deployment('ImageChanged', true));
    expect(told).toEqual(['n/c', 'n/d', 'n/c', 'n/d']);
  });
});

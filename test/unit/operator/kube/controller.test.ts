import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { Controller, type ControllerOptions, type Reconcile } from '../../../../operator/kube/controller.ts';
import { createKubeMetrics } from '../../../../operator/kube/kubeMetrics.ts';
import { createLog } from '../../../../runtime/log.ts';
import { createMetrics, type Metrics } from '../../../../runtime/metrics.ts';
import { FakeClock, settle } from '../../../support/fakeClock.ts';

let clock: FakeClock;
let metrics: Metrics;
let stop: AbortController;
let ended: Promise<void>;
beforeEach(() => {
  clock = new FakeClock();
  metrics = createMetrics();
  stop = new AbortController();
});

function start(reconcile: Reconcile, options: Partial<ControllerOptions> = {}): Controller {
  const controller = new Controller({
    name: 'c',
    clock,
    log: createLog('test', 'silent'),
    metrics: createKubeMetrics(metrics),
    reconcile,
    workers: 2,
    ...options,
  });
  ended = controller.run(stop.signal);
  return controller;
}
const line = async (start: string): Promise<string | undefined> =>
  (await metrics.registry.metrics()).split('\n').find((l) => l.startsWith(start));

describe('a controller', () => {
  it('reconciles each key, several at a time, never one twice at a time', async () => {
    const running = new Map<string, () => void>();
    let most = 0;
    const controller = start(async (key) => {
      expect(running.has(key)).toBe(false);
      await new Promise<void>((resolve) => {
        running.set(key, resolve);
        most = Math.max(most, running.size);
      });
      running.delete(key);
      return undefined;
    });
    for (const key of ['a', 'b', 'c']) controller.enqueue(key);
    await settle();
    controller.enqueue('a');
    expect([...running.keys()]).toEqual(['a', 'b']);
    running.get('a')?.();
    await settle();
    expect([...running.keys()]).toEqual(['b', 'c']);
    running.get('b')?.();
    await settle();
    expect([...running.keys()]).toEqual(['c', 'a']);
    expect(most).toBe(2);
  });

  it('lets all else in the process have its turn while passes go on that wait for nothing', async () => {
    const passed: string[] = [];
    const controller = start(async (key) => {
      passed.push(key);
      clock.freeze(10);
      return undefined;
    });
    for (let i = 0; i < 1_000; i++) controller.enqueue(`key ${i}`);
    // What the leader lease needs is no more than this.
    await new Promise((resolve) => setImmediate(resolve));
    expect(passed.length).toBeLessThan(20);
    for (let turn = 0; turn < 1_000 && passed.length < 1_000; turn++) await settle();
    expect(passed).toHaveLength(1_000);
  });

  it('comes back after a failure with growing delays, and starts over after a success', async () => {
    const at: number[] = [];
    const began = clock.now();
    const failures: number[] = [];
    const controller = start(async (_, context) => {
      at.push(clock.now() - began);
      failures.push(context.failures);
      if (at.length < 4) throw new Error('not yet');
      return undefined;
    });
    controller.enqueue('a');
    await clock.advance(60_000);
    expect(at).toEqual([0, 5, 15, 35]);
    expect(failures).toEqual([0, 1, 2, 3]);
    expect(await line('controller_runtime_reconcile_errors_total')).toMatch(/ 3$/);
    expect(await line('controller_runtime_reconcile_total{controller="c",result="success"}')).toMatch(/ 1$/);
    expect(controller.queue.failuresOf('a')).toBe(0);
  });

  it('comes back after the time that a reconcile asks for', async () => {
    const at: number[] = [];
    const began = clock.now();
    const controller = start(async () => {
      at.push(clock.now() - began);
      return at.length < 3 ? { requeueAfterMs: 10_000 } : undefined;
    });
    controller.enqueue('a');
    await clock.advance(100_000);
    expect(at).toEqual([0, 10_000, 20_000]);
  });

  it('survives a bug in the reconcile, and counts it as one', async () => {
    const controller = start((key) => {
      if (key === 'bad') (undefined as unknown as { f(): void }).f();
      return Promise.resolve(undefined);
    });
    controller.enqueue('bad');
    controller.enqueue('good');
    await settle();
    expect(await line('controller_runtime_reconcile_panics_total')).toMatch(/ 1$/);
    expect(await line('controller_runtime_reconcile_total{controller="c",result="success"}')).toMatch(/ 1$/);
  });

  it('tells a reconcile that takes too long', async () => {
    let reason = '';
    const controller = start(
      (_, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            reason = String(signal.reason);
            reject(signal.reason);
          }),
        ),
      { timeoutMs: 1_000 },
    );
    controller.enqueue('a');
    await clock.advance(999);
    expect(reason).toBe('');
    await clock.advance(1);
    expect(reason).toContain('longer than 1000 ms');
    expect(await line('controller_runtime_reconcile_timeouts_total')).toMatch(/ 1$/);
  });

  it('stops when the last reconcile has ended', async () => {
    let finish = () => {};
    let isEnded = false;
    const controller = start(
      () =>
        new Promise((resolve) => {
          finish = () => resolve(undefined);
        }),
    );
    controller.enqueue('a');
    await settle();
    stop.abort();
    void ended.then(() => {
      isEnded = true;
    });
    await clock.advance(5_000);
    expect(isEnded).toBe(false);
    finish();
    await ended;
    expect(clock.pending).toBe(0);
  });

  it('does not wait longer than 10 s, and tells the reconcile 2 s before', async () => {
    let toldAt = 0;
    const controller = start((_, { signal }) => {
      signal.addEventListener('abort', () => {
        toldAt = clock.now();
      });
      return new Promise(() => {});
    });
    controller.enqueue('a');
    await settle();
    const stoppedAt = clock.now();
    stop.abort();
    await clock.advance(10_000);
    await ended;
    expect(toldAt - stoppedAt).toBe(8_000);
  });

  it('looks at every key again at each resync, spread over the time between', async () => {
    const seen: [string, number][] = [];
    const began = clock.now();
    const keys = ['a', 'b', 'c', 'd'];
    start(
      async (key) => {
        seen.push([key, Math.floor((clock.now() - began) / 60_000)]);
        return undefined;
      },
      { resync: { everyMs: 600_000, keys: () => keys } },
    );
    await clock.advance(661_000);
    expect(seen.slice(0, 4).map(([key]) => key)).toEqual(keys);
    const gaps = seen.slice(1, 4).map(([, minute], i) => minute - (seen[i]?.[1] ?? 0));
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(2);
    await clock.advance(661_000);
    expect(new Set(seen.slice(4, 8).map(([key]) => key))).toEqual(new Set(keys));
  });

  it('spreads thousands of keys without one wake-up for each', async () => {
    const keys = Array.from({ length: 5_000 }, (_, i) => `k${i}`);
    const seen = new Map<string, number>();
    let most = 0;
    let now = { second: 0, count: 0 };
    start(
      async (key) => {
        const second = Math.floor(clock.now() / 1000);
        now = now.second === second ? { second, count: now.count + 1 } : { second, count: 1 };
        most = Math.max(most, now.count);
        seen.set(key, second);
        return undefined;
      },
      { resync: { everyMs: 600_000, keys: () => keys } },
    );
    await clock.advance(661_000);
    expect(seen.size).toBe(5_000);
    expect(most).toBeLessThan(25);
  });

  it('says how long it would wait after a failure', async () => {
    const told: number[] = [];
    const controller = start(async (_, { retryAfterMs }) => {
      told.push(retryAfterMs);
      throw new Error('not yet');
    });
    controller.enqueue('a');
    await clock.advance(40);
    expect(told).toEqual([5, 10, 20, 40]);
  });

  it('has all its metrics from the start', async () => {
    start(async () => undefined);
    for (const name of [
      'controller_runtime_reconcile_total{controller="c",result="error"} 0',
      'controller_runtime_reconcile_errors_total{controller="c"} 0',
      'controller_runtime_reconcile_panics_total{controller="c"} 0',
      'controller_runtime_max_concurrent_reconciles{controller="c"} 2',
      'controller_runtime_active_workers{controller="c"} 0',
      'controller_runtime_reconcile_time_seconds_count{controller="c"} 0',
      'workqueue_depth{name="c",controller="c"} 0',
      'workqueue_retries_total{name="c",controller="c"} 0',
    ]) {
      expect(await metrics.registry.metrics()).toContain(name);
    }
  });

  it('writes one line a reconcile, with the id that its own lines have too', async () => {
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: 'info' }, { write: (text: string) => lines.push(JSON.parse(text)) });
    let times = 0;
    const controller = start(
      async (_, { log: own, reconcileID }) => {
        own.info({ seen: reconcileID }, 'applied');
        if (times++ === 0) throw new Error('not yet');
        return { requeueAfterMs: 60_000 };
      },
      { log },
    );
    controller.enqueue('ns/a');
    await settle();
    await clock.advance(10);
    const [applied, failed, again, done] = lines;
    expect(lines).toHaveLength(4);
    expect(failed).toMatchObject({
      msg: 'reconcile failed',
      controller: 'c',
      key: 'ns/a',
      result: 'error',
      failures: 1,
    });
    expect(failed?.reconcileID).toBe(applied?.seen);
    expect(done).toMatchObject({ msg: 'reconciled', controller: 'c', key: 'ns/a', result: 'requeue_after' });
    expect(done?.reconcileID).toBe(again?.reconcileID);
    expect(done?.reconcileID).not.toBe(failed?.reconcileID);
    expect(done?.tookMs).toEqual(expect.any(Number));
  });
});

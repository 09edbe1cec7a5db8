import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { createKubeMetrics } from '../../../../operator/kube/kubeMetrics.ts';
import { WorkQueue } from '../../../../operator/kube/workQueue.ts';
import { createMetrics, type Metrics } from '../../../../runtime/metrics.ts';
import { FakeClock, settle } from '../../../support/fakeClock.ts';

let clock: FakeClock;
let metrics: Metrics;
let queue: WorkQueue;
beforeEach(() => {
  clock = new FakeClock();
  metrics = createMetrics();
  queue = new WorkQueue({ name: 'q', clock, metrics: createKubeMetrics(metrics) });
});
const value = async (name: string): Promise<number | undefined> =>
  (await metrics.registry.getSingleMetric(name)?.get())?.values.find((v) => v.labels.name === 'q')?.value;

describe('a work queue', () => {
  it('gives keys out in the order they came, each once', async () => {
    for (const key of ['a', 'b', 'a', 'c', 'a']) queue.add(key);
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(['a', 'b', 'c']);
    expect(queue.length).toBe(0);
  });

  it('holds a key back while it is worked on, and gives it once more afterwards', async () => {
    queue.add('a');
    await queue.take();
    queue.add('a');
    queue.add('a');
    expect(queue.length).toBe(0);
    queue.done('a');
    expect(await queue.take()).toBe('a');
    queue.done('a');
    expect(queue.length).toBe(0);
  });

  it('wakes who waits', async () => {
    const taken = queue.take();
    queue.add('a');
    expect(await taken).toBe('a');
  });

  it('lets fresh keys go first, and moves a waiting one up', async () => {
    queue.add('old1', 'resync');
    queue.add('old2', 'resync');
    queue.add('new');
    queue.add('old2');
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(['new', 'old2', 'old1']);
  });

  it('does not starve the resync line', async () => {
    queue.add('old', 'resync');
    const order: (string | undefined)[] = [];
    for (let i = 0; i < 30; i++) {
      queue.add(`new${i}`);
      order.push(await queue.take());
    }
    expect(order.indexOf('old')).toBe(16);
  });

  it('lets an edit go before new keys, however many, and moves a waiting key up for it', async () => {
    queue.add('old', 'resync');
    for (let i = 0; i < 5; i++) queue.add(`new${i}`);
    queue.add('new4', 'edit');
    queue.add('old', 'edit');
    queue.add('old', 'resync');
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(['new4', 'old', 'new0']);
  });

  it('starves neither of the other lines under a flood of edits', async () => {
    queue.add('old', 'resync');
    const order: (string | undefined)[] = [];
    for (let i = 0; i < 400; i++) {
      queue.add(`new${i}`);
      queue.add(`edit${i}`, 'edit');
      order.push(await queue.take());
    }
    expect(order.indexOf('new0')).toBe(16);
    expect(order.indexOf('old')).toBeLessThan(17 * 17);
    expect(order.indexOf('old')).toBeGreaterThan(16);
  });

  it('keeps the priority of a key that was added while it was worked on', async () => {
    queue.add('a', 'resync');
    await queue.take();
    expect(queue.priorityOf('a')).toBe('resync');
    queue.add('a', 'resync');
    queue.add('a');
    queue.add('b', 'resync');
    queue.done('a');
    expect([await queue.take(), queue.priorityOf('a')]).toEqual(['a', 'fresh']);
  });

  it('adds after a delay, the earliest of several', async () => {
    queue.addAfter('a', 1_000);
    queue.addAfter('a', 500);
    queue.addAfter('a', 2_000);
    await clock.advance(499);
    expect(queue.length).toBe(0);
    await clock.advance(1);
    expect(queue.length).toBe(1);
    await queue.take();
    queue.done('a');
    await clock.advance(10_000);
    expect(queue.length).toBe(0);
  });

  it('is not moved by a clock that is set', async () => {
    queue.addAfter('a', 1_000);
    clock.set(0);
    await clock.advance(1_000);
    expect(queue.length).toBe(1);
  });

  it('waits longer than a timer can', async () => {
    const monthMs = 40 * 24 * 3_600_000;
    queue.addAfter('a', monthMs);
    await clock.advance(monthMs - 1);
    expect(queue.length).toBe(0);
    await clock.advance(1);
    expect(queue.length).toBe(1);
  });

  it('doubles the delay with each failure in a row, from 5 ms to 1000 s', async () => {
    const delays = Array.from({ length: 30 }, () => queue.addRateLimited('a'));
    expect(delays.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(delays.at(-1)).toBe(1_000_000);
    queue.forget('a');
    expect(queue.addRateLimited('a')).toBe(5);
    expect(await value('workqueue_retries_total')).toBe(31);
  });

  it('closes: gives nothing more out, and waits for what is worked on', async () => {
    queue.add('a');
    await queue.take();
    const waiting = queue.take();
    queue.add('a');
    queue.addAfter('c', 10);
    let closed = false;
    const drained = queue.close().then(() => {
      closed = true;
    });
    expect(await waiting).toBeUndefined();
    await settle();
    expect(closed).toBe(false);
    queue.add('b');
    queue.done('a');
    await drained;
    queue.add('d');
    expect([queue.length, await queue.take(), clock.pending]).toEqual([0, undefined, 0]);
  });

  it('counts under the names that controller-runtime uses', async () => {
    queue.add('a');
    queue.add('a');
    expect([await value('workqueue_depth'), await value('workqueue_adds_total')]).toEqual([1, 1]);
    await queue.take();
    await clock.advance(3_000);
    queue.observe();
    expect(await value('workqueue_depth')).toBe(0);
    expect(await value('workqueue_longest_running_processor_seconds')).toBe(3);
    queue.done('a');
    const text = await metrics.registry.metrics();
    expect(text).toContain('workqueue_work_duration_seconds_sum{name="q",controller="q"} 3');
    expect(text).toContain('workqueue_queue_duration_seconds_count{name="q",controller="q"} 1');
  });

  it('in any history: one worker a key, and every add is followed by a take', async () => {
    const step = fc.record({
      do: fc.constantFrom('add', 'edit', 'resync', 'later', 'failed', 'take', 'done', 'wait'),
      key: fc.constantFrom('a', 'b', 'c'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const time = new FakeClock();
        const q = new WorkQueue({ name: 'q', clock: time, metrics: createKubeMetrics(createMetrics()) });
        const held = new Set<string>();
        const owed = new Set<string>();
        const take = async () => {
          if (q.length === 0) return;
          const key = (await q.take()) ?? '';
          expect(held.has(key)).toBe(false);
          held.add(key);
          owed.delete(key);
        };
        for (const { do: action, key } of steps) {
          if (action === 'add') q.add(key);
          if (action === 'edit') q.add(key, 'edit');
          if (action === 'resync') q.add(key, 'resync');
          if (action === 'later') q.addAfter(key, 10);
          if (action === 'failed') q.addRateLimited(key);
          if (action === 'take') await take();
          else if (action === 'done') {
            q.done(key);
            held.delete(key);
          } else if (action === 'wait') time.freeze(1);
          else owed.add(key);
        }
        for (const key of held) q.done(key);
        held.clear();
        await time.advance(2_000_000);
        while (q.length > 0) await take();
        expect([...owed]).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

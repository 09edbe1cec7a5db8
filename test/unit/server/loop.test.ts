import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Loop } from '../../../server/loop.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const counted = (everyMs: number | undefined, answers: readonly (boolean | Error)[] = []) => {
  const runs: number[] = [];
  const failures: unknown[] = [];
  const startedMs = Date.now();
  const loop = new Loop(
    everyMs,
    async () => {
      runs.push(Date.now() - startedMs);
      const answer = answers[runs.length - 1] ?? false;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    (error) => failures.push(error),
  ).start();
  return { loop, runs, failures };
};

describe('a loop with a rhythm', () => {
  it('runs again after its rest, soon when there is more, and after a failure too', async () => {
    const { runs, failures } = counted(1_000, [true, new Error('away'), false]);
    await vi.advanceTimersByTimeAsync(3_500);
    expect(runs).toEqual([1_000, 1_020, 2_020, 3_020]);
    expect(failures).toHaveLength(1);
  });
});

describe('a loop without one', () => {
  it('does nothing until it is woken, and then works until nothing is left', async () => {
    const { loop, runs } = counted(undefined, [true, true, false]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(runs).toEqual([]);
    loop.wake();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(runs).toEqual([60_000, 60_020, 60_040]);
  });

  it('that is woken while it runs runs once more; however often it is woken, never twice at once', async () => {
    let running = 0;
    let most = 0;
    let runs = 0;
    const loop = new Loop(
      undefined,
      async () => {
        running += 1;
        most = Math.max(most, running);
        runs += 1;
        await new Promise((resolve) => setTimeout(resolve, 100));
        running -= 1;
        return false;
      },
      () => {},
    ).start();
    for (let i = 0; i < 5; i++) {
      loop.wake();
      await vi.advanceTimersByTimeAsync(10);
    }
    await vi.advanceTimersByTimeAsync(60_000);
    expect([runs, most]).toEqual([2, 1]);
  });

  it('that failed is woken again by the next who has something', async () => {
    const { loop, runs, failures } = counted(undefined, [new Error('away')]);
    loop.wake();
    await vi.advanceTimersByTimeAsync(1_000);
    loop.wake();
    await vi.advanceTimersByTimeAsync(1_000);
    expect([runs.length, failures.length]).toEqual([2, 1]);
  });

  it('that is stopped wakes no more', async () => {
    const { loop, runs } = counted(undefined);
    await loop.stop();
    loop.wake();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(runs).toEqual([]);
  });
});

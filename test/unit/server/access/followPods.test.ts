import { pino } from 'pino';
import { expect, it, vi } from 'vitest';
import { followPods, type PodState } from '../../../../server/access/serviceAccounts.ts';
import type { SeatStore } from '../../../../server/seats/store.ts';

it('asks for the same pods again when the API server failed in the middle of them', async () => {
  vi.useFakeTimers();
  const held = ['a', 'b', 'c', 'd'];
  const query = async (text: string, values: unknown[]) => ({
    rows: text.includes('DISTINCT')
      ? held
          .filter((subject) => subject > String(values[0]))
          .slice(0, Number(values[1]))
          .map((subject) => ({ subject }))
      : [],
  });
  const asked: string[] = [];
  let fails = true;
  const stateOf = async (subject: string): Promise<PodState> => {
    asked.push(subject);
    if (fails && subject === 'a') throw new Error('the API server is away');
    return 'there';
  };
  const store = { db: { query }, release: async () => true } as unknown as SeatStore;
  const stop = followPods({ stateOf }, store, pino({ level: 'silent' }), 10_000, 2);
  const look = async () => {
    asked.length = 0;
    await vi.advanceTimersByTimeAsync(10_000);
    return [...asked].sort();
  };
  expect(await look()).toEqual(['a', 'b']);
  fails = false;
  expect(await look()).toEqual(['a', 'b']);
  expect(await look()).toEqual(['c', 'd']);
  stop();
  vi.useRealTimers();
});

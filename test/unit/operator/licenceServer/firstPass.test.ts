import { expect, test } from 'vitest';
import type { ReconcileContext } from '../../../../operator/kube/controller.ts';
import { firstPassOver } from '../../../../operator/licenceServer/firstPass.ts';

const context = {} as ReconcileContext;

test('the first pass ends when the last of those that were there has ended well, and is told once', async () => {
  const ends: number[] = [];
  let fails = true;
  let tried = 0;
  const told = { onTried: () => (tried += 1), onEnd: (servers: number) => ends.push(servers) };
  const work = firstPassOver(
    ['a', 'b'],
    told,
  )(async (key) => {
    if (key === 'b' && fails) throw new Error('not yet');
    return { requeueAfterMs: 7 };
  });
  expect(await work('a', context)).toEqual({ requeueAfterMs: 7 });
  await work('new', context);
  expect(tried).toBe(0);
  await expect(work('b', context)).rejects.toThrow('not yet');
  expect(ends).toEqual([]);
  expect(tried, 'each was tried, though one failed').toBe(1);
  fails = false;
  await work('b', context);
  await work('b', context);
  expect(ends).toEqual([2]);
  expect(tried).toBe(1);
});

test('without anything to look at it has ended at once', () => {
  const ends: number[] = [];
  let tried = 0;
  firstPassOver([], { onTried: () => (tried += 1), onEnd: (servers) => ends.push(servers) });
  expect([ends, tried]).toEqual([[0], 1]);
});

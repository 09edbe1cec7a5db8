import { expect, test } from 'vitest';
import type { ReconcileContext } from '../../../../operator/kube/controller.ts';
import { firstPassOver } from '../../../../operator/licenceServer/firstPass.ts';

const context = {} as ReconcileContext;

test('the first pass ends when the last of those that were there has ended well, and is told once', async () => {
  const ends: number[] = [];
  let fails = true;
  const work = firstPassOver(['a', 'b'], (servers) => ends.push(servers))(async (key) => {
    if (key === 'b' && fails) throw new Error('not yet');
    return { requeueAfterMs: 7 };
  });
  expect(await work('a', context)).toEqual({ requeueAfterMs: 7 });
  await work('new', context);
  await expect(work('b', context)).rejects.toThrow('not yet');
  expect(ends).toEqual([]);
  fails = false;
  await work('b', context);
  await work('b', context);
  expect(ends).toEqual([2]);
});

test('without anything to look at it has ended at once', () => {
  const ends: number[] = [];
  firstPassOver([], (servers) => ends.push(servers));
  expect(ends).toEqual([0]);
});

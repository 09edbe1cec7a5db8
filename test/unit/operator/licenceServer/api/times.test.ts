import { expect, test } from 'vitest';
import { asLongAgainMs } from '../../../../../operator/licenceServer/api/times.ts';

test('what fails is tried again ever more rarely, up to a bound, and from the beginning when it has not failed yet', () => {
  const pace = { firstMs: 60_000, maxMs: 600_000 };
  const attempts = [0];
  for (let now = 0; attempts.length < 8; now = attempts.at(-1) ?? 0) attempts.push(asLongAgainMs(now, 0, pace));
  expect(attempts.map((atMs) => atMs / 60_000)).toEqual([0, 1, 2, 4, 8, 16, 26, 36]);
  expect(asLongAgainMs(1_000, undefined, pace)).toBe(61_000);
  // A clock that was set back: no moment in the past.
  expect(asLongAgainMs(1_000, 500_000, pace)).toBe(61_000);
});

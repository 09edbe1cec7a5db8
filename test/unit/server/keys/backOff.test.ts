import { expect, it } from 'vitest';
import { backOffMs } from '../../../../server/keys/backOff.ts';

const away = { reason: 'AuthorityUnreachable', message: '' } as const;
const refused = { reason: 'KeyRevoked', message: '' } as const;

it('doubles from two seconds to ten minutes while the authority is away', () => {
  expect([1, 2, 3, 20, 5_000].map((n) => backOffMs(away, n, 1))).toEqual([2_000, 4_000, 8_000, 600_000, 600_000]);
});
it('is slow for what will hardly change by itself', () => {
  expect([1, 2, 50].map((n) => backOffMs(refused, n, 1))).toEqual([600_000, 1_200_000, 21_600_000]);
});
it('is spread over a quarter, so that servers do not come back all at once', () => {
  expect([0, 0.5, 1].map((j) => backOffMs(away, 1, j))).toEqual([1_500, 1_750, 2_000]);
});

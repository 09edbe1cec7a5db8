import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../../runtime/rateLimit.ts';

describe('a rate limit', () => {
  it('lets a burst through, then so many a second, and says when to come back', () => {
    const limit = new RateLimit({ burst: 3, perSecond: 0.5 });
    expect([0, 0, 0, 0].map((at) => limit.take('a', at))).toEqual([0, 0, 0, 2]);
    expect(limit.take('a', 1_000)).toBe(1);
    expect(limit.take('a', 2_000)).toBe(0);
    expect(limit.take('a', 2_000)).toBe(2);
    expect([1e9, 1e9, 1e9, 1e9].map((at) => limit.take('a', at))).toEqual([0, 0, 0, 2]); // the burst is not saved up
  });

  it('counts each asker apart', () => {
    const limit = new RateLimit({ burst: 1, perSecond: 1 });
    expect([limit.take('a', 0), limit.take('b', 0), limit.take('a', 0), limit.take('b', 0)]).toEqual([0, 0, 1, 1]);
  });

  it('gives nothing for a clock that goes back', () => {
    const limit = new RateLimit({ burst: 1, perSecond: 1 });
    expect([limit.take('a', 10_000), limit.take('a', 0)]).toEqual([0, 1]);
  });

  it('remembers a bounded number of askers, the latest ones', () => {
    const limit = new RateLimit({ burst: 1, perSecond: 0.001 }, 2);
    for (const who of ['a', 'b', 'a', 'c']) limit.take(who, 0);
    expect(limit.take('a', 0)).toBeGreaterThan(0); // seen again after b
    expect(limit.take('b', 0)).toBe(0); // forgotten
  });
});

import { describe, expect, it } from 'vitest';
import { formatRoute, parseRoute, tokenInFragment, views } from '../../../web/src/logic/route.ts';

describe('the page’s address', () => {
  it.each(views)('leads to %s and back, filter included', (view) => {
    const query = { base: 'Бухгалтерия & Ко', user: 'a=b?c#d', state: 'stale' };
    expect(parseRoute(formatRoute(view, query))).toEqual({ view, query });
  });

  it('leaves empty filters out', () => {
    expect(formatRoute('seats', { product: '', state: 'stale' })).toBe('#/seats?state=stale');
    expect(formatRoute('seats', { product: '' })).toBe('#/seats');
  });

  it.each(['', '#', '#/', '#/nonsense', '#token=x', '#/%E0%A4%A'])('falls back to the overview: "%s"', (hash) => {
    expect(parseRoute(hash).view).toBe('overview');
  });
});

describe('a token in the fragment', () => {
  it.each([
    ['#token=abc', 'abc'],
    ['#token=a%2Bb', 'a+b'],
    ['#token=', undefined],
    ['#/seats?token=abc', undefined],
    ['', undefined],
  ])('%s', (hash, expected) => {
    expect(tokenInFragment(hash)).toBe(expected);
  });
});

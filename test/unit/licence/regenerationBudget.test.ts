import { describe, expect, it } from 'vitest';
import { budgetNow, regenerationBudget } from '../../../licence/regenerationBudget.ts';

const at = (text: string) => Date.parse(text);

describe('the regeneration budget', () => {
  it('is three a calendar month, whatever happened in the month before', () => {
    const spent = ['2026-02-28T23:59:59.999Z', '2026-03-01T00:00:00Z', '2026-03-31T23:59:59Z'].map(at);
    expect(regenerationBudget(spent, at('2026-03-31T23:59:59.999Z'))).toEqual({
      left: 1,
      resetAt: '2026-04-01T00:00:00Z',
    });
    expect(regenerationBudget(spent, at('2026-04-01T00:00:00Z'))).toEqual({ left: 3, resetAt: '2026-05-01T00:00:00Z' });
  });
  it('is never below nothing', () => {
    const spent = Array.from({ length: 5 }, () => at('2026-12-05T10:00:00Z'));
    expect(regenerationBudget(spent, at('2026-12-31T00:00:00Z'))).toEqual({ left: 0, resetAt: '2027-01-01T00:00:00Z' });
  });
  it('as it was told comes back in full with the next month', () => {
    const told = { left: 0, resetAt: '2026-04-01T00:00:00Z' };
    expect(budgetNow(told, at('2026-03-31T23:59:59Z'))).toEqual(told);
    expect(budgetNow(told, at('2026-04-01T00:00:00Z'))).toEqual({ left: 3, resetAt: '2026-05-01T00:00:00Z' });
  });
});

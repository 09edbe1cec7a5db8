import { describe, expect, it } from 'vitest';
import {
  type ConditionInput,
  findCondition,
  isTrue,
  removeConditions,
  setConditions,
} from '../../../../operator/kube/conditions.ts';
import { microTime, timestamp } from '../../../../operator/kube/times.ts';

const t0 = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const condition = (status: 'True' | 'False', reason = 'R'): ConditionInput => ({
  type: 'Ready',
  status,
  reason,
  message: 'm',
  observedGeneration: 3,
});

describe('conditions', () => {
  it('note when their status changed', () => {
    expect(setConditions(undefined, [condition('True')], t0)).toEqual([
      { ...condition('True'), lastTransitionTime: '2026-01-02T03:04:05Z' },
    ]);
  });

  it('keep that time while only reason or message change', () => {
    const before = setConditions(undefined, [condition('True')], t0);
    const after = setConditions(before, [condition('True', 'Other')], t0 + 60_000);
    expect(after[0]).toMatchObject({ reason: 'Other', lastTransitionTime: '2026-01-02T03:04:05Z' });
    expect(setConditions(after, [condition('False')], t0 + 60_000)[0]?.lastTransitionTime).toBe('2026-01-02T03:05:05Z');
  });

  it('keep the others and their order', () => {
    const before = setConditions(undefined, [condition('True'), { ...condition('True'), type: 'A' }], t0);
    const after = setConditions(before, [{ ...condition('True'), type: 'B' }, condition('False')], t0);
    expect(after.map((c) => `${c.type}=${c.status}`)).toEqual(['Ready=False', 'A=True', 'B=True']);
    expect(removeConditions(after, ['A']).map((c) => c.type)).toEqual(['Ready', 'B']);
    expect([isTrue(after, 'A'), isTrue(after, 'Ready'), isTrue(undefined, 'A')]).toEqual([true, false, false]);
    expect(findCondition(after, 'None')).toBeUndefined();
  });
});

describe('times', () => {
  it('are written as Kubernetes wants them', () => {
    expect(timestamp(t0)).toBe('2026-01-02T03:04:05Z');
    expect(microTime(t0)).toBe('2026-01-02T03:04:05.678000Z');
  });
});

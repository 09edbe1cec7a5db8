import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { areaPath, type Box, beginOf, niceMax, stepPath, valueTicks } from '../../../web/src/logic/chart.ts';
import { periodNames, rangeOf } from '../../../web/src/logic/periods.ts';

const box: Box = { width: 100, height: 50, from: 0, to: 1_000, max: 10 };

describe('the chart', () => {
  it('steps: a value holds for its step, but not beyond the edge', () => {
    const points = [
      { at: 0, value: 0 },
      { at: 500, value: 10 },
    ];
    expect(stepPath(points, box, 500)).toBe('M0,50H50V0H100');
    expect(areaPath(points, box, 500)).toBe('M0,50H50V0H100V50H0Z');
  });

  it('draws nothing for no points', () => {
    expect(stepPath([], box, 100)).toBe('');
    expect(areaPath([], box, 100)).toBe('');
  });

  it('leaves a gap where nothing was recorded', () => {
    const points = [0, 100, 600].map((at) => ({ at, value: 5 }));
    expect(stepPath(points, box, 100)).toBe('M0,25H10V25H20M60,25H70');
    expect(areaPath(points, box, 100)).toBe('M0,25H10V25H20V50H0ZM60,25H70V50H60Z');
  });

  it('keeps a value above the top inside of the box', () => {
    expect(stepPath([{ at: 0, value: 99 }], box, 2_000)).toBe('M0,0H100');
  });

  it('has a round top at or above every count, and whole marks from 0 to it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), (value) => {
        const max = niceMax(value);
        expect(max).toBeGreaterThanOrEqual(value);
        expect(max).toBeLessThanOrEqual(Math.max(1, value * 2));
        const ticks = valueTicks(max);
        expect(ticks[0]).toBe(0);
        expect(ticks.at(-1)).toBe(max);
        expect(ticks.every(Number.isInteger)).toBe(true);
      }),
    );
  });
});

describe('the beginning of a chart', () => {
  const period = { from: 0, to: 10_000 };
  const at = (first: number) => [{ at: first, value: 1 }];
  it('is where the data begin, within the period, and never so late that a few steps fill the width', () => {
    expect(beginOf(at(4_000), period, 100)).toBe(4_000);
    expect(beginOf(at(-50), period, 100)).toBe(0);
    expect(beginOf(at(9_900), period, 100)).toBe(8_800);
    expect(beginOf(at(9_900), period, 5_000)).toBe(0);
    expect(beginOf([], period, 100)).toBe(0);
  });
});

describe('a period', () => {
  it.each(periodNames)('%s: whole steps, the present inside, no more points than a screen shows', (period) => {
    const now = Date.parse('2026-11-24T12:34:56Z');
    const { from, to, stepSeconds } = rangeOf(period, now);
    expect(from % (stepSeconds * 1_000)).toBe(0);
    expect(to).toBeGreaterThanOrEqual(now);
    expect(to - now).toBeLessThan(stepSeconds * 1_000);
    expect((to - from) / 1_000 / stepSeconds).toBeLessThanOrEqual(200);
  });
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { momentOf, renewedAnswer } from '../../../../server/seats/answers.ts';

it('a time in ms is written as every program reads it, also around a second and after one of another second', () => {
  const ms = fc.integer({ min: 1_600_000_000_000, max: 4_000_000_000_000 });
  fc.assert(
    fc.property(ms, fc.array(fc.integer({ min: -1_500, max: 1_500 })), (at, steps) => {
      for (const step of [0, ...steps]) expect(momentOf(at + step)).toBe(new Date(at + step).toISOString());
    }),
  );
  for (const text of ['2026-01-02T03:04:05.000Z', '2026-01-02T03:04:05.007Z', '2026-01-02T03:04:05.070Z'])
    expect(momentOf(Date.parse(text))).toBe(text);
});

it('a renewal is answered by its end and the time of the next one', () => {
  const { expiresAt, heartbeatAfterSeconds } = JSON.parse(
    renewedAnswer(Date.parse('2026-01-02T03:04:05.678Z'), 120_000),
  );
  expect(expiresAt).toBe('2026-01-02T03:06:05.678Z');
  expect([32, 33, 34, 35, 36, 37, 38, 39, 40]).toContain(heartbeatAfterSeconds);
});

import { describe, expect, it } from 'vitest';
import { endOfTerm, isTimeZone } from '../../../authority/endOfTerm.ts';

describe('the end of a term', () => {
  it.each([
    ['2027-06-30', 'UTC', '2027-06-30T23:59:59.000Z'],
    ['2027-06-30', 'Europe/Moscow', '2027-06-30T20:59:59.000Z'],
    ['2027-06-30', 'America/New_York', '2027-07-01T03:59:59.000Z'],
    ['2027-06-30', 'Asia/Kolkata', '2027-06-30T18:29:59.000Z'],
    ['2028-02-29', 'UTC', '2028-02-29T23:59:59.000Z'],
    // clocks change in the night before and after
    ['2026-03-29', 'Europe/Berlin', '2026-03-29T21:59:59.000Z'],
    ['2026-03-28', 'Europe/Berlin', '2026-03-28T22:59:59.000Z'],
    ['2026-10-25', 'Europe/Berlin', '2026-10-25T22:59:59.000Z'],
    ['2027-06-30T12:00:00Z', 'Europe/Moscow', '2027-06-30T12:00:00.000Z'],
    ['2027-06-30T12:00:00+03:00', 'UTC', '2027-06-30T09:00:00.000Z'],
    ['2027-06-30T12:00+03:00', 'UTC', '2027-06-30T09:00:00.000Z'],
  ])('%s in %s is %s', (text, zone, expected) => {
    expect(endOfTerm(text, zone)).toBe(expected);
  });

  it.each([
    '2027-02-30',
    '2027-02-29',
    '2027-13-01',
    '2027-02-30T00:00:00Z',
    '2027-06-30T25:00:00Z',
    '2027-12-31 10:00',
    '2027-12-31T10:00:00',
    '31.12.2027',
    '2027',
    'tomorrow',
    '',
  ])('%j is none', (text) => {
    expect(endOfTerm(text, 'UTC')).toBeUndefined();
  });

  it('knows which time zones there are', () => {
    expect([isTimeZone('Europe/Moscow'), isTimeZone('UTC'), isTimeZone('Moscow Time')]).toEqual([true, true, false]);
  });
});

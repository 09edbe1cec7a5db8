import { describe, expect, it } from 'vitest';
import { chooseLanguage } from '../../../web/shared/text/text.ts';
import { createText } from '../../../web/src/text/text.ts';

const now = Date.parse('2026-11-24T12:00:00Z');
const en = createText('en', 'UTC', now);
const ru = createText('ru', 'Europe/Moscow', now);

describe('text', () => {
  it.each([
    [1, '1 место'],
    [2, '2 места'],
    [5, '5 мест'],
    [11, '11 мест'],
    [21, '21 место'],
    [24, '24 места'],
  ])('counts in Russian as Russians do: %i', (n, expected) => {
    expect(ru.t('keys.seats', { n })).toBe(expected);
  });

  it('groups digits as the language does', () => {
    expect(en.t('keys.seats', { n: 10_000 })).toBe('10,000 seats');
    expect(ru.t('keys.seats', { n: 10_000 }).replace(/\s/g, ' ')).toBe('10 000 мест');
  });

  it('puts values in as they are, even those that look like placeholders', () => {
    expect(en.t('attention.trouble', { message: '{key} $& $1' })).toContain('{key} $& $1');
  });

  it('writes dates in the language and the time zone, without the word for year that would double the full stop', () => {
    expect(en.date('2026-12-31T22:30:00Z')).toBe('31 December 2026');
    expect(ru.date('2026-12-31T22:30:00Z')).toBe('1 января 2027');
    expect(ru.moment('2025-01-02T03:04:00Z')).toBe('2 янв. 2025, 06:04');
  });

  it('leaves the current year out of a moment, and only that one', () => {
    expect(en.moment('2026-01-02T03:04:00Z')).toBe('2 Jan, 03:04');
    expect(en.moment('2025-01-02T03:04:00Z')).toBe('2 Jan 2025, 03:04');
  });

  it.each([
    ['2026-11-24T10:00:00Z', '2 hours ago', '2 часа назад'],
    ['2026-11-29T12:00:01Z', 'in 5 days', 'через 5 дней'],
    ['2026-11-24T11:59:40Z', 'this minute', 'в эту минуту'],
    ['2027-12-24T12:00:00Z', 'next year', 'в следующем году'],
  ])('tells how far away %s is', (at, english, russian) => {
    expect(en.relative(at, now)).toBe(english);
    expect(ru.relative(at, now)).toBe(russian);
  });

  it('finds sentences by keys that are put together at run time, and no inherited member', () => {
    expect(en.find('denial.SeatsExhausted')).toBe('All seats taken');
    expect(en.find('denial.Nonsense')).toBeUndefined();
    expect(en.find('constructor')).toBeUndefined();
  });
});

describe('chooseLanguage', () => {
  it.each([
    [null, ['ru-RU', 'en'], 'ru'],
    [null, ['de-DE', 'ru'], 'ru'],
    [null, ['de-DE'], 'en'],
    [null, [], 'en'],
    ['en', ['ru-RU'], 'en'],
    ['xx', ['ru-RU'], 'ru'],
  ] as const)('chosen %s, wanted %j: %s', (chosen, wanted, expected) => {
    expect(chooseLanguage(chosen, wanted)).toBe(expected);
  });
});

import type { Plural, TextArguments, Words } from './dictionary.ts';

export const languages = ['en', 'ru'] as const;
export type Language = (typeof languages)[number];
export const languageNames: Readonly<Record<Language, string>> = { en: 'English', ru: 'Русский' };

/** Words, numbers and times of one language; the type names the English words of the page. Times are shown in the time zone of the person's computer unless one is given. */
export interface Text<English extends Words> {
  readonly language: Language;
  /** The sentence of a key with its placeholders filled. */
  t<K extends keyof English>(key: K, ...args: TextArguments<English[K]>): string;
  /** The sentence of a key that is put together at run time, or undefined where the dictionary has none. */
  find(key: string, values?: Readonly<Record<string, string>>): string | undefined;
  number(n: number): string;
  /** `14:05` */
  clock(at: string | number): string;
  /** Day, month, year. */
  date(at: string | number): string;
  /** Short date and time; the year only where it is not the current one. */
  moment(at: string | number): string;
  /** `3 hours ago`, `in 5 days`. */
  relative(at: string | number, now: number): string;
  /** Axis labels: `14:00`, `24 Nov`. */
  tick(at: number, withClock: boolean): string;
}

const units: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400_000],
  ['month', 30 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];

/** Russian dates end in «г.», which would double the full stop of a sentence. */
const withoutYearWord = (date: string) => date.replace(/\sг\./, '');

/** The language of a person: the one chosen before, else the first that the browser asks for and we have, else English. */
export function chooseLanguage(chosen: string | null, wanted: readonly string[]): Language {
  const known = (tag: string) => languages.find((l) => tag === l || tag.startsWith(`${l}-`));
  return known(chosen ?? '') ?? wanted.map(known).find((l) => l !== undefined) ?? 'en';
}

/** What writes dates and numbers takes long to make, longer than all of a first view: it is made when something is written with it. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/**
 * @param words of the language
 * @param timeZone IANA name; absent: the computer's
 */
export function createText<English extends Words>(
  words: { readonly [K in keyof English]: string | Plural },
  language: Language,
  timeZone?: string,
  now = Date.now(),
): Text<English> {
  const tag = language === 'en' ? 'en-GB' : 'ru-RU';
  const zone = timeZone === undefined ? {} : { timeZone };
  const plural = once(() => new Intl.PluralRules(tag));
  const numbers = once(() => new Intl.NumberFormat(tag));
  const ago = once(() => new Intl.RelativeTimeFormat(tag, { numeric: 'auto' }));
  const dates = (options: Intl.DateTimeFormatOptions, as = tag) =>
    once(() => new Intl.DateTimeFormat(as, { ...options, ...zone }));
  const clock = dates({ hour: '2-digit', minute: '2-digit' });
  const date = dates({ day: 'numeric', month: 'long', year: 'numeric' });
  const near = { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' } as const;
  const moment = dates(near);
  const farMoment = dates({ ...near, year: 'numeric' });
  const year = dates({ year: 'numeric' }, 'en');
  const day = dates({ day: 'numeric', month: 'short' });
  const of = (at: string | number) => new Date(at);

  const fill = (sentence: string, values: Readonly<Record<string, string | number>>) =>
    sentence.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return typeof value === 'number' ? numbers().format(value) : value;
    });

  return {
    language,
    t(key, ...args) {
      const entry = words[key];
      const values: Readonly<Record<string, string | number>> = args[0] ?? {};
      if (typeof entry === 'string') return fill(entry, values);
      const form = plural().select(Number(values.n));
      return fill(
        (form === 'few' || form === 'many' || form === 'one' ? entry[form] : undefined) ?? entry.other,
        values,
      );
    },
    find(key, values = {}) {
      const entry = Object.hasOwn(words, key) ? words[key] : undefined;
      return typeof entry === 'string' ? fill(entry, values) : undefined;
    },
    number: (n) => numbers().format(n),
    clock: (at) => clock().format(of(at)),
    date: (at) => withoutYearWord(date().format(of(at))),
    moment: (at) =>
      withoutYearWord((year().format(of(at)) === year().format(now) ? moment : farMoment)().format(of(at))),
    relative(at, now) {
      const distance = of(at).getTime() - now;
      const [unit, ms] = units.find(([, size]) => Math.abs(distance) >= size) ?? ['minute', 60_000];
      return ago().format(Math.trunc(distance / ms), unit);
    },
    tick: (at, withClock) => (withClock ? clock : day)().format(of(at)),
  };
}

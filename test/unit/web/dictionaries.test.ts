import { describe, expect, it } from 'vitest';
import { keyFaultReasons } from '../../../licence/keyFaults.ts';
import { denialReasons, leaseModes } from '../../../licence/words.ts';
import { dictionaries as cabinet } from '../../../web/cabinet/src/text/text.ts';
import { refusalText } from '../../../web/shared/logic/refusal.ts';
import type { Dictionary, Words } from '../../../web/shared/text/dictionary.ts';
import { languages } from '../../../web/shared/text/text.ts';
import { dictionaries as server } from '../../../web/src/text/text.ts';
import { readSources } from '../../support/sources.ts';

const placeholders = (sentence: string) => [...sentence.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();
const sentences = (entry: string | object): string[] => (typeof entry === 'string' ? [entry] : Object.values(entry));
type Page = { readonly en: Words; readonly ru: Dictionary<Words> };
const pages: readonly (readonly [string, Page, string])[] = [
  ['the server’s page', server, 'web/src'],
  ['the cabinet', cabinet, 'web/cabinet/src'],
];
const { en, ru } = server;

describe.each(pages)('the dictionaries of %s', (_, dictionaries, folder) => {
  const keys = Object.keys(dictionaries.en);
  const of = (language: keyof Page, key: string) => dictionaries[language][key] ?? '';

  it('say the same keys in every language', () => {
    for (const language of languages) expect(Object.keys(dictionaries[language]).sort()).toEqual([...keys].sort());
  });

  it('fill the same placeholders in every language and plural form', () => {
    for (const key of keys) {
      const expected = placeholders(sentences(of('en', key))[0] ?? '');
      const all = languages.flatMap((language) => sentences(of(language, key)));
      for (const sentence of all) expect(placeholders(sentence), sentence).toEqual(expected);
    }
  });

  it('have every plural form that the language asks for', () => {
    for (const language of languages) {
      const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
      for (const key of keys) {
        const entry = of(language, key);
        if (typeof entry !== 'string')
          expect(Object.keys(entry).sort(), `${language} ${key}`).toEqual([...forms].sort());
      }
    }
  });

  it('are really Russian in Russian: no sentence was left in English', () => {
    const names = new Set(['app.none', 'attention.trouble']);
    const left = keys.filter((key) => !names.has(key) && sentences(of('ru', key)).some((s) => !/[а-яё]/i.test(s)));
    expect(left).toEqual([]);
  });

  it('never spell the noun license', () => {
    expect(keys.filter((key) => sentences(of('en', key)).some((s) => /licens(e|es)\b/i.test(s)))).toEqual([]);
  });

  it('say nothing that no view uses', () => {
    const views = readSources([folder, 'web/shared'])
      .filter(({ path }) => !/\/text\/(en|ru)\.ts$/.test(path))
      .map(({ text }) => text)
      .join('\n');
    // keys that are put together at run time
    const families = [...views.matchAll(/`([a-z]+(?:\.[a-z]+)?\.)\$\{/gi)].map((m) => m[1] ?? '');
    expect(families).toContain('nav.');
    const unused = keys.filter((key) => !views.includes(`'${key}'`) && !families.some((f) => key.startsWith(f)));
    expect(unused).toEqual([]);
  });
});

describe('the words of the server’s page', () => {
  it('explain every fault of a key, every denial and every kind of lease', () => {
    const wanted = [
      ...keyFaultReasons.map((r) => `fault.${r}`),
      ...denialReasons.map((r) => `denial.${r}`),
      ...leaseModes.map((m) => `seats.mode.${m}`),
    ];
    expect(wanted.filter((key) => !Object.hasOwn(en, key))).toEqual([]);
  });

  it('say what is refused when seats are assigned, what was changed and what to do', () => {
    for (const reason of ['AllSeatsAssigned', 'ReassignedTooEarly', 'ProductNotNamed']) {
      const refusal = { status: 409, reason, detail: 'in the server’s words' };
      for (const [language, words] of Object.entries({ en, ru })) {
        const told = refusalText(refusal, {
          find: (key) => (words as Record<string, unknown>)[key] as string | undefined,
        });
        expect(told, `${language} ${reason}`).toMatch(/^[^{}]+\. [^{}]+\.$/);
      }
    }
  });

  it('end every explanation of a fault with something to do or to know: two sentences', () => {
    const short = keyFaultReasons.filter((r) => (en[`fault.${r}`].match(/[.!?](\s|$)/g) ?? []).length < 2);
    expect(short).toEqual([]);
  });
});

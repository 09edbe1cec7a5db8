import { createText as createTextOf, type Language, type Text as TextOf } from '../../../shared/text/text.ts';
import { en } from './en.ts';
import { ru } from './ru.ts';

export type English = typeof en;
export type TextKey = keyof English;
export type Text = TextOf<English>;

export const dictionaries = { en, ru } as const;

/** The page's words in a language; see the shared `createText`. */
export const createText = (language: Language, timeZone?: string, now?: number): Text =>
  createTextOf<English>(dictionaries[language], language, timeZone, now);

import type { en } from './en.ts';

/** A sentence with a count: the forms that the language's plural rules ask for, each with `{n}`. */
export interface Plural {
  readonly one: string;
  readonly few?: string;
  readonly many?: string;
  readonly other: string;
}

type English = typeof en;
export type TextKey = keyof English;

/** Every key of the English words, a plural where English has one. */
export type Dictionary = { readonly [K in TextKey]: English[K] extends string ? string : Plural };

type Placeholder<S> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Placeholder<Rest> : never;
type PlaceholderOf<K extends TextKey> = Placeholder<English[K] extends { other: infer S } ? S : English[K]>;

/** What a sentence wants to be told; `n` decides the plural form. */
export type ParametersOf<K extends TextKey> = {
  readonly [P in PlaceholderOf<K>]: P extends 'n' ? number : string | number;
};
export type TextArguments<K extends TextKey> = [PlaceholderOf<K>] extends [never] ? [] : [ParametersOf<K>];

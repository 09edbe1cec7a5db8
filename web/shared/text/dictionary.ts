/** A sentence with a count: the forms that the language's plural rules ask for, each with `{n}`. */
export interface Plural {
  readonly one: string;
  readonly few?: string;
  readonly many?: string;
  readonly other: string;
}

/** The English words of a page: keys and placeholders are the contract that every other language fulfils. */
export type Words = Readonly<Record<string, string | Plural>>;

/** Every key of the English words, a plural where English has one. */
export type Dictionary<English extends Words> = {
  readonly [K in keyof English]: English[K] extends string ? string : Plural;
};

type Placeholder<S> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Placeholder<Rest> : never;
type PlaceholderOf<Entry> = Placeholder<Entry extends { other: infer S } ? S : Entry>;

/** What a sentence wants to be told; `n` decides the plural form. */
export type TextArguments<Entry> = [PlaceholderOf<Entry>] extends [never]
  ? []
  : [{ readonly [P in PlaceholderOf<Entry>]: P extends 'n' ? number : string | number }];

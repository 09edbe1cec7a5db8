/** Something that the spec refers to: `unasked` if it does not, `missing` with what is missing. */
export type Found =
  | { readonly kind: 'unasked' }
  | { readonly kind: 'found'; readonly digest: string; readonly text?: string }
  | { readonly kind: 'missing'; readonly message: string };

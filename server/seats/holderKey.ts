import { bounds, type Holder } from '../../licence/words.ts';

/**
 * A holder as one text: its parts joined by U+001F, which no part may contain. Equal keys are the same holder. Base, user and
 * host are folded, the session is exact.
 */
export type HolderKey = string;

export const separator = '\u001f';

// what is the same when folded: ASCII without capital letters
const folded = /^[ -@[-~]*$/;
const ascii = /^[ -~]*$/;

/**
 * A name as it is compared: in Unicode's NFC form and without regard to case, as Windows, 1C and PostgreSQL's citext do. One
 * letter stands for one letter: "ß" and "SS" are two names.
 */
export const fold = (name: string): string =>
  folded.test(name)
    ? name
    : ascii.test(name)
      ? name.toLowerCase()
      : name.normalize('NFC').toLowerCase().replaceAll('ς', 'σ').normalize('NFC'); // a final sigma is a sigma

export const holderKey = (h: Holder): HolderKey =>
  fold(h.base) + separator + fold(h.user) + separator + fold(h.host) + separator + h.session;

/** The holder as it was spelled, in the form of a key. */
export const spellingOf = (h: Holder): string =>
  h.base + separator + h.user + separator + h.host + separator + h.session;

/** The parts of a key, or of a spelling. */
export function holderOf(key: HolderKey): Holder {
  const [base = '', user = '', host = '', session = ''] = key.split(separator);
  return { base, user, host, session };
}

export const baseOf = (key: HolderKey): string => key.slice(0, key.indexOf(separator));

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const forbidden = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/u;

/** What is wrong with one part of a holder, in words; undefined if nothing is. */
export function partFault(name: string, value: unknown, mayBeEmpty: boolean): string | undefined {
  if (typeof value !== 'string') return `${name}: must be a text`;
  if (value === '' && !mayBeEmpty) return `${name}: must not be empty`;
  if (value.length > bounds.holderPart) return `${name}: at most ${bounds.holderPart} characters, not ${value.length}`;
  if (forbidden.test(value)) return `${name}: must not contain control characters`;
  if (fold(value).length > bounds.holderPart)
    return `${name}: at most ${bounds.holderPart} characters in Unicode's NFC form`;
  return undefined;
}

/** What is wrong with a holder, in words; undefined if nothing is. An absent session counts as empty. */
export function holderFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'holder: must be an object with base, user, host and session';
  const h = value as Partial<Record<keyof Holder, unknown>>;
  // four parts of 200 UTF-16 units are at most 2403 bytes of UTF-8, which an index entry of PostgreSQL still holds
  return (
    partFault('holder.base', h.base, false) ??
    partFault('holder.user', h.user, false) ??
    partFault('holder.host', h.host, false) ??
    partFault('holder.session', h.session ?? '', true)
  );
}

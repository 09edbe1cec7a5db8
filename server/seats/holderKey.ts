import { bounds, type Holder } from '../../licence/words.ts';

/**
 * A holder as one text: its parts joined by U+001F, which no part may contain. Equal keys are the same holder. Base, user and
 * host are folded, the session is exact. What asks for a feature has that as a fifth part, what asks for several seats at once their number
 * as a sixth: another feature or number is another lease.
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

export const holderKey = (h: Holder): HolderKey => holderKeyIn(fold(h.base), h);

/** The same for one of many holders in a base whose name is folded already. */
export const holderKeyIn = (foldedBase: string, h: Omit<Holder, 'base'>): HolderKey =>
  foldedBase + separator + fold(h.user) + separator + fold(h.host) + separator + h.session;

/** What a lease is of beside its holder: the tail of its key, empty for one seat of no feature. */
export const askedTail = (feature: string | undefined, seats: number): string =>
  seats > 1 ? separator + (feature ?? '') + separator + seats : feature === undefined ? '' : separator + feature;

/** The feature and the number of seats that a key asks for. */
export function askedOf(key: HolderKey): { readonly feature?: string; readonly seats: number } {
  const [, , , , feature = '', seats = '1'] = key.split(separator);
  return { ...(feature === '' ? {} : { feature }), seats: Number(seats) };
}

/** A key of a build before, folded. */
export function foldedKey(key: HolderKey): HolderKey {
  const [base = '', user = '', host = '', ...exact] = key.split(separator);
  return [fold(base), fold(user), fold(host), ...exact].join(separator);
}

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
  // NFC and lower case make of one unit three at most, each of them: most names are too short to grow beyond
  if (value.length * 9 > bounds.holderPart && fold(value).length > bounds.holderPart)
    return `${name}: at most ${bounds.holderPart} characters in Unicode's NFC form`;
  return undefined;
}

/** What is wrong with a holder, in words; undefined if nothing is. An absent session counts as empty. */
export function holderFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'holder: must be an object with base, user, host and session';
  const h = value as Partial<Record<keyof Holder, unknown>>;
  return partFault('holder.base', h.base, false) ?? placeFault('holder.', h);
}

/** The same for a holder in a base whose name is sound. @param before what stands before a part's name in the words */
export function placeFault(before: string, h: Partial<Record<keyof Holder, unknown>>): string | undefined {
  // four parts of 200 UTF-16 units are at most 2403 bytes of UTF-8, which an index entry of PostgreSQL still holds
  return (
    partFault(`${before}user`, h.user, false) ??
    partFault(`${before}host`, h.host, false) ??
    partFault(`${before}session`, h.session ?? '', true)
  );
}

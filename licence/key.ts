import { createHash } from 'node:crypto';
import { alphabet, symbolsOf, textOf } from './crockford.ts';
import { checkLength, checkSymbols, checkWord } from './reedSolomon.ts';

/**
 * A key is what a customer types: 125 random bits and a checksum, 30 characters in six groups of five, `7K2QF-…`.
 * A typing error is told apart from an unknown key without asking anybody.
 */
export type ParsedKey =
  | {
      readonly ok: true;
      /** Canonical form: upper case, groups of five joined by hyphens. */
      readonly key: string;
      readonly keyId: string;
    }
  | {
      readonly ok: false;
      readonly reason: 'KeyMalformed';
      /** What is wrong and what to do; never contains a character of the key. */
      readonly message: string;
    };

const dataLength = 25;
const groupLength = 5;
const length = dataLength + checkLength;
/** Bytes of randomness that `createKey` needs: 125 bits, rounded up. */
export const keyRandomBytes = 16;

/** Added to the check symbols, so that thirty zeros are not a well-formed key. */
const mask = [19, 3, 27, 8, 14];
const masked = (check: readonly number[]) => check.map((c, i) => c ^ (mask[i] ?? 0));

/** What people type for what is printed; the Cyrillic ones look the same and lie on the same keyboard. */
const lookalikes: Readonly<Record<string, string>> = {
  O: '0',
  I: '1',
  L: '1',
  А: 'A',
  В: 'B',
  С: 'C',
  Е: 'E',
  Н: 'H',
  К: 'K',
  М: 'M',
  О: '0',
  Р: 'P',
  Т: 'T',
  Х: 'X',
  У: 'Y',
  З: '3',
};
/** Spaces and dashes of every kind. */
const separators = /[\s\u00ad\u200b\ufeff\u2010-\u2015\u2212_-]/gu;

/** Longest text that is looked at: a key with a separator after each character. */
const longest = 4 * length;

/** The canonical key of `random` (at least 16 bytes from a cryptographic source; its first 125 bits count). */
export function createKey(random: Uint8Array): string {
  if (random.length < keyRandomBytes) throw new Error(`a key needs ${keyRandomBytes} random bytes`);
  const data = symbolsOf(random).slice(0, dataLength);
  return grouped(textOf([...data, ...masked(checkSymbols(data))]));
}

/** The safe name of a canonical key in logs, file names and answers: 12 characters that do not lead back to the key. */
export const keyIdOf = (key: string): string =>
  textOf(symbolsOf(createHash('sha256').update(key).digest()).slice(0, 12)).toLowerCase();

/** Whether `text` has the form of a keyId. */
export const isKeyId = (text: string): boolean => /^[0-9a-hjkmnp-tv-z]{12}$/.test(text);

/** Reads a key as typed: any case, any spacing, O for 0, I or L for 1, Cyrillic look-alikes. */
export function parseKey(text: string): ParsedKey {
  if (text.length > longest) return malformed(`a key has ${length} characters; this text has ${text.length}`);
  const typed = [...text.replace(separators, '').toUpperCase()].map((c) => lookalikes[c] ?? c);
  const strange = typed.findIndex((c) => !alphabet.includes(c));
  if (strange >= 0) return malformed(`character ${strange + 1} occurs in no key`);
  if (typed.length !== length) {
    return malformed(`a key has ${length} characters in ${length / groupLength} groups; this one has ${typed.length}`);
  }
  const symbols = typed.map((c) => alphabet.indexOf(c));
  const check = checkWord([...symbols.slice(0, dataLength), ...masked(symbols.slice(dataLength))]);
  if (!check.sound) {
    const where = check.at === undefined ? 'it' : `group ${Math.floor(check.at / groupLength) + 1}`;
    return malformed(`the key has a typing error; compare ${where} with the original`);
  }
  const key = grouped(typed.join(''));
  return { ok: true, key, keyId: keyIdOf(key) };
}

const grouped = (text: string): string => (text.match(/.{5}/g) ?? []).join('-');
const malformed = (message: string): ParsedKey => ({ ok: false, reason: 'KeyMalformed', message });

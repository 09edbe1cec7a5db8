import { invalid } from './requests.ts';

/** Where a page ended, for the next one: opaque to whoever carries it, and read back with care. */
export const encodeCursor = (values: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(values)).toString('base64url');

/** Where a page ended: two ordering values, and that of the chosen order where there is one. */
export function decodeCursor(cursor: string | undefined): readonly [number, string, string?] | undefined {
  if (cursor === undefined) return undefined;
  try {
    const [a, b, c] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[];
    const isText = (value: unknown) => typeof value === 'string' && !value.includes('\u0000');
    if (Number.isSafeInteger(a) && isText(b) && (c === undefined || isText(c)))
      return [a, b, c] as [number, string, string?];
  } catch {
    // told below
  }
  throw invalid('cursor: must be the nextCursor of the page before');
}

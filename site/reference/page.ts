import { join } from 'node:path';

export const repository = join(import.meta.dirname, '..', '..');

/** A text in a cell of a table. */
export const cell = (text: string): string =>
  text
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('|', '\\|');

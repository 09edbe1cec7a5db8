import { bounds } from '../../licence/words.ts';
import { fold } from './holderKey.ts';

/** More words than a person types would only cost. */
const mostWords = 8;

/** What finds a holder by parts of its names; an index for parts of words (pg_trgm) is not there everywhere, so every row is looked at. */
export interface Search {
  /** Patterns of LIKE, all of which have to fit; null: nothing is searched for. */
  readonly patterns: readonly string[] | null;
  /** What they are for: the names of the lease `l`, folded, and ё as е where that matters, since people write either. */
  readonly names: string;
}

export function searchOf(text: string | undefined): Search {
  const words = (text ?? '').slice(0, bounds.holderPart).split(/\s+/);
  const given = words.filter((word) => word !== '').slice(0, mostWords);
  // the longest first: it leaves least for the others to look at
  const plain = given.map((word) => fold(word).replaceAll('ё', 'е')).sort((a, b) => b.length - a.length);
  const patterns = plain.map((word) => `%${word.replaceAll(/[\\%_]/g, '\\$&')}%`);
  // a session is not folded; the column's collation is C, so this is the lower case of ASCII, and quick
  const lower = 'lower(l.holder)';
  const names = plain.some((word) => word.includes('е')) ? `replace(${lower}, 'ё', 'е')` : lower;
  return { patterns: patterns.length === 0 ? null : patterns, names };
}

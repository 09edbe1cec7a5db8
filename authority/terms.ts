import { momentOf } from '../licence/moment.ts';
import type { Refusal } from './refusal.ts';

/** The two ends of a licence, as people call them. */
const ends = { supportUntil: 'support', expiresAt: 'the licence' } as const;
type End = keyof typeof ends;
/** Ends as a request names them; null: none any more. */
export type NamedEnds = { readonly [K in End]?: string | null | undefined };

/**
 * Why ends are probably not meant: they have passed, or they take away what there is. Undefined: they may be.
 * @param before the present terms; undefined: there are none yet
 * @param prolongs that it is an extension, which has to be later than what there is
 */
export function doubtful(
  named: NamedEnds,
  before: { readonly [K in End]?: string | undefined } | undefined,
  nowMs: number,
  prolongs = false,
): ({ readonly ok: false } & Refusal) | undefined {
  for (const end of Object.keys(ends) as End[]) {
    const to = named[end];
    if (typeof to !== 'string') continue;
    const at = Date.parse(to);
    if (at <= nowMs) {
      return refused('TermsPast', `${ends[end]} would have ended at ${momentOf(at)} already`);
    }
    const from = before?.[end];
    // a licence without a support term may be given one; a perpetual one loses by any end
    if (before !== undefined && from === undefined && end === 'expiresAt') {
      return refused('TermsShorter', `${ends[end]} has no end now, and would end at ${momentOf(at)}`);
    }
    if (from !== undefined && (at < Date.parse(from) || (prolongs && at === Date.parse(from)))) {
      return refused('TermsShorter', `${ends[end]} lasts until ${from} now, which ${momentOf(at)} does not prolong`);
    }
  }
  return undefined;
}

const refused = (reason: 'TermsPast' | 'TermsShorter', what: string) => ({
  ok: false as const,
  reason,
  detail: `${what}; nothing was changed; if it is meant, say so: "force"`,
});

/**
 * An end as it goes into the database, in whole seconds: PostgreSQL rounds what is finer than a microsecond, and the last moment that
 * many programs know, 9999-12-31T23:59:59.9999999Z, would be of the year 10000, which no activation can say.
 */
export const keptEnd = <E extends string | null | undefined>(end: E): E | string =>
  typeof end === 'string' ? momentOf(Date.parse(end)) : end;

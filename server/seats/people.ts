import { decodeCursor, encodeCursor } from './cursor.ts';
import { heardSql, isStaleSql, silentSql, withBaseSql } from './leaseList.ts';
import { invalid } from './requests.ts';
import { type Search, searchOf } from './search.ts';
import type { SeatStore } from './store.ts';

export interface PeopleFilter {
  readonly product?: string | undefined;
  readonly search?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

interface PersonRow {
  /** Folded. */
  key: string;
  name: string;
  seats: number;
  stale: number;
  since: Date;
  heard: Date;
  product: string | null;
  base: string | null;
  host: string | null;
}

const partOf = (names: string, at: number) => `split_part(${names}, chr(31), ${at}) COLLATE "C"`;
const spelled = (at: number) => `max(${partOf('coalesce(l.shown, l.holder)', at)})`;
/** What all seats of a person have in common, in one of its spellings; NULL where they differ. */
const common = (at: number) =>
  `CASE WHEN min(${partOf('l.holder', at)}) = max(${partOf('l.holder', at)}) THEN ${spelled(at)} END`;

/**
 * People are counted first, by what the lease alone says, and looked at closely only where they are on the page: names cost more to compare
 * than all the rest. What a search finds is kept meanwhile, since to search twice would cost more still.
 */
const peopleText = ({ patterns, names }: Search): string => `WITH ${silentSql},
found AS ${patterns === null ? 'NOT ' : ''}MATERIALIZED (
  SELECT l.pool_id, l.holder, l.shown, l.kind, l.acquired_at, l.renewed_at, ${partOf('l.holder', 2)} AS key,
         CASE WHEN l.pool_id = ANY ((SELECT array_agg(pool_id) FROM pool WHERE weights IS NOT NULL)::smallint[])
              THEN size_of(l.holder, (SELECT weights FROM pool p WHERE p.pool_id = l.pool_id)) ELSE 1 END AS size
    FROM lease l
   WHERE ($2::text IS NULL OR l.pool_id = (SELECT pool_id FROM pool WHERE product = $2))
     AND ($3::text[] IS NULL OR ${names} LIKE ALL($3))),
page AS MATERIALIZED (SELECT key, sum(size)::int AS seats FROM found GROUP BY key
 HAVING $4::int IS NULL OR sum(size) < $4 OR sum(size) = $4 AND key > $5 ORDER BY seats DESC, key LIMIT $6)
SELECT page.key, page.seats, ${spelled(2)} AS name, coalesce(sum(l.size) FILTER (WHERE ${isStaleSql}), 0)::int AS stale,
       min(l.acquired_at) AS since, max(${heardSql}) AS heard,
       CASE WHEN min(p.product) = max(p.product) THEN min(p.product) END AS product, ${common(1)} AS base, ${common(3)} AS host
  FROM page JOIN found l ON l.key = page.key JOIN pool p ON p.pool_id = l.pool_id ${withBaseSql}
 GROUP BY page.key, page.seats ORDER BY page.seats DESC, page.key`;

/** Who holds how many seats, the most first. A search counts the seats that it finds. */
export async function listPeople(store: SeatStore, filter: PeopleFilter) {
  await store.renewalsWritten();
  const [seats, key] = decodeCursor(filter.cursor) ?? [null, ''];
  for (const text of [filter.product, filter.search]) {
    if (text?.includes('\u0000')) throw invalid('a filter must not contain control characters');
  }
  const searched = searchOf(filter.search);
  const { rows } = await store.db.query<PersonRow>(peopleText(searched), [
    store.staleAfterMs,
    filter.product ?? null,
    searched.patterns,
    seats === null ? null : Math.max(0, Math.min(seats, 2_147_483_647)),
    key,
    filter.limit + 1,
  ]);
  const page = rows.slice(0, filter.limit);
  const last = page.at(-1);
  return {
    people: page.map((row) => ({
      user: row.name,
      seats: row.seats,
      stale: row.stale,
      since: row.since.toISOString(),
      renewedAt: row.heard.toISOString(),
      ...(row.product === null ? {} : { product: row.product }),
      ...(row.base === null ? {} : { base: row.base }),
      ...(row.host === null ? {} : { host: row.host }),
    })),
    ...(rows.length > filter.limit && last ? { nextCursor: encodeCursor([last.seats, last.key]) } : {}),
  };
}

import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';

/** A piece of what was recorded; the first pieces are the seats at the beginning and the refusals, the others go by time. */
export type Piece =
  | { readonly kind: 'seats'; readonly holders: readonly string[] }
  /** A line each: from and to in ms after the beginning, 1 if it was served, the holder; parted by U+001E. */
  | { readonly kind: 'refusals'; readonly lines: readonly string[] }
  /** A line each: µs after `fromMs`, the code, the holder; in the order in which they were stored, which is nearly that of their time. */
  | {
      readonly kind: 'events';
      readonly fromMs: number;
      readonly toMs: number;
      readonly n: number;
      readonly text: string;
    };

const page = 5_000;
/** Events of one statement: about so many, and never more than that. */
const usual = 20_000;
const most = 60_000;
const shortestMs = 1_000;
const longestMs = 86_400_000;
/** Of the time in which the database works for this it rests as long afterwards, so that others come first. */
const rest = 0.35;

type Client = Pick<pg.ClientBase, 'query'>;

/**
 * What was recorded of a pool from one moment to another, in small portions: each is a statement of its own, so that no snapshot is
 * held for long.
 */
export async function* readHistory(
  client: Client,
  { poolId, product, fromMs, toMs }: { poolId: number; product: string; fromMs: number; toMs: number },
): AsyncGenerator<Piece> {
  const from = new Date(fromMs).toISOString();
  await summarize(client);
  yield { kind: 'seats', holders: await heldAt(client, poolId, fromMs) };
  for (let after = '0'; ; ) {
    const { rows } = await client.query<{ id: string; line: string }>(refusals, [product, from, after, page]);
    yield { kind: 'refusals', lines: rows.map((r) => r.line) };
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) break;
    after = last.id;
  }
  let lengthMs = 3_600_000;
  for (let at = fromMs; at < toMs; ) {
    const until = Math.min(at + lengthMs, toMs);
    const startedMs = performance.now();
    const { rows } = await client.query<{ text: string | null; n: number }>(events, [
      poolId,
      new Date(at).toISOString(),
      new Date(until).toISOString(),
      lengthMs > shortestMs ? most + 1 : null, // many seats may be given back at one moment
    ]);
    const { text = null, n = 0 } = rows[0] ?? {};
    if (n > most && lengthMs > shortestMs) {
      lengthMs = Math.max(Math.floor(lengthMs / 4), shortestMs);
      continue;
    }
    const tookMs = performance.now() - startedMs;
    yield { kind: 'events', fromMs: at, toMs: until, n, text: text ?? '' };
    at = until;
    lengthMs = Math.min(Math.max(Math.round(lengthMs * Math.min(usual / Math.max(n, 1), 4)), shortestMs), longestMs);
    await pause(tookMs * rest);
  }
}

/** Events are found by an index of ranges of the table; those of rows that were removed make it slow until it is told again what is where. */
async function summarize(client: Client): Promise<void> {
  const { rows } = await client.query<{ blocks: number }>(
    "SELECT (pg_relation_size('event') / current_setting('block_size')::int)::int AS blocks",
  );
  for (let block = 0; block < (rows[0]?.blocks ?? 0); block += pagesOfRange * 8) {
    await client.query(
      `SELECT brin_desummarize_range('event_at', b), brin_summarize_range('event_at', b)
         FROM generate_series($1::bigint, $1::bigint + ${pagesOfRange * 7}, ${pagesOfRange}) b`,
      [block],
    );
  }
}
const pagesOfRange = 128;

/** Who had a seat at a moment: those who have it since, and those who gave it back later. The id of a lease says when it was taken. */
async function heldAt(client: Client, poolId: number, atMs: number): Promise<string[]> {
  const hex = atMs.toString(16).padStart(12, '0');
  const firstId = `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
  const at = new Date(atMs).toISOString();
  const { rows } = await client.query<{ holder: string }>(
    `SELECT holder FROM lease WHERE pool_id = $1 AND acquired_at < $2
     UNION SELECT holder FROM event WHERE pool_id = $1 AND at >= $2 AND code NOT IN ('G', 'O') AND lease_id < $3::uuid`,
    [poolId, at, firstId],
  );
  return rows.map((r) => r.holder);
}

const refusals = `SELECT denial_id::text AS id, concat_ws(chr(30),
   greatest(date_part('epoch', first_at - $2::timestamptz) * 1000, 0)::bigint, (date_part('epoch', last_at - $2::timestamptz) * 1000)::bigint, (served_at IS NOT NULL)::int, holder) AS line
  FROM denial WHERE denial_id > $3 AND product = $1 AND last_at >= $2 AND reason IN ('SeatsExhausted', 'SeatsReserved', 'NotPermitted', 'RuleLimit')
 ORDER BY denial_id LIMIT $4`;

// what is sorted where it is played costs the database a third
const events = `SELECT string_agg((date_part('epoch', x.at - $2::timestamptz) * 1000000)::bigint || x.code::text || x.holder, chr(10)) AS text, count(*)::int AS n
  FROM (SELECT at, code, holder FROM event WHERE pool_id = $1 AND at >= $2 AND at < $3 LIMIT $4) x`;

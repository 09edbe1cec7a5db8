import type pg from 'pg';
import { type DenialReason, denialReasons } from '../../licence/words.ts';
import { type HolderKey, separator } from './holderKey.ts';
import type { Client } from './seatSql.ts';

/** Refused check-outs of one holder since the last flush. Times are in ms and never run back. */
interface Noted {
  product: string;
  holder: HolderKey;
  /** How the holder was spelled, where that is not its key. */
  shown: string | undefined;
  reason: DenialReason;
  firstMs: number;
  lastMs: number;
  attempts: number;
  /** When it got a seat before this was stored. */
  servedMs: number | undefined;
}

/**
 * The record of refused check-outs. A refusal costs no write of its own: it is noted here and stored about once a second,
 * one row an episode of one holder (a holder that comes back within ten minutes goes on with its episode). The grant of a seat
 * ends the episode in its own transaction. The database dates them, from how long ago they were: a clock set wrong on this
 * server changes nothing. Unmet demand is a holder that was refused for want of a seat and has none a minute later; retries do
 * not count again.
 */
export class Denials {
  #noted = new Map<string, Noted>();
  /** Until when a pool is known to look for episodes at a grant. */
  readonly #asking = new Map<string, number>();
  readonly #most: number;

  /** `most`: holders noted between two flushes. */
  constructor(most = 2_000) {
    this.#most = most;
  }

  /** Whether refusals wait to be stored. */
  get hasNoted(): boolean {
    return this.#noted.size > 0;
  }

  note(product: string, holder: HolderKey, reason: DenialReason, shown?: string): void {
    const nowMs = performance.now();
    const id = idOf(product, holder, reason);
    const known = this.#noted.get(id);
    if (known) {
      known.attempts += 1;
      known.lastMs = nowMs;
      known.servedMs = undefined;
      return;
    }
    if (this.#noted.size >= this.#most) return; // counted by the metrics only, until it asks again
    this.#noted.set(id, {
      product,
      holder,
      shown,
      reason,
      firstMs: nowMs,
      lastMs: nowMs,
      attempts: 1,
      servedMs: undefined,
    });
  }

  /** A holder got a seat: what is not stored yet could not be ended by the grant. */
  granted(product: string, holder: HolderKey): void {
    if (this.#noted.size === 0) return;
    for (const reason of denialReasons) {
      const noted = this.#noted.get(idOf(product, holder, reason));
      if (noted) noted.servedMs = performance.now();
    }
  }

  /** Stores what was noted. When it fails, what is not stored yet is kept for the next time. */
  async flush(client: Client): Promise<void> {
    if (this.#noted.size === 0) return;
    const noted = [...this.#noted];
    this.#noted = new Map();
    try {
      const known = noted.filter(([, row]) => row.reason !== 'ProductUnknown');
      for (const product of new Set(known.map(([, row]) => row.product))) await this.#announce(client, product);
      while (noted.length > 0) {
        const part = noted.slice(-partSize);
        await client.query(insert, columns(part.map(([, row]) => row)));
        noted.length -= part.length;
      }
    } catch (error) {
      for (const [id, row] of noted) if (!this.#noted.has(id)) this.#noted.set(id, row);
      throw error;
    }
  }

  /** Before an episode is stored: grants of this product have to look for episodes from now on. One pool a transaction. */
  async #announce(client: Client, product: string): Promise<void> {
    const nowMs = performance.now();
    if ((this.#asking.get(product) ?? 0) > nowMs) return;
    await client.query(announce, [product]);
    this.#asking.set(product, nowMs + 5 * 60_000);
  }
}

const idOf = (product: string, holder: HolderKey, reason: DenialReason) =>
  reason + product + separator + separator + holder;

/** A refusal that comes meanwhile waits no longer than so many rows take to write down. */
const partSize = 500;
/** Episodes that are looked at in one go. */
const portion = 1_000;

/** Looks at a portion of the holders whose minute is over; `unmet`: how many went without, by product. */
export async function findUnmet(db: pg.Pool): Promise<{ unmet: readonly [string, number][]; isMore: boolean }> {
  const { rows } = await db.query<{ looked: number; unmet: Record<string, number> | null }>(
    'SELECT * FROM find_unmet($1)',
    [portion],
  );
  return { unmet: Object.entries(rows[0]?.unmet ?? {}), isMore: rows[0]?.looked === portion };
}

/** Closes a portion of the episodes of holders who have given up; answers whether there may be more. */
export async function closeDenials(db: pg.Pool): Promise<boolean> {
  const { rows } = await db.query<{ n: number }>('SELECT close_denials($1) AS n', [portion]);
  return rows[0]?.n === portion;
}

const ageOf = (ms: number): number => performance.now() - ms;

const columns = (rows: readonly Noted[]): unknown[] => [
  rows.map((r) => r.product),
  rows.map((r) => r.holder),
  rows.map((r) => r.reason),
  rows.map((r) => ageOf(r.firstMs)),
  rows.map((r) => ageOf(r.lastMs)),
  rows.map((r) => r.attempts),
  rows.map((r) => (r.servedMs === undefined ? null : ageOf(r.servedMs))),
  rows.map((r) => r.shown ?? null),
];

const announce = `UPDATE pool SET asking_until = now() + interval '21 min'
 WHERE product = $1 AND asking_until NOT BETWEEN now() + interval '16 min' AND now() + interval '21 min'`;

// ordered, so that two servers that store the same holders do not lock crosswise
const insert = `WITH i AS (
  INSERT INTO denial AS d (product, holder, reason, first_at, last_at, attempts, open, served_at, shown)
  SELECT p, h, r, now() - f * interval '1 ms', now() - l * interval '1 ms', a, s IS NULL, now() - s * interval '1 ms', w
    FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::bigint[], $7::float8[], $8::text[]) u(p, h, r, f, l, a, s, w)
   ORDER BY p COLLATE "C", h COLLATE "C", r
  ON CONFLICT (product, holder, reason) WHERE open
  DO UPDATE SET last_at = greatest(d.last_at, excluded.last_at), attempts = d.attempts + excluded.attempts
  RETURNING product, xmax = 0 AS is_new)
INSERT INTO denial_tally AS t (product, n)
SELECT i.product, count(*) FROM i JOIN pool p ON p.product = i.product WHERE i.is_new GROUP BY 1 ORDER BY 1
ON CONFLICT (product) DO UPDATE SET n = t.n + excluded.n`;

import type { DenialReason } from '../../licence/words.ts';
import { type HolderKey, separator } from './holderKey.ts';
import type { Client } from './seatSql.ts';

/** Refused check-outs of one holder since the last flush. Times are in ms and never run back. */
interface Noted {
  product: string;
  holder: HolderKey;
  reason: DenialReason;
  firstMs: number;
  lastMs: number;
  attempts: number;
}

/**
 * The record of refused check-outs. A refusal costs no write of its own: it is noted here and stored about once a second,
 * one row an episode of one holder (a holder that comes back within ten minutes goes on with its episode).
 * The database dates them, from how long ago they were: a clock set wrong on this server changes nothing.
 * Unmet demand is a holder that was refused for want of a seat and has none a minute later; retries do not count again.
 */
export class Denials {
  #noted = new Map<string, Noted>();
  /** Holders that were refused lately: when one of them gets a seat, its episode is over. */
  readonly #asking = new Map<string, number>();
  readonly #served = new Map<string, { product: string; holder: HolderKey; atMs: number }>();
  readonly #most: number;
  readonly #mostAsking: number;

  /** `most`: holders noted between two flushes; `mostAsking`: holders whose episodes this server itself can end. */
  constructor(most = 2_000, mostAsking = 20_000) {
    this.#most = most;
    this.#mostAsking = mostAsking;
  }

  note(product: string, holder: HolderKey, reason: DenialReason): void {
    const nowMs = performance.now();
    const key = product + separator + separator + holder;
    const id = reason + key;
    const known = this.#noted.get(id);
    if (known) {
      known.attempts += 1;
      known.lastMs = nowMs;
      return;
    }
    if (this.#noted.size >= this.#most) return; // counted by the metrics only, until it asks again
    this.#noted.set(id, { product, holder, reason, firstMs: nowMs, lastMs: nowMs, attempts: 1 });
    if (this.#asking.size < this.#mostAsking || this.#asking.has(key)) this.#asking.set(key, nowMs);
  }

  /** A holder got a seat. */
  granted(product: string, holder: HolderKey): void {
    if (this.#asking.size === 0) return;
    const nowMs = performance.now();
    const key = product + separator + separator + holder;
    if (this.#asking.delete(key)) this.#served.set(key, { product, holder, atMs: nowMs });
  }

  /** Stores what was noted. When it fails, what is not stored yet is kept for the next time. */
  async flush(client: Client): Promise<void> {
    if (this.#noted.size === 0 && this.#served.size === 0) return;
    const noted = [...this.#noted];
    this.#noted = new Map();
    const served = [...this.#served];
    try {
      while (noted.length > 0) {
        const part = noted.slice(-partSize);
        await client.query(insert, columns(part.map(([, row]) => row)));
        noted.length -= part.length;
      }
      while (served.length > 0) {
        const part = served.slice(-partSize);
        await client.query(serve, [
          part.map(([, s]) => s.product),
          part.map(([, s]) => s.holder),
          agesOf(part.map(([, s]) => s.atMs)),
        ]);
        served.length -= part.length;
        for (const [key, s] of part) if (this.#served.get(key) === s) this.#served.delete(key);
      }
    } catch (error) {
      for (const [id, row] of noted) if (!this.#noted.has(id)) this.#noted.set(id, row);
      throw error;
    }
    const old = performance.now() - 11 * 60_000;
    for (const [key, atMs] of this.#asking) if (atMs < old) this.#asking.delete(key);
  }

  /** Closes episodes that are over; answers for each product how many holders went without for a minute. */
  async settle(client: Client): Promise<Map<string, number>> {
    await client.query(close);
    const { rows } = await client.query<{ product: string; n: string }>(findUnmet);
    return new Map(rows.map((r) => [r.product, Number(r.n)]));
  }
}

/** A refusal that comes meanwhile waits no longer than so many rows take to write down. */
const partSize = 500;

const agesOf = (times: readonly number[]): number[] => times.map((ms) => performance.now() - ms);

const columns = (rows: readonly Noted[]): unknown[] => [
  rows.map((r) => r.product),
  rows.map((r) => r.holder),
  rows.map((r) => r.reason),
  agesOf(rows.map((r) => r.firstMs)),
  agesOf(rows.map((r) => r.lastMs)),
  rows.map((r) => r.attempts),
];

// ordered, so that two servers that store the same holders do not lock crosswise
const insert = `INSERT INTO denial AS d (product, holder, reason, first_at, last_at, attempts)
SELECT p, h, r, now() - f * interval '1 ms', now() - l * interval '1 ms', a
  FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::bigint[]) u(p, h, r, f, l, a) ORDER BY p, h, r
ON CONFLICT (product, holder, reason) WHERE open
DO UPDATE SET last_at = greatest(d.last_at, excluded.last_at), attempts = d.attempts + excluded.attempts`;

const serve = `UPDATE denial d SET open = false, served_at = u.t
FROM (SELECT p, h, now() - ago * interval '1 ms' AS t FROM unnest($1::text[], $2::text[], $3::float8[]) v(p, h, ago) ORDER BY 1, 2) u
WHERE d.open AND d.product = u.p AND d.holder = u.h AND d.first_at <= u.t`;

// served by another server, or given up
const close = `UPDATE denial d SET open = false, served_at = (
  SELECT l.acquired_at FROM pool p JOIN lease l ON l.pool_id = p.pool_id AND l.holder = d.holder WHERE p.product = d.product)
WHERE d.open AND (d.last_at < now() - interval '10 min' AND (d.unmet OR d.reason <> 'SeatsExhausted') OR EXISTS (
  SELECT FROM pool p JOIN lease l ON l.pool_id = p.pool_id AND l.holder = d.holder WHERE p.product = d.product))`;

const findUnmet = `WITH u AS (
  UPDATE denial d SET unmet = true
   WHERE d.open AND NOT d.unmet AND d.reason = 'SeatsExhausted' AND d.first_at < now() - interval '1 min' RETURNING d.product)
SELECT product, count(*) AS n FROM u GROUP BY product`;

import type pg from 'pg';
import type { Logger } from '../../runtime/log.ts';

/** Steps of the history and how long each is kept, in days. */
export const tiers = [
  { stepSeconds: 60, keepDays: 3 },
  { stepSeconds: 3_600, keepDays: 120 },
  { stepSeconds: 86_400, keepDays: 1_830 },
] as const;

export interface UsagePoint {
  readonly product: string;
  readonly at: string;
  readonly seatLimit: number;
  readonly peak: number;
  readonly mean: number;
  readonly stale: number;
  /** Holders that were refused for the first time within the step. */
  readonly denied: number;
}

/** The coarsest kept step that is not coarser than the one asked for, and that still goes back to `fromMs`. */
export function tierFor(fromMs: number, stepSeconds: number, nowMs: number): number {
  const reaching = tiers.filter((t) => fromMs >= nowMs - t.keepDays * 86_400_000);
  const candidates = reaching.length > 0 ? reaching : [tiers[2]];
  const fitting = candidates.filter((t) => t.stepSeconds <= stepSeconds);
  return (fitting.at(-1) ?? candidates[0] ?? tiers[2]).stepSeconds;
}

const sampleMs = 20_000;

/**
 * Seats in use over time: three samples a minute go into a row a minute, an hour and a day at once, so nothing has to be
 * rolled up later and the history's size is bounded. The peak is exact: the ledger keeps it between samples.
 */
export class UsageHistory {
  readonly #db: pg.Pool;
  readonly #log: Logger;
  readonly #historyDays: number;
  #timer: NodeJS.Timeout | undefined;
  #prunedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> = Promise.resolve();

  /** `historyDays`: how long events, denials and the audit are kept. */
  constructor(db: pg.Pool, log: Logger, historyDays: number) {
    this.#db = db;
    this.#log = log;
    this.#historyDays = historyDays;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running = this.#running
        .then(() => this.sample())
        .catch((error) => {
          this.#log.warn({ err: error }, 'usage could not be stored');
        });
    }, sampleMs);
  }
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async sample(): Promise<void> {
    await this.#db.query('SELECT sample_usage()');
    if (performance.now() - this.#prunedAt < 3_600_000) return;
    this.#prunedAt = performance.now();
    await this.prune();
  }

  /** Removes what is older than it is kept; not on the day after the clock jumped ahead, which may have been a mistake. */
  async prune(): Promise<void> {
    const jump = await this.#db.query("SELECT FROM cluster WHERE jumped_at > now() - interval '1 day'");
    if (jump.rowCount !== 0) return;
    for (const t of tiers) {
      await this.#db.query("DELETE FROM usage WHERE step_seconds = $1 AND at < now() - $2 * interval '1 day'", [
        t.stepSeconds,
        t.keepDays,
      ]);
    }
    const age = [this.#historyDays];
    await this.#db.query("DELETE FROM event WHERE at < now() - $1 * interval '1 day'", age);
    await this.#db.query("DELETE FROM denial WHERE last_at < now() - $1 * interval '1 day'", age);
    await this.#db.query("DELETE FROM audit WHERE at < now() - $1 * interval '1 day'", age);
    await this.#db.query("DELETE FROM clearing WHERE at < now() - $1 * interval '1 day' AND id LIKE 'start:%'", age);
    await this.#db.query(
      `DELETE FROM base b WHERE b.seen_at < now() - interval '1 day' AND NOT EXISTS (
         SELECT FROM pool p JOIN lease l ON l.pool_id = p.pool_id AND l.holder >= b.base || chr(31) AND l.holder < b.base || chr(32))`,
    );
  }

  /** Points from `fromMs` (inclusive) to `toMs` (exclusive), in steps of `stepSeconds`. */
  async points(fromMs: number, toMs: number, stepSeconds: number, product?: string): Promise<UsagePoint[]> {
    const tier = tierFor(fromMs, stepSeconds, Date.now());
    const { rows } = await this.#db.query(
      `SELECT product, date_bin($3 * interval '1 s', at, '2000-01-01Z') AS bin, max(seat_limit) AS seat_limit, max(peak) AS peak,
              sum(mean * samples) / sum(samples) AS mean, max(stale) AS stale, sum(denied)::int AS denied
         FROM usage WHERE step_seconds = $4 AND at >= date_bin($4 * interval '1 s', $1, '2000-01-01Z') AND at < $2 AND ($5::text IS NULL OR product = $5)
        GROUP BY product, bin ORDER BY product, bin`,
      [
        new Date(fromMs).toISOString(),
        new Date(toMs).toISOString(),
        Math.max(stepSeconds, tier),
        tier,
        product ?? null,
      ],
    );
    return rows.map((r) => ({
      product: r.product,
      at: r.bin.toISOString(),
      seatLimit: r.seat_limit,
      peak: r.peak,
      mean: Math.round(Number(r.mean) * 100) / 100,
      stale: r.stale,
      denied: r.denied,
    }));
  }
}

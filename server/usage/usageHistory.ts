import type pg from 'pg';
import { Loop } from '../loop.ts';
import { Pruning } from './pruning.ts';

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
/** Old rows are looked for so often. */
const pruneMs = 60_000;

export interface HistoryOptions {
  readonly db: pg.Pool;
  /** How long events, denials and the audit are kept. */
  readonly historyDays: number;
  /** Told of what could not be done: it is tried again. */
  failed(op: 'usage' | 'prune', error: unknown): void;
}

/**
 * Seats in use over time: three samples a minute go into a row a minute, an hour and a day at once, so nothing has to be
 * rolled up later and the history's size is bounded. The peak is exact: the ledger keeps it between samples.
 */
export class UsageHistory {
  readonly #db: pg.Pool;
  /** How long events, denials and the audit are kept. */
  readonly historyDays: number;
  readonly #pruning: Pruning;
  readonly #loops: readonly Loop[];

  constructor({ db, historyDays, failed }: HistoryOptions) {
    this.#db = db;
    this.historyDays = historyDays;
    this.#pruning = new Pruning(db, historyDays, tiers);
    this.#loops = [
      new Loop(
        sampleMs,
        () => this.sample().then(() => false),
        (error) => failed('usage', error),
      ),
      new Loop(
        pruneMs,
        () => this.#pruning.portion(),
        (error) => failed('prune', error),
      ),
    ];
  }

  start(): void {
    for (const loop of this.#loops) loop.start();
  }
  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  /** Pool by pool, since a transaction locks one only. */
  async sample(): Promise<void> {
    const { rows } = await this.#db.query<{ pool_id: number }>('SELECT pool_id FROM pool ORDER BY pool_id');
    for (const { pool_id } of rows) await this.#db.query('SELECT sample_usage($1)', [pool_id]);
  }

  /** Removes all that is older than it is kept. The loop does the same, with rests in between. */
  async prune(): Promise<void> {
    while (await this.#pruning.portion());
  }

  /** Points from `fromMs` (inclusive) to `toMs` (exclusive), in steps of `stepSeconds`. */
  async points(fromMs: number, toMs: number, stepSeconds: number, product?: string): Promise<UsagePoint[]> {
    const tier = tierFor(fromMs, stepSeconds, Date.now());
    const { rows } = await this.#db.query(
      `SELECT product, step_begin($3, at) AS bin, max(seat_limit) AS seat_limit, max(peak) AS peak,
              sum(mean * samples) / sum(samples) AS mean, max(stale) AS stale, sum(denied)::int AS denied
         FROM usage WHERE step_seconds = $4 AND at >= step_begin($4, $1) AND at < $2 AND ($5::text IS NULL OR product = $5)
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

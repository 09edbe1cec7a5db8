import type pg from 'pg';

/** How many seats were given back lately. */
export interface Pace {
  readonly seats: number;
  readonly seconds: number;
}

const keptMs = 30_000;
const most = 20_000;

/** How fast seats of a pool come free: of the last hour, or where nothing was given back in it, of the last day. Counted twice a minute at most. */
export class Paces {
  readonly #db: Pick<pg.Pool, 'query'>;
  readonly #known = new Map<number, { readonly pace: Promise<Pace>; readonly untilMs: number }>();

  constructor(db: Pick<pg.Pool, 'query'>) {
    this.#db = db;
  }

  of(poolId: number): Promise<Pace> {
    const nowMs = performance.now();
    const known = this.#known.get(poolId);
    if (known !== undefined && known.untilMs > nowMs) return known.pace;
    const pace = this.#read(poolId);
    this.#known.set(poolId, { pace, untilMs: nowMs + keptMs });
    pace.catch(() => this.#known.delete(poolId));
    return pace;
  }

  async #read(poolId: number): Promise<Pace> {
    for (const seconds of [3_600, 86_400]) {
      const { rows } = await this.#db.query<{ n: number; seconds: number }>(
        `SELECT count(*)::int AS n, coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 AS seconds FROM (
           SELECT at FROM event WHERE pool_id = $1 AND at > clock_timestamp() - $2 * interval '1 s' AND code NOT IN ('G', 'O') LIMIT $3) e`,
        [poolId, seconds, most],
      );
      const n = rows[0]?.n ?? 0;
      // of more than are looked at, the time that they took counts
      if (n > 0) return { seats: n, seconds: n < most ? seconds : Math.max(rows[0]?.seconds ?? seconds, 1) };
    }
    return { seats: 0, seconds: 86_400 };
  }
}

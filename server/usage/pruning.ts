import type pg from 'pg';

/** Rows a statement, so that none is long, and none holds others up. */
export const portionRows = 5_000;
/** More episodes of refusals are not kept, however young: a program that asks under a new name each time must not fill the disk. */
const mostDenials = 500_000;

export interface Tier {
  readonly stepSeconds: number;
  readonly keepDays: number;
}

/** A step removes a portion and answers how many rows went; fewer than a portion: it is done. */
type Step = () => Promise<number>;

/**
 * Removes what is older than it is kept, a portion a call: it goes on where it stopped, also after an error, and begins anew when
 * it is through. A table that cannot be pruned does not keep the others from it.
 */
export class Pruning {
  readonly #db: pg.Pool;
  readonly #historyDays: number;
  readonly #tiers: readonly Tier[];
  readonly #mostDenials: number;
  /** What is left of this round. */
  #steps: Step[] = [];

  constructor(db: pg.Pool, historyDays: number, tiers: readonly Tier[], most = mostDenials) {
    this.#mostDenials = most;
    this.#db = db;
    this.#historyDays = historyDays;
    this.#tiers = tiers;
  }

  /** Whether more is left of this round. @throws the database's error; the next call takes the next table */
  async portion(): Promise<boolean> {
    if (this.#steps.length === 0) {
      if (await this.#clockJumped()) return false;
      this.#steps = await this.#round();
    }
    const [step] = this.#steps;
    if (step === undefined) return false;
    let isDone = true;
    try {
      isDone = (await step()) < portionRows;
    } finally {
      if (isDone) this.#steps.shift();
    }
    return this.#steps.length > 0;
  }

  /** Not on the day after the clock jumped ahead, which may have been a mistake. */
  async #clockJumped(): Promise<boolean> {
    const { rowCount } = await this.#db.query("SELECT FROM cluster WHERE jumped_at > now() - interval '1 day'");
    return rowCount !== 0;
  }

  async #round(): Promise<Step[]> {
    const { rows } = await this.#db.query<{ before: Date; base: Date }>(
      "SELECT now() - $1 * interval '1 day' AS before, now() - interval '1 day' AS base",
      [this.#historyDays],
    );
    const [now] = rows;
    if (now === undefined) return [];
    const { before } = now;
    return [
      ...this.#tiers.map(
        (tier): Step =>
          () =>
            this.#remove('usage', "step_seconds = $1 AND at < now() - $2 * interval '1 day'", [
              tier.stepSeconds,
              tier.keepDays,
            ]),
      ),
      this.#events(before),
      () => this.#remove('denial', 'last_at < $1', [before], 'last_at'),
      await this.#denialsBeyond(),
      () => this.#remove('audit', 'at < $1', [before], 'at'),
      () => this.#remove('clearing', "at < $1 AND id LIKE 'start:%'", [before]),
      this.#bases(now.base),
    ];
  }

  /** `table`, `where` and `order` are of this file. */
  async #remove(table: string, where: string, values: readonly unknown[], order?: string): Promise<number> {
    const chosen = `SELECT ctid FROM ${table} WHERE ${where}${order === undefined ? '' : ` ORDER BY ${order}`} LIMIT ${portionRows}`;
    const { rowCount } = await this.#db.query(
      `DELETE FROM ${table} WHERE ctid = ANY(ARRAY(${chosen} FOR UPDATE SKIP LOCKED))`,
      [...values],
    );
    return rowCount ?? 0;
  }

  /** They lie about in the order of their time: each portion begins where the one before ended. */
  #events(before: Date): Step {
    let from = '-infinity';
    return async () => {
      const { rows } = await this.#db.query<{ n: number; last_at: string | null }>(
        'SELECT n, last_at::text FROM prune_events($1, $2, $3)',
        [before, from, portionRows],
      );
      from = rows[0]?.last_at ?? from;
      return rows[0]?.n ?? 0;
    };
  }

  async #denialsBeyond(): Promise<Step> {
    const { rows } = await this.#db.query<{ denial_id: string }>(
      'SELECT denial_id FROM denial ORDER BY denial_id DESC OFFSET $1 LIMIT 1',
      [this.#mostDenials],
    );
    const last = rows[0]?.denial_id;
    return last === undefined ? async () => 0 : () => this.#remove('denial', 'denial_id <= $1', [last], 'denial_id');
  }

  /** Bases that hold nothing any more, in the order of their names. */
  #bases(before: Date): Step {
    let from = '';
    return async () => {
      const { rows } = await this.#db.query<{ n: number; last: string | null }>(bases, [from, before, portionRows]);
      from = rows[0]?.last ?? from;
      return rows[0]?.n ?? 0;
    };
  }
}

// n: how many were looked at
const bases = `WITH b AS MATERIALIZED (SELECT base, seen_at FROM base WHERE base > $1 COLLATE "C" ORDER BY base LIMIT $3),
 d AS (DELETE FROM base x USING b WHERE x.base = b.base AND x.seen_at < $2 AND b.seen_at < $2 AND NOT EXISTS (
   SELECT FROM pool p CROSS JOIN LATERAL (SELECT FROM lease l
    WHERE l.pool_id = p.pool_id AND l.holder >= b.base || chr(31) AND l.holder < b.base || chr(32) LIMIT 1) h))
SELECT count(*)::int AS n, max(base) AS last FROM b`;

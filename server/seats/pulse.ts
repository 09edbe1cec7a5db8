import { randomUUID } from 'node:crypto';
import { DatabasePool } from '../../runtime/database/pool.ts';
import type { DatabaseConfig } from '../../runtime/database/session.ts';
import type { Logger } from '../../runtime/log.ts';
import { poolSetup } from './seatSql.ts';

/** Ten times a lease time, so that an outage is noticed before it can cost a short lease; not more seldom than this. */
const longestMs = 2_000;
const shortestMs = 300;
/** How often beats come. */
export const beatEveryMs = (leaseMs: number): number => Math.min(Math.max(leaseMs / 10, shortestMs), longestMs);
/** So long after a beat the database takes somebody for alive: as `beat` in functions/alive.sql reckons it. */
export const patienceMs = (leaseMs: number): number => Math.min(Math.max(leaseMs * 0.3, 1_000), 8_000);
/** The clocks of this server and its database may differ by so much without a word. */
const clockToleranceMs = 5 * 60_000;

export interface PulseOptions {
  readonly connection: DatabaseConfig;
  readonly leaseMs: number;
  readonly log: Logger;
  /** No other server is at this ledger. One before may have answered renewals that it had no time to write. */
  readonly isAlone: boolean;
  /** For how long the oldest renewals under way have been going on, in ms: those that hang are as good as refused. */
  renewingMs(): number;
  worked(): void;
  /** Of each beat: the database's time, in ms since the epoch; whether expiry was frozen by it. */
  beaten(nowMs: number, isShaken: boolean): void;
  failed(error: unknown): void;
}

interface Beaten {
  readonly gap_ms: string;
  readonly froze: boolean;
  readonly crashed: boolean;
  readonly o_now_ms: string;
  readonly more: boolean;
}

/**
 * Says in the database that this server is alive: one small statement, on a connection and a timer of its own, so that no other
 * work can make it late. Only when nobody's came for a while was there an outage, and then nothing expires for one lease time.
 */
export class Pulse {
  readonly #options: PulseOptions;
  readonly #db: DatabasePool;
  readonly #replica = randomUUID();
  readonly everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Of a clock that is never set. */
  #beatAt = Number.NEGATIVE_INFINITY;
  /** Renewals were refused since the last beat: their leases must not end for that. */
  #renewalsMissed = false;
  #clockTrouble: string | undefined;

  constructor(options: PulseOptions) {
    this.#options = options;
    this.everyMs = beatEveryMs(options.leaseMs);
    this.#db = new DatabasePool(options.connection, poolSetup, 1);
  }

  /** The first beat, which freezes expiry for one lease time unless other servers are alive; the others come by themselves. */
  async start(): Promise<void> {
    await this.#beat(true);
    this.#plan();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#beating;
  }

  /** Other servers need not take this one for alive any more. */
  async end(): Promise<void> {
    await this.#db
      .query('DELETE FROM replica WHERE replica_id = $1', [this.#replica])
      .catch((error) =>
        this.#options.log.warn({ err: error }, 'other servers learn in a minute that this one has ended'),
      );
    await this.#db.end();
  }

  renewalsMissed(): void {
    this.#renewalsMissed = true;
  }

  /** How long ago the last beat was, in ms. */
  silentMs(): number {
    return performance.now() - this.#beatAt;
  }

  /** That the clocks of this server and its database differ, in one sentence. */
  clockTrouble(): string | undefined {
    return this.#clockTrouble;
  }

  /** One after the other: while the database hangs, they do not pile up. */
  #plan(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#beating = this.#beat(false)
        .then(
          () => this.#options.worked(),
          (error) => this.#options.failed(error),
        )
        .finally(() => this.#plan());
    }, this.everyMs);
  }

  async #beat(isStart: boolean): Promise<void> {
    const { log, renewingMs, isAlone, beaten } = this.#options;
    // on a disk that is all but full, beats may still be written while renewals are not
    const missed = this.#renewalsMissed || renewingMs() > 2 * this.everyMs || (isStart && isAlone);
    this.#renewalsMissed = false;
    try {
      let row = await this.#ask(isStart, missed);
      while (row?.more && !this.#stopped) row = await this.#ask(isStart, missed);
      if (row === undefined) return;
      // what was answered and then lost in a crash of the database must not cost a seat
      if (row.crashed) log.info('the database has crashed or changed places: nothing expires for one lease time');
      if (row.froze || isStart) log.info({ gapMs: Number(row.gap_ms) }, 'nothing expires for one lease time');
      else if (missed) log.info('renewals were refused: nothing expires for one lease time');
      beaten(Number(row.o_now_ms), row.froze || row.crashed);
      this.#compareClocks(Number(row.o_now_ms) - Date.now());
    } catch (error) {
      this.#renewalsMissed ||= missed;
      throw error;
    }
  }

  async #ask(isStart: boolean, missed: boolean): Promise<Beaten | undefined> {
    const { rows } = await this.#db.query<Beaten>({
      name: 'beat',
      text: 'SELECT gap_ms, froze, crashed, o_now_ms, more FROM beat($1, $2, $3, $4, NULL)',
      values: [this.#replica, this.#options.leaseMs, isStart, missed],
    });
    this.#beatAt = performance.now();
    return rows[0];
  }

  /** Leases go by the database's clock, licences by this server's: a line when they begin to differ, and when no more. */
  #compareClocks(aheadMs: number): void {
    const was = this.#clockTrouble;
    const differenceSeconds = Math.round(aheadMs / 1000);
    const way = aheadMs > 0 ? 'ahead of' : 'behind';
    const differ = Math.abs(aheadMs) > clockToleranceMs;
    this.#clockTrouble = differ ? `the database's clock is far ${way} this server's: set the wrong one` : undefined;
    if (this.#clockTrouble === was) return;
    const { log } = this.#options;
    if (differ) log.warn({ differenceSeconds }, this.#clockTrouble);
    else log.info({ differenceSeconds }, "the database's clock and this server's agree again");
  }
}

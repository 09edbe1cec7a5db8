import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { ClearingStatus } from '../../licence/serverStatus.ts';
import type { DenialReason, LeaseMode, ReleaseCause } from '../../licence/words.ts';
import { isCommandFault, messageOf } from '../../runtime/database/fault.ts';
import { answerTimeoutMs, DatabasePool } from '../../runtime/database/pool.ts';
import type { DatabaseConfig } from '../../runtime/database/session.ts';
import type { Logger } from '../../runtime/log.ts';
import { LaneHealth } from '../db/laneHealth.ts';
import { DatabaseSessions } from '../db/sessions.ts';
import { TroubleLog } from '../db/troubleLog.ts';
import { Denials } from './denials.ts';
import { nextExpiryAt, type ProductEntitlement, refreshed } from './entitlement.ts';
import type { HolderKey } from './holderKey.ts';
import type { Lane } from './lane.ts';
import { newLeaseId, poolOf } from './leaseId.ts';
import { type PoolInfo, savePools } from './pools.ts';
import { createReportLane, ReportCommand } from './reportLane.ts';
import type { Reservation } from './reservations.ts';
import {
  type ClaimResult,
  createHeartbeatLane,
  createSeatLane,
  type Heartbeat,
  HeartbeatCommand,
  SeatCommand,
} from './seatLane.ts';
import type { SeatMetrics } from './seatMetrics.ts';
import {
  type Client,
  poolSetup,
  quickSetup,
  type ReportBatchResult,
  type ReportResult,
  type SeatBatchResult,
  seatSetup,
} from './seatSql.ts';
import { WaitingRoom } from './waitingRoom.ts';

/** `start`: clear at every start; `never`; or once for the given id. */
export type ClearPolicy = 'start' | 'never' | { readonly once: string };

export interface StoreOptions {
  readonly connection: DatabaseConfig;
  readonly leaseMs: number;
  readonly staleAfterMs: number;
  readonly reservations: readonly Reservation[];
  readonly log: Logger;
  readonly metrics: SeatMetrics;
}

export interface SessionToReport {
  readonly product: string;
  readonly holder: HolderKey;
}

interface OpenPool {
  info: PoolInfo;
  readonly lane: Lane<SeatCommand, pg.Client>;
}

/** Ten times a lease time, so that an outage is noticed before it can cost a short lease; not more seldom than this. */
const longestTickMs = 2_000;
const shortestTickMs = 300;
/** The clocks of this server and its database may differ by so much without a word. */
const clockToleranceMs = 5 * 60_000;
/** For `exclusively`, which waits for other servers. */
const exclusiveMs = 60_000;
/** A holder in the queue keeps its place this long after it last asked. */
export const queueMs = 15_000;

/**
 * The seats of this server: check-outs, heartbeats, releases and reports go through lanes into the database, which holds
 * the truth; a tick every two seconds (or less) keeps the clock's watch, tidies and counts. Any number of servers may share a database.
 */
export class SeatStore {
  readonly denials = new Denials();
  readonly waitingRoom = new WaitingRoom(queueMs / 3);
  /** For everything that is not on the hot path. */
  readonly db: DatabasePool;
  readonly leaseMs: number;
  readonly staleAfterMs: number;
  readonly #log: Logger;
  readonly #metrics: SeatMetrics;
  readonly #reservations: readonly Reservation[];
  readonly #seats: DatabaseSessions;
  readonly #quick: DatabaseSessions;
  readonly #heartbeats: Lane<HeartbeatCommand, pg.Client>;
  readonly #reports: Lane<ReportCommand, pg.Client>;
  readonly #lanes = new Map<number, Lane<SeatCommand, pg.Client>>();
  readonly #replica = randomUUID();
  #pools = new Map<string, OpenPool>();
  #ticker: NodeJS.Timeout | undefined;
  #ticking: Promise<void> = Promise.resolve();
  readonly #tickMs: number;
  readonly #trouble: TroubleLog;
  #expiry: NodeJS.Timeout | undefined;
  #entitlements: readonly ProductEntitlement[] = [];
  // of a clock that is never set
  #tickedAt = Number.NEGATIVE_INFINITY;
  readonly #health = new LaneHealth();
  #clockTrouble: string | undefined;
  #stopped = false;
  /** Renewals were refused since the last tick: their leases must not end for that. */
  #renewalsMissed = false;

  constructor(options: StoreOptions) {
    this.leaseMs = options.leaseMs;
    this.staleAfterMs = options.staleAfterMs;
    this.#log = options.log;
    this.#metrics = options.metrics;
    this.#reservations = options.reservations;
    this.#tickMs = Math.min(Math.max(options.leaseMs / 10, shortestTickMs), longestTickMs);
    this.#trouble = new TroubleLog(options.log);
    this.#seats = new DatabaseSessions(options.connection, seatSetup, 4);
    this.#quick = new DatabaseSessions(options.connection, quickSetup, 3);
    this.db = new DatabasePool(options.connection, poolSetup, 4);
    this.#heartbeats = createHeartbeatLane(this.#quick, this.leaseMs, this.#events('heartbeat'));
    this.#reports = createReportLane(
      this.#quick,
      this.#seats,
      this.leaseMs,
      (result) => this.#reported(result),
      this.#events('report'),
    );
  }

  /** The first tick (which freezes expiry for one lease time unless other servers are alive), and the clearing. */
  async start(policy: ClearPolicy): Promise<ClearingStatus | undefined> {
    await this.#tick(true);
    const clearing = await this.#clearAtStart(policy);
    this.#planTick();
    return clearing;
  }

  /** One tick after the other: while the database hangs, they do not pile up. */
  #planTick(): void {
    if (this.#stopped) return;
    this.#ticker = setTimeout(() => {
      this.#ticking = this.#tick(false)
        .then(
          () => {
            this.#health.worked('tick');
            this.#trouble.worked();
          },
          (error) => this.#troubled('tick', error),
        )
        .finally(() => this.#planTick());
    }, this.#tickMs);
  }

  /** Answers what is under way, then closes. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#ticker);
    clearTimeout(this.#expiry);
    this.waitingRoom.close();
    await this.#ticking;
    await Promise.all([...this.#lanes.values(), this.#heartbeats, this.#reports].map((lane) => lane.drained()));
    try {
      await this.denials.flush(this.db);
      await this.db.query('DELETE FROM replica WHERE replica_id = $1', [this.#replica]);
    } catch (error) {
      this.#log.warn({ err: error }, 'last notes could not be stored');
    }
    await Promise.all([this.#seats.end(), this.#quick.end(), this.db.end()]);
  }

  /** What is wrong with the database or its disk, in one sentence; undefined while it works. */
  trouble(): string | undefined {
    const silentMs = performance.now() - this.#tickedAt;
    if (silentMs > 15_000)
      return `the database has not answered for ${Math.round(silentMs / 1000)} s: ${this.#health.faultOf('tick') ?? 'the last question is still open'}`;
    return this.#health.trouble();
  }

  /** That the clocks of this server and its database differ, in one sentence: told, but no reason not to serve. */
  clockTrouble(): string | undefined {
    return this.#clockTrouble;
  }

  /** New limits count for every check-out that comes after. Licences that expire later are taken off by a timer. */
  async setEntitlements(entitlements: readonly ProductEntitlement[]): Promise<void> {
    const pools = await this.transaction((tx) => savePools(tx, entitlements, this.#reservations, this.leaseMs));
    this.#entitlements = entitlements;
    const open = new Map<string, OpenPool>();
    for (const info of pools) {
      const lane = this.#lanes.get(info.poolId) ?? this.#openLane(info);
      this.#lanes.set(info.poolId, lane);
      if (!this.#pools.has(info.product)) this.#metrics.introduce(info.product);
      open.set(info.product, { info, lane });
    }
    this.#pools = open;
    clearTimeout(this.#expiry);
    const now = Date.now();
    const next = nextExpiryAt(entitlements, now);
    if (next === undefined || this.#stopped) return;
    // timers hold no more than 24 days
    this.#expiry = setTimeout(() => this.#refresh(next), Math.min(next - now + 1, 86_400_000));
  }

  pool(product: string): PoolInfo | undefined {
    return this.#pools.get(product)?.info;
  }
  pools(): PoolInfo[] {
    return [...this.#pools.values()].map((p) => p.info);
  }

  /** Takes a seat for a holder, or renews the one it has. `queues`: if refused, it takes a place in the queue. */
  checkOut(
    pool: PoolInfo,
    holder: HolderKey,
    mode: LeaseMode,
    queues: boolean,
    subject: string | undefined,
    done: (result: ClaimResult) => void,
    fail: (error: unknown) => void,
  ): void {
    const lane = this.#lanes.get(pool.poolId);
    if (lane === undefined) throw new Error(`no lane for ${pool.product}`);
    const slot = pool.reservations.length === 0 ? 0 : pool.slotOf(holder);
    const claim = { holder, leaseId: newLeaseId(pool.poolId), mode, slot, queueMs: queues ? queueMs : 0, subject };
    lane.push(SeatCommand.claim(claim, done, fail));
  }

  heartbeat(
    leaseIds: readonly string[],
    done: (outcomes: readonly Heartbeat[] | Heartbeat, nowMs: number) => void,
    fail: (error: unknown) => void,
  ): void {
    this.#heartbeats.push(new HeartbeatCommand(leaseIds, done, fail));
  }

  /** Gives a seat back; resolves to whether it was held. */
  release(leaseId: string, cause: ReleaseCause): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const poolId = poolOf(leaseId);
      const lane = this.#lanes.get(poolId);
      if (lane === undefined) {
        // of a product whose keys are gone: its seats can still be given back
        this.#openForRelease(poolId).then((found) => {
          if (found) this.release(leaseId, cause).then(resolve, reject);
          else resolve(false);
        }, reject);
        return;
      }
      const done = (held: boolean) => {
        if (held) this.#metrics.released(this.#productOf(poolId), cause, 1);
        resolve(held);
      };
      lane.push(SeatCommand.release({ leaseId, cause }, done, reject));
    });
  }

  /** Sets the full state of a base. */
  report(base: string, sessions: readonly SessionToReport[]): Promise<ReportResult> {
    return new Promise((resolve, reject) => {
      const rows = sessions.map(({ product, holder }) => {
        const pool = this.#pools.get(product)?.info;
        const poolId = pool?.poolId ?? 0;
        return { poolId, holder, leaseId: newLeaseId(poolId), slot: pool?.slotOf(holder) ?? 0 };
      });
      this.#reports.push(new ReportCommand({ base, sessions: rows }, resolve, reject));
    });
  }

  /** Gives all stale seats back in place; answers how many. */
  releaseStale(product: string | undefined, cause: 'admin' | 'roll'): Promise<Cleared> {
    return this.#clear(this.db, product, cause);
  }

  noteDenial(product: string, holder: HolderKey, reason: DenialReason): void {
    this.denials.note(product, holder, reason);
  }

  /** Runs work in one transaction; it is undone if the work throws. */
  transaction<T>(work: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  /** Runs work that no other server on this database runs at the same time. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const client = await this.db.connect();
    try {
      await client.query(`SET lock_timeout=${exclusiveMs}; SET statement_timeout=${exclusiveMs}`);
      const locking = { text: 'SELECT pg_advisory_lock(7227003)', query_timeout: exclusiveMs + answerTimeoutMs };
      await client.query(locking);
      return await work();
    } finally {
      // the session ends, and with it the lock and the settings
      client.release(true);
    }
  }

  /** Counts stale seats and waiting holders anew, so that counters read after it are true. */
  async count(): Promise<void> {
    await this.denials.flush(this.db);
    await this.db.query("SELECT count_pools($1 * interval '1 ms')", [this.staleAfterMs]);
  }

  /** A licence has just expired (or a day has passed). The given time counts even if the clock was set back meanwhile. */
  #refresh(expiryMs: number): void {
    const early = Date.now() < expiryMs - 86_000_000;
    const current = early ? this.#entitlements : refreshed(this.#entitlements, Math.max(Date.now(), expiryMs));
    this.setEntitlements(current).catch((error) => {
      this.#troubled('entitlements', error);
      if (!this.#stopped) this.#expiry = setTimeout(() => this.#refresh(expiryMs), 5_000);
    });
  }

  #productOf(poolId: number): string {
    for (const { info } of this.#pools.values()) if (info.poolId === poolId) return info.product;
    return '';
  }

  #openLane(info: { poolId: number; product: string }): Lane<SeatCommand, pg.Client> {
    const told = (result: SeatBatchResult) => {
      if (result.reaped > 0) this.#metrics.released(info.product, 'expired', result.reaped);
      if (result.seatLimit > result.inUse) this.waitingRoom.poke(info.poolId, result.seatLimit - result.inUse);
    };
    return createSeatLane(this.#seats, info.poolId, this.leaseMs, told, this.#events('seats'));
  }

  async #openForRelease(poolId: number): Promise<boolean> {
    const { rows } = await this.db.query<{ product: string }>('SELECT product FROM pool WHERE pool_id = $1', [poolId]);
    const product = rows[0]?.product;
    if (product === undefined) return false;
    if (!this.#lanes.has(poolId)) this.#lanes.set(poolId, this.#openLane({ poolId, product }));
    return true;
  }

  #reported({ pools }: ReportBatchResult): void {
    for (const { poolId, released, reaped } of pools) {
      const product = this.#productOf(poolId);
      this.#metrics.released(product, 'report', released);
      this.#metrics.released(product, 'expired', reaped);
      this.waitingRoom.poke(poolId, released + reaped);
    }
  }

  #events(op: string) {
    return {
      onTrouble: (error: unknown, size: number) => this.#troubled(op, error, size),
      onWork: () => this.#health.worked(op),
    };
  }

  #troubled(op: string, error: unknown, size = 1): void {
    this.#metrics.storeError(op);
    if (isCommandFault(error)) {
      this.#log.warn({ err: error, op, size }, 'the database did not do a piece of work');
      return;
    }
    this.#health.failed(op, messageOf(error));
    if (op === 'heartbeat') this.#renewalsMissed = true;
    this.#trouble.note(op, error, size);
  }

  /** A lane that failed and is not asked any more cannot show that it works: it is asked for what is nobody's. */
  #prove(): void {
    const nobodys = '00000000-0000-0000-0000-000000000000';
    const ignore = () => {};
    if (this.#health.isFailing('heartbeat')) this.heartbeat([nobodys], ignore, ignore);
    const [lane] = this.#lanes.values();
    if (this.#health.isFailing('seats'))
      lane?.push(SeatCommand.release({ leaseId: nobodys, cause: 'holder' }, ignore, ignore));
  }

  /** On a disk that is all but full, ticks may still be written while renewals are not. */
  async #keepUnrenewed(): Promise<void> {
    this.#renewalsMissed = false;
    try {
      await this.db.query(
        `WITH p AS (SELECT pool_id FROM pool ORDER BY pool_id FOR UPDATE)
         UPDATE pool SET frozen_until = greatest(frozen_until, clock_timestamp() + $1 * interval '1 ms') FROM p WHERE pool.pool_id = p.pool_id`,
        [this.leaseMs],
      );
      this.#log.info('renewals were refused: nothing expires for one lease time');
    } catch (error) {
      this.#renewalsMissed = true;
      throw error;
    }
  }

  /** What was answered and then lost in a crash of the database must not cost a seat. */
  async #noticeCrash(): Promise<void> {
    const { rows } = await this.db.query<{ crashed: boolean }>('SELECT notice_crash($1) AS crashed', [this.leaseMs]);
    if (rows[0]?.crashed)
      this.#log.info('the database has crashed or changed places: nothing expires for one lease time');
  }

  async #tick(start: boolean): Promise<void> {
    this.#prove();
    // renewals that hang are as good as refused
    if (this.#heartbeats.busyMs() > 2 * this.#tickMs) this.#renewalsMissed = true;
    if (this.#renewalsMissed) await this.#keepUnrenewed();
    await this.#noticeCrash();
    const { rows } = await this.db.query<{ gap_ms: string; froze: boolean; o_now_ms: string }>(
      'SELECT * FROM tick($1, $2, $3, NULL)',
      [this.#replica, this.leaseMs, start],
    );
    this.#tickedAt = performance.now();
    const [row] = rows;
    if (row?.froze) this.#log.info({ gapMs: Number(row.gap_ms) }, 'nothing expires for one lease time');
    if (row) this.#compareClocks(Number(row.o_now_ms) - Date.now());
    if (start) return;
    await this.count();
    const due = await this.db.query<{ pool_id: number; product: string }>(
      'SELECT pool_id, product FROM pool WHERE next_expiry <= clock_timestamp() AND frozen_until <= clock_timestamp()',
    );
    for (const { pool_id, product } of due.rows) {
      const reaped = await this.db.query<{ n: number }>('SELECT reap($1, NULL) AS n', [pool_id]);
      const n = reaped.rows[0]?.n ?? 0;
      if (n > 0) this.#metrics.released(product, 'expired', n);
    }
    for (const [product, n] of await this.denials.settle(this.db)) this.#metrics.unmet(product, n);
    // an empty batch takes those out of the queue who no longer ask
    const queues = await this.db.query<{ pool_id: number; free: number }>(
      `SELECT p.pool_id, b.o_limit - b.o_in_use AS free FROM pool p,
       LATERAL seat_batch(p.pool_id, 1000, '{}', '{}', '{}', NULL, NULL, NULL, '{}', '{}', false, NULL) b WHERE p.waiting > 0`,
    );
    for (const row of queues.rows) this.waitingRoom.poke(row.pool_id, row.free);
  }

  /** Leases go by the database's clock, licences by this server's: a line when they begin to differ, and when no more. */
  #compareClocks(aheadMs: number): void {
    const was = this.#clockTrouble;
    const differenceSeconds = Math.round(aheadMs / 1000);
    const way = aheadMs > 0 ? 'ahead of' : 'behind';
    const differ = Math.abs(aheadMs) > clockToleranceMs;
    this.#clockTrouble = differ ? `the database's clock is far ${way} this server's: set the wrong one` : undefined;
    if (this.#clockTrouble === was) return;
    if (differ) this.#log.warn({ differenceSeconds }, this.#clockTrouble);
    else this.#log.info({ differenceSeconds }, "the database's clock and this server's agree again");
  }

  async #clear(client: Client, product: string | undefined, cause: 'admin' | 'roll'): Promise<Cleared> {
    const { rows } = await client.query<{ stale_before: number; cleared: number; kept: number; products: string }>(
      "SELECT * FROM clear_stale($1 * interval '1 ms', $2, $3, NULL)",
      [this.staleAfterMs, product ?? null, cause === 'admin' ? 'A' : 'R'],
    );
    const row = rows[0];
    if (row === undefined) throw new Error('clear_stale answered no row');
    for (const part of row.products.split(',')) {
      const at = part.lastIndexOf('=');
      if (at > 0) this.#metrics.released(part.slice(0, at), cause, Number(part.slice(at + 1)));
    }
    for (const { info } of this.#pools.values()) this.waitingRoom.poke(info.poolId, row.cleared);
    return { before: row.stale_before, released: row.cleared, kept: row.kept };
  }

  async #clearAtStart(policy: ClearPolicy): Promise<ClearingStatus | undefined> {
    if (policy === 'never') return undefined;
    const id = policy === 'start' ? `start:${new Date().toISOString()}` : policy.once;
    return this.transaction(async (tx) => {
      await tx.query('LOCK TABLE clearing IN EXCLUSIVE MODE'); // of two servers that start together one clears
      const known = await tx.query<ClearingRow>('SELECT * FROM clearing WHERE id = $1', [id]);
      if (known.rows[0]) return clearingOf(known.rows[0]);
      const done = await this.#clear(tx, undefined, 'roll');
      const { rows } = await tx.query<ClearingRow>(
        'INSERT INTO clearing (id, at, stale_before, cleared, kept) VALUES ($1, clock_timestamp(), $2, $3, $4) RETURNING *',
        [id, done.before, done.released, done.kept],
      );
      this.#log.info({ id, ...done }, 'stale seats cleared at start');
      return rows[0] && clearingOf(rows[0]);
    });
  }
}

/** A clearing of stale seats in numbers. */
export interface Cleared {
  readonly before: number;
  readonly released: number;
  readonly kept: number;
}

interface ClearingRow {
  id: string;
  at: Date;
  stale_before: number;
  cleared: number;
  kept: number;
}

const clearingOf = (row: ClearingRow): ClearingStatus => ({
  id: row.id,
  at: row.at.toISOString(),
  staleBefore: row.stale_before,
  cleared: row.cleared,
  kept: row.kept,
});

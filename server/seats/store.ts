import type pg from 'pg';
import { overReserved } from '../../licence/ruleDoubts.ts';
import type { SeatRule } from '../../licence/seatRule.ts';
import type { ClearingStatus } from '../../licence/serverStatus.ts';
import type { DenialReason, LeaseMode, ReleaseCause } from '../../licence/words.ts';
import { isCommandFault, messageOf } from '../../runtime/database/fault.ts';
import { answerTimeoutMs, DatabasePool } from '../../runtime/database/pool.ts';
import type { DatabaseConfig } from '../../runtime/database/session.ts';
import type { Logger } from '../../runtime/log.ts';
import { LaneHealth } from '../db/laneHealth.ts';
import { DatabaseSessions } from '../db/sessions.ts';
import { TroubleLog } from '../db/troubleLog.ts';
import { renewalTimes } from './answerAtOnce.ts';
import { BaseOwners } from './baseOwners.ts';
import { BorrowedSeats } from './borrowedSeats.ts';
import { type Cleared, type ClearPolicy, type ClearRequest, clearAtStart, clearStale } from './clearing.ts';
import { Denials } from './denials.ts';
import { nextExpiryAt, type ProductEntitlement, refreshed } from './entitlement.ts';
import { foldNames } from './foldNames.ts';
import { noGroups, type ReadGroups } from './groupFiles.ts';
import { askedOf, fold, type HolderKey } from './holderKey.ts';
import { Housekeeping } from './housekeeping.ts';
import type { Lane } from './lane.ts';
import { newLeaseId, poolOf } from './leaseId.ts';
import { Assignments } from './named/assignments.ts';
import { countingTrouble, doubtsOfRules } from './poolDoubts.ts';
import { type PoolInfo, type Ruling, savePools } from './pools.ts';
import { beatEveryMs, Pulse, patienceMs } from './pulse.ts';
import { QueueLeavers } from './queueLeavers.ts';
import { Renewals } from './renewals.ts';
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
import { housekeeping, type SeatMetrics, type StoreOp } from './seatMetrics.ts';
import { claimed, type Groups, type Ruled } from './seatRules.ts';
import {
  poolSetup,
  quickSetup,
  type ReportBatchResult,
  type ReportResult,
  type SeatBatchResult,
  seatSetup,
} from './seatSql.ts';
import { Swings } from './swings.ts';
import { TermsAgain } from './termsAgain.ts';
import { WaitingRoom } from './waitingRoom.ts';

export interface StoreOptions {
  readonly connection: DatabaseConfig;
  readonly leaseMs: number;
  readonly staleAfterMs: number;
  readonly reservations: readonly Reservation[];
  readonly rules: readonly SeatRule[];
  /** No other server can be at this ledger: heartbeats may be answered before they are in it. */
  readonly isAlone?: boolean;
  readonly log: Logger;
  readonly metrics: SeatMetrics;
}

export interface SessionToReport {
  readonly product: string;
  readonly holder: HolderKey;
  /** How the holder was spelled, where that is not its key. */
  readonly shown?: string | undefined;
  /** Its program is idle. */
  readonly idle?: boolean;
}

interface OpenPool {
  info: PoolInfo;
  readonly lane: Lane<SeatCommand, pg.Client>;
}

/** For `exclusively`, which waits for other servers. */
const exclusiveMs = 60_000;
/** Whoever has it changes what the licences grant, or their files. */
const exclusiveLock = 7227003;
/** A holder in the queue keeps its place this long after it last asked. */
export const queueMs = 15_000;

/**
 * The seats of this server: check-outs, heartbeats, releases and reports go through lanes into the database, which holds
 * the truth. A beat says that this server is alive; housekeeping goes in loops of its own, which may be late. Any number of servers may share a database.
 */
export class SeatStore {
  readonly denials = new Denials();
  readonly waitingRoom = new WaitingRoom(queueMs / 3);
  /** For everything that is not on the hot path. */
  readonly db: DatabasePool;
  /** What was taken along. */
  readonly borrowed: BorrowedSeats;
  /** Whose the names of bases are. */
  readonly owners: BaseOwners;
  /** Whose the seats of products for named users are. */
  readonly assignments: Assignments;
  /** Reads again what the licences grant, before somebody is refused for it. */
  readonly termsAgain = new TermsAgain();
  readonly #swings = new Swings();
  readonly leaseMs: number;
  readonly staleAfterMs: number;
  readonly #log: Logger;
  readonly #metrics: SeatMetrics;
  #ruling: Ruling;
  #groups: ReadGroups = noGroups;
  readonly #seats: DatabaseSessions;
  readonly #quick: DatabaseSessions;
  readonly #heartbeats: Lane<HeartbeatCommand, pg.Client>;
  /** Undefined where other servers may be at this ledger: then each heartbeat is answered by the database. */
  readonly #renewals: Renewals | undefined;
  readonly #reports: Lane<ReportCommand, pg.Client>;
  readonly #lanes = new Map<number, Lane<SeatCommand, pg.Client>>();
  #pools = new Map<string, OpenPool>();
  /** Pools of which it is known that their leases may be several seats. */
  readonly #sized = new Set<number>();
  readonly #pulse: Pulse;
  readonly #leavers: QueueLeavers;
  readonly #housekeeping: Housekeeping;
  readonly #trouble: TroubleLog;
  #expiry: NodeJS.Timeout | undefined;
  #entitlements: readonly ProductEntitlement[] = [];
  // of a clock that is never set
  readonly #health = new LaneHealth();
  #stopped = false;

  constructor(options: StoreOptions) {
    this.leaseMs = options.leaseMs;
    this.staleAfterMs = options.staleAfterMs;
    this.#log = options.log;
    this.#metrics = options.metrics;
    const { reservations, rules } = options;
    this.#ruling = { reservations, rules, groups: noGroups.groups, groupsDigest: noGroups.digest };
    this.#trouble = new TroubleLog(options.log);
    this.#seats = new DatabaseSessions(options.connection, seatSetup, 4);
    this.#quick = new DatabaseSessions(options.connection, quickSetup, 3);
    this.db = new DatabasePool(options.connection, poolSetup, 4);
    this.owners = new BaseOwners(this.db);
    this.#renewals = options.isAlone === true ? this.#openRenewals() : undefined;
    this.borrowed = new BorrowedSeats(this.db, () => this.#housekeeping.countPools(), this.#renewals);
    this.assignments = new Assignments(
      this.db,
      (work) => this.transaction(work),
      ({ product, poolId }, leases) => {
        this.#metrics.released(product, 'admin', leases);
        this.waitingRoom.poke(poolId, leases);
      },
      this.#renewals,
    );
    this.#pulse = new Pulse({
      connection: options.connection,
      leaseMs: options.leaseMs,
      log: options.log,
      isAlone: options.isAlone === true,
      renewingMs: () => Math.max(this.#heartbeats.busyMs(), this.#renewals?.lateMs() ?? 0),
      beaten: (nowMs, isShaken) => this.#renewals?.observe(nowMs, isShaken),
      worked: () => {
        this.#health.worked('beat');
        this.#trouble.worked();
        this.#prove();
      },
      failed: (error) => {
        this.troubled('beat', error);
        this.#prove();
      },
    });
    this.#leavers = new QueueLeavers(
      this.db,
      queueMs,
      (poolId, free) => this.waitingRoom.poke(poolId, free),
      (error) => this.troubled('queue', error),
    );
    this.#housekeeping = new Housekeeping({
      db: this.db,
      staleAfterMs: this.staleAfterMs,
      denials: this.denials,
      owners: this.owners,
      metrics: this.#metrics,
      freed: (poolId, seats) => this.waitingRoom.poke(poolId, seats),
      failed: (op, error) => this.troubled(op, error),
    });
    this.#heartbeats = createHeartbeatLane(this.#quick, this.leaseMs, this.#events('heartbeat'), this.#renewals);
    this.#reports = createReportLane(
      this.#quick,
      this.#seats,
      this.leaseMs,
      (result) => this.#reported(result),
      this.#events('report'),
      this.#renewals,
    );
  }

  /** The first beat (which freezes expiry for one lease time unless other servers are alive), the clearing, and a first count. */
  async start(policy: ClearPolicy): Promise<ClearingStatus | undefined> {
    await this.#pulse.start();
    this.#renewals?.start();
    const merged = await foldNames((work) => this.transaction(work));
    if (merged > 0) this.#log.warn({ merged }, 'seats of holders whose names differ in case only are one seat each');
    const clearing = await clearAtStart(policy, this.#clearing('roll'), (work) => this.transaction(work));
    if (clearing) this.#log.info(clearing, 'stale seats cleared at start');
    await this.count();
    this.#housekeeping.start(this.#pulse.everyMs);
    return clearing;
  }

  /** Answers what is under way, then closes. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#expiry);
    this.waitingRoom.close();
    await this.#renewals?.stop();
    await Promise.all([this.#pulse.stop(), this.#leavers.drained(), this.#housekeeping.stop()]);
    await Promise.all([...this.#lanes.values(), this.#heartbeats, this.#reports].map((lane) => lane.drained()));
    try {
      await this.denials.flush(this.db);
    } catch (error) {
      this.#log.warn({ err: error }, 'last notes could not be stored');
    }
    await Promise.all([this.#pulse.end(), this.#seats.end(), this.#quick.end(), this.db.end()]);
  }

  /** What is wrong with the database or its disk, in one sentence; undefined while it works. */
  trouble(): string | undefined {
    const silentMs = this.#pulse.silentMs();
    if (silentMs > 15_000)
      return `the database has not answered for ${Math.round(silentMs / 1000)} s: ${this.#health.faultOf('beat') ?? 'the last question is still open'}`;
    return this.#health.trouble();
  }

  /** That the clocks of this server and its database differ, in one sentence: told, but no reason not to serve. */
  clockTrouble(): string | undefined {
    return this.#pulse.clockTrouble();
  }

  /** What of reservations, rules and groups is not as it seems, a sentence each: told, but no reason not to serve. */
  ruleDoubts(): readonly string[] {
    return doubtsOfRules(this.#ruling, this.#groups.troubles, this.pools());
  }

  /** Of licences that add no seats since they count something else than the first, in a sentence. */
  countingTrouble(): string | undefined {
    return countingTrouble(this.pools());
  }

  /** Groups count as they are now for every check-out that comes after. */
  async setGroups(read: ReadGroups): Promise<void> {
    const changed = read.digest !== this.#groups.digest;
    this.#groups = read;
    if (!changed) return;
    this.#ruling = { ...this.#ruling, groups: read.groups, groupsDigest: read.digest };
    if (this.#entitlements.length === 0) return;
    await this.termsAgain.done(); // another server may have installed a key since
    await this.setEntitlements(this.#entitlements);
  }

  /**
   * New limits count for every check-out that comes after. Licences that expire later are taken off by a timer.
   * @param again see `SetEntitlements`; it is called within the transaction, which takes one connection as without it
   */
  async setEntitlements(
    given: readonly ProductEntitlement[],
    again?: () => Promise<readonly ProductEntitlement[]>,
  ): Promise<void> {
    let entitlements = given;
    const pools = await this.transaction(async (tx) => {
      if (again !== undefined) {
        await tx.query(`SET LOCAL lock_timeout=${exclusiveMs}; SET LOCAL statement_timeout=${exclusiveMs}`);
        await tx.query({
          text: `SELECT pg_advisory_xact_lock(${exclusiveLock})`,
          query_timeout: exclusiveMs + answerTimeoutMs,
        } as pg.QueryConfig);
        entitlements = await again();
      }
      return savePools(tx, entitlements, this.#ruling, this.leaseMs);
    });
    this.#entitlements = entitlements;
    const open = new Map<string, OpenPool>();
    for (const info of pools) {
      const lane = this.#lanes.get(info.poolId) ?? this.#openLane(info);
      this.#lanes.set(info.poolId, lane);
      if (!this.#pools.has(info.product)) this.#metrics.introduce(info.product);
      const over = overReserved(info.product, info.entitlement.seatLimit, info.reservations);
      if (
        over !== undefined &&
        this.#pools.get(info.product)?.info.entitlement.seatLimit !== info.entitlement.seatLimit
      )
        this.#log.warn(over);
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

  /** As they were last read well. */
  get groups(): Groups {
    return this.#ruling.groups;
  }

  /** The older reservations of a product. */
  reservationsOf(product: string): readonly Reservation[] {
    return this.#ruling.reservations.filter((r) => r.product === product);
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
    {
      holder,
      shown,
      mode,
    }: { readonly holder: HolderKey; readonly shown: string | undefined; readonly mode: LeaseMode },
    queues: boolean,
    subject: string | undefined,
    done: (result: ClaimResult, ruled: Ruled | undefined) => void,
    fail: (error: unknown) => void,
  ): void {
    if (this.#mustSize(pool.poolId, holder)) {
      const again = () => this.checkOut(pool, { holder, shown, mode }, queues, subject, done, fail);
      this.#size([pool.poolId]).then(again, fail);
      return;
    }
    const lane = this.#lanes.get(pool.poolId);
    if (lane === undefined) throw new Error(`no lane for ${pool.product}`);
    const ruled = pool.rulesOf?.(holder);
    const leaseId = newLeaseId(pool.poolId);
    const claim = { holder, shown, leaseId, mode, queueMs: queues ? queueMs : 0, subject, ...claimed(ruled) };
    lane.push(SeatCommand.claim(claim, (result) => done(result, ruled), fail));
  }

  /** `idle`: those of the leases whose programs are. */
  heartbeat(
    leaseIds: readonly string[],
    idle: readonly string[],
    done: (outcomes: readonly Heartbeat[] | Heartbeat, nowMs: number) => void,
    fail: (error: unknown) => void,
  ): void {
    const nowMs = idle.length === 0 ? this.#renewals?.renewAll(leaseIds) : undefined;
    if (nowMs !== undefined) done('renewed', nowMs);
    else this.#heartbeats.push(new HeartbeatCommand(leaseIds, idle, done, fail));
  }

  /** Renews a lease if that can be answered at once: the database's time of the answer, in ms since the epoch; undefined: `heartbeat`. */
  heartbeatAtOnce(leaseId: string): number | undefined {
    return this.#renewals?.renew(leaseId);
  }

  /** Resolves when renewals that were answered before are in the database, or cannot be: what is read from it then shows them. */
  async renewalsWritten(): Promise<void> {
    await this.#renewals?.written();
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
      this.#renewals?.ending(leaseId);
      const ended =
        <T>(tell: (outcome: T) => void) =>
        (outcome: T) => {
          this.#renewals?.ended(leaseId);
          tell(outcome);
        };
      lane.push(SeatCommand.release({ leaseId, cause }, ended(resolve), ended(reject)));
    });
  }

  /** A request that waited has gone; `askedMs`: the time of its last refusal, by the database. */
  leaveQueue(pool: PoolInfo, holder: HolderKey, askedMs: number): void {
    this.#leavers.leave(pool.poolId, holder, askedMs);
  }

  /** Those of the holders who have a seat of a product now. */
  async holding(pool: PoolInfo, holders: readonly HolderKey[]): Promise<ReadonlySet<HolderKey>> {
    const { rows } = await this.db.query<{ holder: string }>(
      'SELECT holder FROM lease WHERE pool_id = $1 AND holder = ANY($2)',
      [pool.poolId, holders],
    );
    return new Set(rows.map((r) => r.holder));
  }

  /** Gives a seat back for an instance of a base; one of a base that another instance owns stays. Resolves to whether it did. */
  async releaseFor(leaseId: string, instance: string): Promise<boolean> {
    if (await this.owners.isForeign(leaseId, instance)) return false;
    return this.release(leaseId, 'holder');
  }

  /** Sets the full state of a base, whose name is given as it was spelled. */
  async report(name: string, sessions: readonly SessionToReport[], instance?: string): Promise<ReportResult> {
    const base = fold(name);
    const sized = new Set<number>();
    for (const { product, holder } of sessions) {
      const poolId = this.#pools.get(product)?.info.poolId;
      if (poolId !== undefined && this.#mustSize(poolId, holder)) sized.add(poolId);
    }
    if (sized.size > 0) await this.#size([...sized]);
    const result = await this.#report(base, sessions);
    if (instance === undefined && result.codes.includes('G')) {
      const holders = sessions.map((s) => s.holder);
      if (this.#swings.reported(base, holders, result.codes, performance.now())) {
        await this.owners.noteSwing(base, name).catch((error: unknown) => this.troubled('report', error));
      }
    }
    return result;
  }

  /** Whether it asks for several seats of a pool whose leases have been one each. */
  #mustSize(poolId: number, holder: HolderKey): boolean {
    return !this.#sized.has(poolId) && askedOf(holder).seats > 1;
  }

  /** From now on these pools ask of each lease how many seats it is. */
  async #size(poolIds: readonly number[]): Promise<void> {
    for (const poolId of poolIds) {
      await this.db.query("UPDATE pool SET weights = '{}' WHERE pool_id = $1 AND weights IS NULL", [poolId]);
      this.#sized.add(poolId);
    }
  }

  #report(base: string, sessions: readonly SessionToReport[]): Promise<ReportResult> {
    return new Promise((resolve, reject) => {
      const rows = sessions.map(({ product, holder, shown, idle = false }) => {
        const pool = this.#pools.get(product)?.info;
        const poolId = pool?.poolId ?? 0;
        return { poolId, holder, shown, leaseId: newLeaseId(poolId), idle, ...claimed(pool?.rulesOf?.(holder)) };
      });
      this.#reports.push(new ReportCommand({ base, sessions: rows }, resolve, reject));
    });
  }

  /** Gives all stale seats back in place; answers how many. */
  async releaseStale(product: string | undefined, cause: 'admin' | 'roll'): Promise<Cleared> {
    await this.renewalsWritten();
    return clearStale(this.#clearing(cause), product, cause);
  }

  noteDenial(
    product: string,
    { holder, shown }: { readonly holder: HolderKey; readonly shown: string | undefined },
    reason: DenialReason,
  ): void {
    this.denials.note(product, holder, reason, shown);
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
      const locking = {
        text: `SELECT pg_advisory_lock(${exclusiveLock})`,
        query_timeout: exclusiveMs + answerTimeoutMs,
      };
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
    await this.owners.refresh();
    await this.#housekeeping.countPools();
  }

  /** A licence has just expired (or a day has passed). The given time counts even if the clock was set back meanwhile. */
  #refresh(expiryMs: number): void {
    const early = Date.now() < expiryMs - 86_000_000;
    const set = async () => {
      await this.termsAgain.done(); // another server may have installed a key since
      const now = this.#entitlements;
      await this.setEntitlements(early ? now : refreshed(now, Math.max(Date.now(), expiryMs)));
    };
    set().catch((error) => {
      this.troubled('entitlements', error);
      if (!this.#stopped) this.#expiry = setTimeout(() => this.#refresh(expiryMs), 5_000);
    });
  }

  #productOf(poolId: number): string {
    for (const { info } of this.#pools.values()) if (info.poolId === poolId) return info.product;
    return '';
  }

  #openLane(info: { poolId: number; product: string }): Lane<SeatCommand, pg.Client> {
    const told = (result: SeatBatchResult, released: readonly ReleaseCause[]) => {
      for (const cause of released) this.#metrics.released(info.product, cause, 1);
      if (result.reaped > 0) this.#metrics.released(info.product, 'expired', result.reaped);
      if (result.idled > 0) this.#metrics.released(info.product, 'idle', result.idled);
      if (result.seatLimit > result.inUse) this.waitingRoom.poke(info.poolId, result.seatLimit - result.inUse);
    };
    return createSeatLane(this.#seats, info.poolId, this.leaseMs, told, this.#events('seats'), this.#renewals);
  }

  #openRenewals(): Renewals {
    const everyMs = beatEveryMs(this.leaseMs);
    return new Renewals({
      leaseMs: this.leaseMs,
      times: renewalTimes(this.leaseMs, { everyMs, answerMs: answerTimeoutMs, patienceMs: patienceMs(this.leaseMs) }),
      write: (leaseIds, done, failed) => this.#heartbeats.push(new HeartbeatCommand(leaseIds, [], done, failed)),
      missed: () => this.#pulse.renewalsMissed(),
      endedByOthers: (leaseId) =>
        this.#log.warn(
          { leaseId },
          'a seat that was renewed is gone: somebody else writes to the database of this server',
        ),
    });
  }

  async #openForRelease(poolId: number): Promise<boolean> {
    const { rows } = await this.db.query<{ product: string }>('SELECT product FROM pool WHERE pool_id = $1', [poolId]);
    const product = rows[0]?.product;
    if (product === undefined) return false;
    if (!this.#lanes.has(poolId)) this.#lanes.set(poolId, this.#openLane({ poolId, product }));
    return true;
  }

  #reported({ pools }: ReportBatchResult): void {
    for (const { poolId, released, reaped, idled } of pools) {
      const product = this.#productOf(poolId);
      this.#metrics.released(product, 'report', released);
      this.#metrics.released(product, 'expired', reaped);
      this.#metrics.released(product, 'idle', idled);
      this.waitingRoom.poke(poolId, released + reaped);
    }
  }

  #events(op: StoreOp) {
    return {
      onTrouble: (error: unknown, size: number) => this.troubled(op, error, size),
      onWork: () => this.#health.worked(op),
    };
  }

  /** Counts and tells work that the database did not do; `size` commands were in it. */
  troubled(op: StoreOp, error: unknown, size = 1): void {
    this.#metrics.storeError(op);
    if (isCommandFault(error)) {
      this.#log.warn({ err: error, op, size }, 'the database did not do a piece of work');
      return;
    }
    // late housekeeping keeps nobody from a seat
    if (!housekeeping.includes(op)) this.#health.failed(op, messageOf(error));
    if (op === 'heartbeat') this.#pulse.renewalsMissed();
    if (op === 'seats' || op === 'report') this.#renewals?.doubt(); // what ends a seat may still come true
    this.#trouble.note(op, error, size);
  }

  /** A lane that failed and is not asked any more cannot show that it works: it is asked for what is nobody's. */
  #prove(): void {
    const nobodys = '00000000-0000-0000-0000-000000000000';
    const ignore = () => {};
    if (this.#health.isFailing('heartbeat')) this.heartbeat([nobodys], [], ignore, ignore);
    const [lane] = this.#lanes.values();
    if (this.#health.isFailing('seats'))
      lane?.push(SeatCommand.release({ leaseId: nobodys, cause: 'holder' }, ignore, ignore));
  }

  #clearing(cause: 'admin' | 'roll'): ClearRequest {
    return {
      db: this.db,
      staleAfterMs: this.staleAfterMs,
      cleared: (poolId, product, released) => {
        this.#metrics.released(product, cause, released);
        this.waitingRoom.poke(poolId, released);
      },
    };
  }
}

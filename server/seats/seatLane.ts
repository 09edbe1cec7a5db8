import type pg from 'pg';
import type { ReleaseCause } from '../../licence/words.ts';
import { StoreUnavailable } from '../../runtime/database/fault.ts';
import type { Shortage } from './admission.ts';
import { type Command, Lane, type LaneEvents, type Sessions } from './lane.ts';
import type { Renewals } from './renewals.ts';
import {
  type Claim,
  type HeartbeatResult,
  heartbeatBatch,
  type Release,
  type SeatBatchResult,
  seatBatch,
} from './seatSql.ts';

const shortages: Readonly<Record<string, Shortage>> = { D: 'taken', V: 'reserved', Q: 'queued' };

/** The shortage behind a code of the ledger; undefined when a seat was had. */
export const shortageOf = (code: string | undefined): Shortage | undefined =>
  code === undefined ? undefined : shortages[code];

/** What a check-out gets. Times are the database's, in ms since the epoch. */
export interface ClaimResult {
  readonly code: 'granted' | 'renewed' | 'denied';
  /** Empty when denied. */
  readonly leaseId: string;
  readonly nowMs: number;
  readonly inUse: number;
  readonly seatLimit: number;
  /** Only when denied. */
  readonly shortage: Shortage | undefined;
  /** The seat is one beyond the limit. */
  readonly overdrawn: boolean;
  /** Seats are persons', and none is the user's. */
  readonly unassigned: boolean;
  /** Of one that a rule refused: which cap, from 0. */
  readonly cap: number | undefined;
  /** Free seats that are kept for reservations. */
  readonly reservedFree: number;
  /** Holders in the queue. */
  readonly waiting: number;
  /** Place in the queue, from 1; absent when the holder does not queue. */
  readonly place: number | undefined;
}

/** One check-out or release on its way through a pool's lane. */
export class SeatCommand implements Command {
  readonly key: string;
  readonly claim: Claim | undefined;
  readonly release: Release | undefined;
  twins?: this[];
  readonly #done: (result: ClaimResult | boolean) => void;
  readonly #fail: (error: unknown) => void;

  private constructor(
    key: string,
    claim: Claim | undefined,
    release: Release | undefined,
    done: (result: ClaimResult | boolean) => void,
    fail: (error: unknown) => void,
  ) {
    this.key = key;
    this.claim = claim;
    this.release = release;
    this.#done = done;
    this.#fail = fail;
  }

  static claim(claim: Claim, done: (result: ClaimResult) => void, fail: (error: unknown) => void): SeatCommand {
    return new SeatCommand(claim.holder, claim, undefined, done as (result: ClaimResult | boolean) => void, fail);
  }

  /** `done` is told whether the lease was held. */
  static release(release: Release, done: (held: boolean) => void, fail: (error: unknown) => void): SeatCommand {
    return new SeatCommand(release.leaseId, undefined, release, done as (result: ClaimResult | boolean) => void, fail);
  }

  same(other: this): boolean {
    return (
      this.claim?.mode === other.claim?.mode &&
      this.claim?.subject === other.claim?.subject &&
      (this.claim?.queueMs ?? 0) > 0 === (other.claim?.queueMs ?? 0) > 0
    );
  }
  done(result: ClaimResult | boolean): void {
    this.#done(result);
    if (this.twins === undefined) return;
    const again =
      typeof result === 'object' && result.code === 'granted'
        ? { ...result, code: 'renewed' as const, overdrawn: false }
        : result;
    for (const twin of this.twins) twin.done(again);
  }
  fail(error: unknown): void {
    this.#fail(error);
  }
}

/** Told after each batch of a pool: the counters, how many expired leases were reaped for newcomers, and what was given back why. */
export type PoolTold = (result: SeatBatchResult, released: readonly ReleaseCause[]) => void;

/** Check-outs and releases of one pool. `renewals`: what forgets a lease that is of another kind from now on. */
export function createSeatLane(
  sessions: Sessions<pg.Client>,
  poolId: number,
  leaseMs: number,
  told: PoolTold,
  events: LaneEvents,
  renewals?: Renewals,
): Lane<SeatCommand, pg.Client> {
  const run = async (session: pg.Client, batch: readonly SeatCommand[]) => {
    const claims: Claim[] = [];
    const releases: Release[] = [];
    for (const c of batch) {
      if (c.claim) claims.push(c.claim);
      else if (c.release) releases.push(c.release);
    }
    const result = await seatBatch(session, poolId, leaseMs, claims, releases);
    let claim = 0;
    let renewed = 0;
    let release = 0;
    const released: ReleaseCause[] = [];
    for (const c of batch) {
      if (c.claim === undefined) {
        const held = result.releaseCodes[release] !== 'N';
        if (held && c.release) released.push(c.release.cause);
        c.done(held);
        release += 1;
        continue;
      }
      const code = result.codes[claim];
      const place = result.places?.[claim];
      const cap = code === 'L' ? Number(result.caps?.[claim]) - 1 : undefined;
      claim += 1;
      let leaseId = '';
      if (code === 'G' || code === 'O') leaseId = c.claim.leaseId;
      else if (code === 'R') {
        leaseId = result.renewedIds[renewed] ?? '';
        renewed += 1;
        if (c.claim.mode !== 'leased') renewals?.forget(leaseId);
      }
      c.done({
        code: code === 'G' || code === 'O' ? 'granted' : code === 'R' ? 'renewed' : 'denied',
        leaseId,
        nowMs: result.nowMs,
        inUse: result.inUse,
        seatLimit: result.seatLimit,
        shortage: shortageOf(code),
        overdrawn: code === 'O',
        unassigned: code === 'A',
        cap,
        reservedFree: result.reservedFree,
        waiting: result.waiting,
        place: place === undefined || place === '' ? undefined : Number(place),
      });
    }
    told(result, released);
    return undefined;
  };
  return new Lane<SeatCommand, pg.Client>(
    sessions,
    async (session, batch) => {
      if (!batch.some((c) => c.claim !== undefined && c.claim.mode !== 'leased')) return run(session, batch);
      const changed = renewals?.changing();
      try {
        return await run(session, batch);
      } finally {
        changed?.();
      }
    },
    256,
    20_000,
    events,
  );
}

/** 'renewed' ends at nowMs plus the lease time; 'kept' never ends by itself. */
export type Heartbeat = 'renewed' | 'kept' | 'lost';

/** Heartbeats of one request: one lease, or all of an application server's. */
export class HeartbeatCommand implements Command {
  readonly key: string;
  readonly leaseIds: readonly string[];
  /** Those of them whose programs are idle. */
  readonly idle: readonly string[];
  readonly weight: number;
  twins?: this[];
  readonly #done: (outcomes: readonly Heartbeat[] | Heartbeat, nowMs: number) => void;
  readonly #fail: (error: unknown) => void;
  /** Of those that were answered before busy ones are tried again. */
  #outcomes: (Heartbeat | undefined)[] | undefined;
  #triedSince = 0;

  constructor(
    leaseIds: readonly string[],
    idle: readonly string[],
    done: (outcomes: readonly Heartbeat[] | Heartbeat, nowMs: number) => void,
    fail: (error: unknown) => void,
  ) {
    this.leaseIds = leaseIds;
    this.idle = idle;
    this.weight = leaseIds.length;
    // many leases are a command of their own: only a single one can be asked for twice
    this.key = leaseIds.length === 1 ? (leaseIds[0] ?? '') : `#${HeartbeatCommand.#next++}`;
    this.#done = done;
    this.#fail = fail;
  }
  static #next = 0;

  same(other: this): boolean {
    return this.idle.length === other.idle.length; // of one lease
  }
  fail(error: unknown): void {
    this.#fail(error);
  }
  /** The leases still to be renewed. */
  pending(): readonly string[] {
    const outcomes = this.#outcomes;
    return outcomes === undefined ? this.leaseIds : this.leaseIds.filter((_, i) => outcomes[i] === undefined);
  }
  /** Every pending lease was renewed. */
  renewed(nowMs: number): void {
    if (this.#outcomes === undefined) this.#answer('renewed', nowMs);
    else
      this.#answer(
        this.#outcomes.map((o) => o ?? 'renewed'),
        nowMs,
      );
  }
  /** One mark a pending lease; true if some must be tried again. */
  marked(marks: string, nowMs: number): boolean {
    this.#outcomes ??= this.leaseIds.map(() => undefined);
    let n = 0;
    for (let i = 0; i < this.#outcomes.length; i++) {
      if (this.#outcomes[i] !== undefined) continue;
      const mark = marks[n++];
      if (mark !== '2') this.#outcomes[i] = mark === '1' ? 'renewed' : mark === '3' ? 'kept' : 'lost';
    }
    if (this.#outcomes.includes(undefined)) {
      if (this.#triedSince === 0) this.#triedSince = nowMs;
      if (nowMs - this.#triedSince < 3_000) return true;
      this.fail(new StoreUnavailable(new Error('the lease is busy')));
      for (const twin of this.twins ?? []) twin.fail(new StoreUnavailable(new Error('the lease is busy')));
      return false;
    }
    this.#answer(this.#outcomes as Heartbeat[], nowMs);
    return false;
  }
  #answer(outcomes: readonly Heartbeat[] | Heartbeat, nowMs: number): void {
    this.#done(outcomes, nowMs);
    if (this.twins) for (const twin of this.twins) twin.#answer(outcomes, nowMs);
  }
}

/** So many leases that wait are worth a second transaction beside the first; single heartbeats share one. */
const bulk = 400;

/** Has what is known of leases follow a statement that renews some. */
async function renewing(
  ids: readonly string[],
  idle: readonly string[],
  renewals: Renewals | undefined,
  statement: () => Promise<HeartbeatResult>,
): Promise<HeartbeatResult> {
  const sent = renewals?.send();
  try {
    const result = await statement();
    if (sent) renewals?.answered(sent, ids, result.marks, result.nowMs, idle);
    return result;
  } catch (error) {
    if (sent) renewals?.lost(sent, idle);
    throw error;
  }
}

/** Heartbeats of all pools. They never wait for a row: a busy one goes again with a later batch. */
export function createHeartbeatLane(
  sessions: Sessions<pg.Client>,
  leaseMs: number,
  events: LaneEvents,
  renewals?: Renewals,
): Lane<HeartbeatCommand, pg.Client> {
  const lane: Lane<HeartbeatCommand, pg.Client> = new Lane<HeartbeatCommand, pg.Client>(
    sessions,
    async (session, batch) => {
      const pending = batch.map((c) => c.pending());
      const ids = pending.length === 1 ? (pending[0] ?? []) : pending.flat();
      const idle = batch.flatMap((c) => c.idle);
      const { marks, nowMs } = await renewing(ids, idle, renewals, () =>
        heartbeatBatch(session, leaseMs, ids, undefined, idle),
      );
      if (marks === '') {
        for (const c of batch) c.renewed(nowMs);
        return undefined;
      }
      const again: HeartbeatCommand[] = [];
      let from = 0;
      batch.forEach((c, i) => {
        const to = from + (pending[i]?.length ?? 0);
        if (c.marked(marks.slice(from, to), nowMs)) again.push(c);
        from = to;
      });
      // the row is held until somebody's commit: ask again in a moment, not in a loop
      if (again.length > 0) {
        setTimeout(() => {
          for (const c of again) lane.push(c);
        }, 2);
      }
      return undefined;
    },
    1_000,
    200_000,
    events,
    bulk,
  );
  return lane;
}

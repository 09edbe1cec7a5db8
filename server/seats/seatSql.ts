import type pg from 'pg';
import type { LeaseMode, ReleaseCause } from '../../licence/words.ts';
import { sessionSetup } from '../../runtime/database/session.ts';
import { callStatement, type Statement } from '../db/statement.ts';

/**
 * The calls of the ledger's SQL functions: named statements, arrays as one text each (parsed by PostgreSQL, which is faster
 * than letting the driver build them). `now` (ms) replaces the database's clock, in tests only.
 */
export type Client = Pick<pg.ClientBase, 'query'>;

export interface Claim {
  readonly holder: string;
  /** How the holder was spelled, where that is not its key. */
  readonly shown?: string | undefined;
  readonly leaseId: string;
  readonly mode: LeaseMode;
  readonly slot: number;
  /** Whoever has a higher one comes first in the queue; absent: 0. */
  readonly priority?: number | undefined;
  /** Its caps, as `capsText` writes them; absent: none. */
  readonly caps?: string | undefined;
  /** How long a refused holder keeps its place in the queue, in ms; 0: it does not queue. */
  readonly queueMs: number;
  /** The pod behind the holder, where access is by service account. */
  readonly subject?: string | undefined;
  /** How long its program may be idle, in ms; absent: as long as it likes. */
  readonly idleAfterMs?: number | undefined;
  /** How long the seat is held at least, in ms; absent: as long as it is needed. */
  readonly holdMs?: number | undefined;
}
export interface Release {
  readonly leaseId: string;
  readonly cause: ReleaseCause;
}

const kinds: readonly LeaseMode[] = ['leased', 'reported', 'sticky'];
/** Given back, and held until it was held for as long as it must be. */
export const lingeringKind = -3;
/** By the number that the database keeps. */
export const modeOf = (kind: number): LeaseMode =>
  kind === lingeringKind ? 'lingering' : kind < 0 ? 'borrowed' : (kinds[kind] ?? 'leased');
/** Of a borrowed one that was written off. */
export const writtenOffKind = -2;
const kindOf = (mode: LeaseMode): number => kinds.indexOf(mode);

const eventCode: Readonly<Record<ReleaseCause, string>> = {
  holder: 'X',
  expired: 'E',
  report: 'P',
  roll: 'R',
  admin: 'A',
  pod_gone: 'U',
  idle: 'I',
};

const quoted = (s: string): string => `"${/["\\]/.test(s) ? s.replace(/["\\]/g, '\\$&') : s}"`;
const orNull = (s: string | undefined): string => (s === undefined ? 'NULL' : quoted(s));
const array = <T>(items: readonly T[], text: (item: T) => string | number): string => {
  let out = '{';
  for (let i = 0; i < items.length; i++) out += (i ? ',' : '') + text(items[i] as T);
  return `${out}}`;
};
const at = (now: number | undefined): string | null => (now === undefined ? null : new Date(now).toISOString());

export interface SeatBatchResult {
  /** In the order of the claims: G granted, O granted beyond the limit, R renewed; refused: D taken, V reserved for others, Q others wait before, L by a rule, A no seat is assigned to the user. */
  readonly codes: string;
  /** Lease ids of renewed claims, in the order of the claims. */
  readonly renewedIds: readonly string[];
  /** In the order of the releases: X released, L given back and lingering, N not held. */
  readonly releaseCodes: string;
  /** Places in the queue, in the order of the claims; absent where nobody queues. */
  readonly places: readonly string[] | undefined;
  /** The numbers, from 1, of the caps that refused, in the order of the claims; absent where no claim has any. */
  readonly caps: readonly string[] | undefined;
  readonly inUse: number;
  readonly seatLimit: number;
  /** Free seats that are kept for reservations. */
  readonly reservedFree: number;
  /** Holders in the queue. */
  readonly waiting: number;
  readonly reaped: number;
  /** Leases of idle programs that were given up for others. */
  readonly idled: number;
  readonly nowMs: number;
}

const seatStatement: Statement = {
  name: 'seat_batch',
  text: 'SELECT codes, ids, r_codes, places, o_in_use, o_limit, o_reaped, o_now_ms, o_reserved, o_waiting, o_rules, o_idled FROM seat_batch($1,$2,$3::text::text[],$4::text::uuid[],$5::text::smallint[],$6::text::smallint[],$7::text::int[],$8::text::text[],$9::text::uuid[],$10::text::text[],$11,$12,$13::text::text[],$14::text::int[],$15::text::text[],NULL,$16::text::int[],$17::text::int[])',
};

/** In whole seconds, as the ledger keeps it. */
const seconds = (ms: number | undefined): number | 'NULL' => (ms === undefined ? 'NULL' : Math.round(ms / 1_000));

/** Claims of distinct holders and releases of distinct leases, in one transaction. */
export async function seatBatch(
  client: Client,
  poolId: number,
  ttlMs: number,
  claims: readonly Claim[],
  releases: readonly Release[],
  now?: number,
): Promise<SeatBatchResult> {
  let slots = false;
  let queues = false;
  let subjects = false;
  let touches = false;
  let shown = false;
  let priorities = false;
  let caps = false;
  let lingers = false;
  for (const c of claims) {
    if (c.idleAfterMs !== undefined || c.holdMs !== undefined) lingers = true;
    if (c.priority) priorities = true;
    if (c.caps !== undefined) caps = true;
    if (c.shown !== undefined) shown = true;
    if (c.slot > 0) slots = true;
    if (c.queueMs > 0) queues = true;
    if (c.subject !== undefined) subjects = true;
    if (c.mode !== 'leased') touches = true;
  }
  const row = await callStatement(client, seatStatement, [
    poolId,
    ttlMs,
    array(claims, (c) => quoted(c.holder)),
    array(claims, (c) => c.leaseId),
    array(claims, (c) => kindOf(c.mode)),
    slots ? array(claims, (c) => c.slot) : null,
    queues ? array(claims, (c) => c.queueMs) : null,
    subjects ? array(claims, (c) => orNull(c.subject)) : null,
    array(releases, (r) => r.leaseId),
    array(releases, (r) => eventCode[r.cause]),
    String(touches),
    at(now),
    shown ? array(claims, (c) => orNull(c.shown)) : null,
    priorities ? array(claims, (c) => c.priority ?? 0) : null,
    caps ? array(claims, (c) => orNull(c.caps)) : null,
    lingers ? array(claims, (c) => seconds(c.idleAfterMs)) : null,
    lingers ? array(claims, (c) => seconds(c.holdMs)) : null,
  ]);
  const [codes, ids, releaseCodes, places, inUse, seatLimit, reaped, nowMs, reservedFree, waiting, barred, idled] = row;
  return {
    codes: codes ?? '',
    // the fair twin leaves an empty place for a claim that was not renewed, the plain one does not
    renewedIds: ids ? ids.split(',').filter((id) => id !== '') : [],
    releaseCodes: releaseCodes ?? '',
    places: places ? places.split(',') : undefined,
    caps: barred ? barred.split(',') : undefined,
    inUse: Number(inUse),
    seatLimit: Number(seatLimit),
    reservedFree: Number(reservedFree),
    waiting: Number(waiting),
    reaped: Number(reaped),
    idled: Number(idled),
    nowMs: Number(nowMs),
  };
}

export interface HeartbeatResult {
  /** Empty: all renewed, all expire. Else one a lease: 1 renewed, 3 renewed and never expires, 0 lost, 2 busy. */
  readonly marks: string;
  readonly nowMs: number;
}

const heartbeatStatement: Statement = {
  name: 'heartbeat_batch',
  text: 'SELECT marks, o_now_ms FROM heartbeat_batch($1::text::uuid[],$2,$3,$4::text::uuid[])',
};

/** Renews leases by id; never waits for a row. `idle`: those of them whose programs are. */
export async function heartbeatBatch(
  client: Client,
  ttlMs: number,
  leaseIds: readonly string[],
  now?: number,
  idle: readonly string[] = [],
): Promise<HeartbeatResult> {
  const [marks, nowMs] = await callStatement(client, heartbeatStatement, [
    `{${leaseIds.join(',')}}`,
    ttlMs,
    at(now),
    idle.length === 0 ? null : `{${idle.join(',')}}`,
  ]);
  return { marks: marks ?? '', nowMs: Number(nowMs) };
}

export interface ReportSession {
  /** 0: there is no such product. */
  readonly poolId: number;
  readonly holder: string;
  /** How the holder was spelled, where that is not its key. */
  readonly shown?: string | undefined;
  readonly leaseId: string;
  readonly slot: number;
  readonly priority?: number | undefined;
  readonly caps?: string | undefined;
  /** Its program is idle. */
  readonly idle?: boolean;
  readonly idleAfterMs?: number | undefined;
  readonly holdMs?: number | undefined;
}
export interface Report {
  /** Folded, as in the keys of its holders. */
  readonly base: string;
  readonly sessions: readonly ReportSession[];
}
export interface ReportResult {
  /** One a session: G, O, R, D, V, Q, L as of a check-out, U no such product. */
  readonly codes: string;
  /** One a session; empty where none is held. */
  readonly leaseIds: readonly string[];
  /** The numbers, from 1, of the caps that refused, one a session; absent where no session has any. */
  readonly caps?: readonly string[];
  readonly released: number;
}

/** `pools`: where seats came free. */
export interface ReportBatchResult {
  readonly results: readonly ReportResult[];
  readonly pools: readonly {
    readonly poolId: number;
    readonly released: number;
    readonly reaped: number;
    readonly idled: number;
  }[];
}

const reportArrays = (reports: readonly Report[]) => {
  const sessions = reports.flatMap((r) => r.sessions);
  return {
    sessions,
    bases: array(reports, (r) => quoted(r.base)),
    lengths: array(reports, (r) => r.sessions.length),
    pools: array(sessions, (s) => s.poolId),
    holders: array(sessions, (s) => quoted(s.holder)),
    idle: sessions.some((s) => s.idle) ? array(sessions, (s) => String(s.idle === true)) : null,
  };
};

const unchangedStatement: Statement = {
  name: 'report_unchanged',
  text: 'SELECT changed, ids FROM report_unchanged($1::text::text[],$2::text::int[],$3::text::smallint[],$4::text::text[],$5,$6::text::boolean[])',
};
const reportStatement: Statement = {
  name: 'report_batch',
  text: 'SELECT codes, ids, released, pools, o_rules FROM report_batch($1,$2::text::text[],$3::text::int[],$4::text::smallint[],$5::text::text[],$6::text::uuid[],$7::text::smallint[],$8,$9::text::text[],$10::text::int[],$11::text::text[],$12::text::boolean[],$13::text::int[],$14::text::int[])',
};

/** Reports that change nothing are answered; the others are undefined and must go through `reportBatch`. Distinct bases. */
export async function reportUnchanged(
  client: Client,
  reports: readonly Report[],
  now?: number,
): Promise<(ReportResult | undefined)[]> {
  const order = reports.map((r, i) => ({ r, i })).sort((a, b) => (a.r.base < b.r.base ? -1 : 1));
  const sorted = order.map(({ r }) => r);
  const arrays = reportArrays(sorted);
  const [changed, heldIds] = await callStatement(client, unchangedStatement, [
    arrays.bases,
    arrays.lengths,
    arrays.pools,
    arrays.holders,
    at(now),
    arrays.idle,
  ]);
  const ids = heldIds ? heldIds.split(',') : [];
  const results: (ReportResult | undefined)[] = reports.map(() => undefined);
  let from = 0;
  sorted.forEach((r, n) => {
    if (changed?.[n] !== '=') return;
    const leaseIds = ids.slice(from, from + r.sessions.length);
    from += r.sessions.length;
    results[order[n]?.i ?? 0] = { codes: 'R'.repeat(r.sessions.length), leaseIds, released: 0 };
  });
  return results;
}

/** Reports of distinct bases, in one transaction. */
export async function reportBatch(
  client: Client,
  ttlMs: number,
  reports: readonly Report[],
  now?: number,
): Promise<ReportBatchResult> {
  const arrays = reportArrays(reports);
  const slots = arrays.sessions.some((s) => s.slot > 0);
  const lingers = arrays.sessions.some((s) => s.idleAfterMs !== undefined || s.holdMs !== undefined);
  const row = await callStatement(client, reportStatement, [
    ttlMs,
    arrays.bases,
    arrays.lengths,
    arrays.pools,
    arrays.holders,
    array(arrays.sessions, (s) => s.leaseId),
    slots ? array(arrays.sessions, (s) => s.slot) : null,
    at(now),
    arrays.sessions.some((s) => s.shown !== undefined) ? array(arrays.sessions, (s) => orNull(s.shown)) : null,
    arrays.sessions.some((s) => s.priority) ? array(arrays.sessions, (s) => s.priority ?? 0) : null,
    arrays.sessions.some((s) => s.caps !== undefined) ? array(arrays.sessions, (s) => orNull(s.caps)) : null,
    arrays.idle,
    lingers ? array(arrays.sessions, (s) => seconds(s.idleAfterMs)) : null,
    lingers ? array(arrays.sessions, (s) => seconds(s.holdMs)) : null,
  ]);
  const [codes, allIds, allReleased, changedPools, allCaps] = row.map((text) => text ?? '');
  const caps = allCaps ? allCaps.split(',') : undefined;
  const ids = allIds?.split(',') ?? [];
  const released = allReleased?.split(',') ?? [];
  let from = 0;
  const results = reports.map((r, n) => {
    const to = from + r.sessions.length;
    const result = {
      codes: codes?.slice(from, to) ?? '',
      leaseIds: ids.slice(from, to),
      ...(caps === undefined ? {} : { caps: caps.slice(from, to) }),
      released: Number(released[n]),
    };
    from = to;
    return result;
  });
  const pools = !changedPools ? [] : changedPools.split(',').map((p) => p.split(':').map(Number));
  return {
    results,
    pools: pools.map(([poolId = 0, released = 0, reaped = 0, idled = 0]) => ({ poolId, released, reaped, idled })),
  };
}

export interface BorrowResult {
  /** As of a check-out; B: as many as may be are borrowed. */
  readonly code: string;
  readonly leaseId: string;
  readonly untilMs: number;
  readonly inUse: number;
  readonly seatLimit: number;
  readonly nowMs: number;
  readonly reservedFree: number;
  readonly waiting: number;
  /** The number, from 1, of the cap that refused. */
  readonly cap: number;
  /** Seats that others have borrowed. */
  readonly lent: number;
}

/** Takes a seat along. `most`: how many may be borrowed at once. */
export async function borrowSeat(
  client: Client,
  poolId: number,
  claim: Omit<Claim, 'mode' | 'queueMs'>,
  { hours, most }: { readonly hours: number; readonly most: number },
  now?: number,
): Promise<BorrowResult> {
  const { rows } = await client.query('SELECT * FROM borrow_seat($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)', [
    poolId,
    claim.holder,
    claim.shown ?? null,
    claim.leaseId,
    hours,
    most,
    claim.slot,
    claim.subject ?? null,
    claim.priority ?? 0,
    claim.caps ?? null,
    at(now),
  ]);
  const row = rows[0];
  return {
    code: row.code,
    leaseId: row.lease_id ?? '',
    untilMs: Number(row.o_until_ms),
    inUse: row.o_in_use,
    seatLimit: row.o_limit,
    nowMs: Number(row.o_now_ms),
    reservedFree: row.o_reserved,
    waiting: row.o_waiting,
    cap: Number(row.o_rules || 0),
    lent: row.o_lent,
  };
}

/** Of every session with the ledger. */
const needs = { ledger: 'lease', statementMs: 8_000, lockMs: 4_000 } as const;
/** Plans must follow neither the statistics of a growing table nor the first parameters that came. */
const steadyPlans =
  'SET enable_seqscan=off; SET enable_hashjoin=off; SET enable_mergejoin=off; SET plan_cache_mode=force_generic_plan; SET jit=off';

/** For what is not on the hot path. */
export const poolSetup = sessionSetup(needs);
export const seatSetup = `${steadyPlans}; ${sessionSetup(needs)}`;
/** For heartbeats and reports that change nothing: the grace after a crash covers what one loses. */
export const quickSetup = `${steadyPlans}; ${sessionSetup({ ...needs, durable: false })}`;

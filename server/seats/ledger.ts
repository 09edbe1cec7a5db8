import type { LeaseMode } from '../../licence/words.ts';
import { type Asking, admission, type Counts, type Shortage } from './admission.ts';
import { giveUpFor, type IdleSeat, isShort } from './ledger/idle.ts';

/**
 * The rules of the ledger, and nothing else. The store applies them in SQL, batched; random histories run through both.
 *
 * A pool has a seat limit, its seats and its leases. Leases with the same part (the user, say, of a licence that counts users)
 * share one seat: the first takes it, the last gives it back. A lease may ask for several seats at once: all or none; then what is
 * called its seat is that many of them. A lease that has expired still holds its seat until somebody
 * needs it (reap), so that a late heartbeat revives it. The seat of programs that have been idle for longer than they may goes to whoever
 * would have none otherwise, the longest idle first. One that is given back before it was held for as long as it must be lingers until then. After an outage nothing expires before `frozenUntil`. Times are in ms
 * since the epoch; `Infinity` never comes. Functions change the pool they are given and answer what happened.
 */
export interface Lease {
  readonly leaseId: string;
  readonly holder: string;
  /** What its seat is shared by; the holder itself where each lease is a seat. */
  readonly part: string;
  mode: LeaseMode;
  /** Of a borrowed one: whoever has it will not bring it back; it counts until its end. */
  writtenOff?: boolean;
  /** That of its seat. */
  readonly slot: number;
  readonly acquiredAt: number;
  renewedAt: number;
  expiresAt: number;
  /** How long its program may be idle, in ms; absent: as long as it likes. */
  readonly idleAfterMs?: number | undefined;
  /** From when on its seat is for whoever waits; absent: its program is not idle. */
  idleFrom?: number | undefined;
  /** Given back before, it lingers until then; absent: it ends at once. */
  readonly heldUntil?: number | undefined;
}

export interface Seat {
  /** 0: a general seat; else the number of the reservation whose seat this is. */
  readonly slot: number;
  /** The tallies that it counts in: those of the lease that took it. */
  readonly tallies: readonly string[];
  /** How many leases share it. */
  leases: number;
  /** How many seats it is. */
  readonly size: number;
}

/** A rule that bounds how many seats may count in a tally. */
export interface Cap {
  readonly tally: string;
  /** 0: nobody new may come in. */
  readonly most: number;
}

export interface Waiter {
  readonly holder: string;
  readonly ticket: number;
  /** How many seats it wants. */
  readonly size: number;
  /** Whoever has a higher one comes first. */
  priority: number;
  liveUntil: number;
}

export interface Pool {
  seatLimit: number;
  /** Seats of each reservation: number n is at n − 1. */
  reserved: readonly number[];
  /** Seats that may be in use beyond the limit, once it is reached. */
  overdraft: number;
  leases: Map<string, Lease>;
  /** By part. */
  seats: Map<string, Seat>;
  /** Seats that count in each tally; none: 0. */
  tallies: Map<string, number>;
  waiters: Map<string, Waiter>;
  nextTicket: number;
  frozenUntil: number;
  /** Persons whose the seats are, folded; absent: they are whoever's. */
  assigned?: ReadonlySet<string>;
}

/** What the pools share: when each base was last heard of. */
export interface Ledger {
  readonly pools: Map<string, Pool>;
  readonly bases: Map<string, number>;
}

export interface CheckOut {
  readonly holder: string;
  readonly part: string;
  /** How many seats it asks for, 1 at least; those with the same part ask for the same. */
  readonly size: number;
  readonly base: string;
  readonly leaseId: string;
  readonly mode: LeaseMode;
  /** The reservation that the holder matches; 0 for none. */
  readonly slot: number;
  /** Of the rules that the holder matches, in their order. */
  readonly caps: readonly Cap[];
  readonly priority: number;
  /** How long the holder keeps its place in the queue if it is refused; 0: it does not queue. */
  readonly queueMs: number;
  /** Its program is idle: nobody's idle seat is given up for it. */
  readonly idle?: boolean;
  /** How long it may be idle; absent: as long as it likes. */
  readonly idleAfterMs?: number | undefined;
  /** How long the seat is held at least; absent: as long as it is needed. */
  readonly holdMs?: number | undefined;
}

export type CheckOutOutcome =
  | { readonly code: 'renewed'; readonly leaseId: string }
  /** `overdrawn`: the seat is one beyond the limit. */
  | { readonly code: 'granted'; readonly leaseId: string; readonly overdrawn: boolean }
  /** A rule keeps the holder out: the number of the cap, from 0. */
  | { readonly code: 'barred'; readonly cap: number }
  /** Seats are persons', and none is this one's. */
  | { readonly code: 'unassigned' }
  | {
      readonly code: 'denied';
      readonly shortage: Shortage;
      readonly place?: number;
    };

export const newPool = (seatLimit: number, reserved: readonly number[] = []): Pool => ({
  seatLimit,
  reserved,
  overdraft: 0,
  leases: new Map(),
  seats: new Map(),
  tallies: new Map(),
  waiters: new Map(),
  nextTicket: 1,
  frozenUntil: Number.NEGATIVE_INFINITY,
});

const expiryOf = (mode: LeaseMode, now: number, leaseMs: number): number =>
  mode === 'leased' ? now + leaseMs : Number.POSITIVE_INFINITY;

/** What decides about a check-out, counted. */
export function countsOf(pool: Pool): Counts {
  const reservedUsed = pool.reserved.map(() => 0);
  for (const { slot, size } of pool.seats.values())
    if (slot > 0) reservedUsed[slot - 1] = (reservedUsed[slot - 1] ?? 0) + size;
  const { seatLimit, overdraft, reserved } = pool;
  return { seatLimit, overdraft, inUse: inUseOf(pool), reserved, reservedUsed };
}

/** Seats in use. */
export function inUseOf(pool: Pool): number {
  let n = 0;
  for (const seat of pool.seats.values()) n += seat.size;
  return n;
}

/** A lease ends; its seat is free if it was the last that shared it. */
export function end(pool: Pool, lease: Lease): void {
  pool.leases.delete(lease.holder);
  const seat = pool.seats.get(lease.part);
  if (seat === undefined) return;
  seat.leases -= 1;
  if (seat.leases > 0) return;
  pool.seats.delete(lease.part);
  for (const tally of seat.tallies) pool.tallies.set(tally, (pool.tallies.get(tally) ?? 0) - seat.size);
}

/** Removes every expired lease, unless expiry is frozen; answers how many. */
export function reap(pool: Pool, now: number): number {
  if (now < pool.frozenUntil) return 0;
  const due = [...pool.leases.values()].filter((l) => l.expiresAt <= now);
  for (const lease of due) end(pool, lease);
  return due.length;
}

/** Seats whose leases have all been idle for longer than they may, the longest idle first. What was taken along is nobody's. */
export function idleSeats(pool: Pool, now: number): IdleSeat[] {
  const byPart = Map.groupBy(pool.leases.values(), (lease) => lease.part);
  return [...pool.seats]
    .flatMap(([part, { slot, size }]) => {
      const ends = (byPart.get(part) ?? []).map((l) => (l.mode === 'borrowed' ? undefined : l.idleFrom));
      const from = Math.max(...ends.map((end) => end ?? Number.POSITIVE_INFINITY));
      return from <= now ? [{ part, slot, size, from }] : [];
    })
    .sort((a, b) => a.from - b.from || (a.part < b.part ? -1 : 1));
}

/** Whether a waiter is served before one of this priority and ticket; who does not wait has no ticket and comes last. */
const isBefore = (w: Waiter, priority: number, ticket: number): boolean =>
  w.priority > priority || (w.priority === priority && w.ticket < ticket);

/** When the program of a renewed lease has been idle for too long; undefined: it is not idle. */
const idleFromOf = (lease: Pick<Lease, 'idleFrom' | 'idleAfterMs'>, idle: boolean, now: number): number | undefined =>
  idle && lease.idleAfterMs !== undefined ? (lease.idleFrom ?? now + lease.idleAfterMs) : undefined;

/** `given`: where the parts of idle seats go that are to be given up; undefined: none may be. */
function admit(pool: Pool, c: CheckOut, now: number, leaseMs: number, given: string[] | undefined): CheckOutOutcome {
  if (pool.assigned !== undefined && !pool.assigned.has(userOf(c.holder))) {
    pool.waiters.delete(c.holder);
    return { code: 'unassigned' };
  }
  const shared = pool.seats.get(c.part);
  const waiter = pool.waiters.get(c.holder);
  const ticket = waiter?.ticket ?? Number.POSITIVE_INFINITY;
  const asking: Asking = {
    slot: c.slot,
    size: c.size,
    ahead: [...pool.waiters.values()]
      .filter((w) => isBefore(w, c.priority, ticket))
      .reduce((sum, w) => sum + w.size, 0),
    shared: shared?.slot,
    caps: c.caps.map(({ tally, most }) => ({ most, used: pool.tallies.get(tally) ?? 0 })),
  };
  let decided = admission(countsOf(pool), asking);
  if (given !== undefined && !c.idle && isShort(decided)) {
    const help = giveUpFor(idleSeats(pool, now), countsOf(pool), c.slot, (counts) => admission(counts, asking));
    for (const part of help?.parts ?? []) {
      for (const lease of [...pool.leases.values()]) if (lease.part === part) pool.leases.delete(lease.holder);
      pool.seats.delete(part); // what it counts in is free with the next decision
      given.push(part);
    }
    decided = help?.decided ?? decided;
  }
  if (decided.code === 'barred') {
    pool.waiters.delete(c.holder); // nobody waits behind one whom no free seat would help
    return decided;
  }
  if (decided.code === 'granted') {
    pool.waiters.delete(c.holder);
    const { slot, overdrawn } = decided;
    const { leaseId, holder, part, mode } = c;
    const expiresAt = expiryOf(mode, now, leaseMs);
    const { idleAfterMs, holdMs } = c;
    const heldUntil = holdMs === undefined ? undefined : now + holdMs;
    const times = { acquiredAt: now, renewedAt: now, expiresAt, idleAfterMs, heldUntil };
    const idleFrom = idleFromOf(times, c.idle ?? false, now);
    pool.leases.set(holder, { leaseId, holder, part, mode, slot, ...times, idleFrom });
    if (shared !== undefined) shared.leases += 1;
    else {
      pool.seats.set(part, { slot, tallies: c.caps.map((r) => r.tally), leases: 1, size: c.size });
      for (const { tally } of c.caps) pool.tallies.set(tally, (pool.tallies.get(tally) ?? 0) + c.size);
    }
    return { code: 'granted', leaseId, overdrawn };
  }
  const { shortage, tooMuch } = decided;
  if (tooMuch) {
    pool.waiters.delete(c.holder);
    return { code: 'denied', shortage };
  }
  if (c.queueMs === 0) return { code: 'denied', shortage };
  if (waiter) waiter.liveUntil = now + c.queueMs;
  else {
    const { holder, size, priority } = c;
    pool.waiters.set(holder, { holder, ticket: pool.nextTicket, size, priority, liveUntil: now + c.queueMs });
    pool.nextTicket += 1;
  }
  const mine = pool.waiters.get(c.holder)?.ticket ?? 0;
  const place = [...pool.waiters.values()].filter((w) => isBefore(w, c.priority, mine)).length + 1;
  return { code: 'denied', shortage, place };
}

/** Whether it stays until it is cleared: neither heartbeats nor a promised end keep it. */
export const isUnexpiring = (lease: Lease): boolean => lease.mode === 'reported' || lease.mode === 'sticky';

const userOf = (holder: string): string => holder.split('\u001f', 2)[1] ?? '';

export const inBase = (lease: Lease, base: string): boolean => lease.holder.startsWith(`${base}\u001f`);

function renewHeld(pool: Pool, c: CheckOut, now: number, leaseMs: number): CheckOutOutcome | undefined {
  const held = pool.leases.get(c.holder);
  if (held === undefined) return undefined;
  held.renewedAt = now;
  held.idleFrom = idleFromOf(held, c.idle ?? false, now);
  // what is borrowed is promised to its end
  if (held.mode === 'borrowed' && held.expiresAt > now) return { code: 'renewed', leaseId: held.leaseId };
  held.mode = c.mode;
  held.writtenOff = false;
  held.expiresAt = expiryOf(c.mode, now, leaseMs);
  return { code: 'renewed', leaseId: held.leaseId };
}

const copyOf = (pool: Pool): Pool => ({
  ...pool,
  leases: new Map([...pool.leases].map(([k, l]) => [k, { ...l }])),
  seats: new Map([...pool.seats].map(([k, s]) => [k, { ...s }])),
  tallies: new Map(pool.tallies),
  waiters: new Map([...pool.waiters].map(([k, w]) => [k, { ...w }])),
});

/**
 * Check-outs that arrived together, of distinct holders: who holds a seat keeps it; then by priority, those who wait, the longest
 * first, before newcomers in the order of arrival. If somebody would be refused, or be granted one beyond the limit, expired seats are given up first, then as many idle
 * ones as help; one of a holder that is among the commands is answered as refused then. The outcomes are in the order of the commands.
 */
export function checkOut(
  ledger: Ledger,
  pool: Pool,
  commands: readonly CheckOut[],
  now: number,
  leaseMs: number,
): CheckOutOutcome[] {
  const held = commands.map((c) => renewHeld(pool, c, now, leaseMs));
  for (const w of [...pool.waiters.values()]) if (w.liveUntil <= now) pool.waiters.delete(w.holder);
  for (const { holder, priority } of commands) {
    const waiter = pool.waiters.get(holder);
    if (waiter) waiter.priority = priority;
  }
  const newcomers = commands
    .map((c, i) => ({ c, i, ticket: pool.waiters.get(c.holder)?.ticket ?? Number.POSITIVE_INFINITY }))
    .filter(({ i }) => held[i] === undefined)
    .sort((a, b) => b.c.priority - a.c.priority || (a.ticket === b.ticket ? a.i - b.i : a.ticket - b.ticket));
  const decide = (given: string[] | undefined) => {
    const after = copyOf(pool);
    const found = new Map(newcomers.map(({ c, i }) => [i, admit(after, c, now, leaseMs, given)]));
    return { after, found };
  };
  let decided = decide(undefined);
  const isAnyShort = () =>
    [...decided.found.values()].some((o) => o.code !== 'unassigned' && (o.code !== 'granted' || o.overdrawn));
  if (isAnyShort() && reap(pool, now) > 0) decided = decide(undefined);
  while (isAnyShort() && now >= pool.frozenUntil) {
    const given: string[] = [];
    decided = decide(given);
    if (given.length === 0) break;
    for (const lease of [...pool.leases.values()]) if (given.includes(lease.part)) end(pool, lease);
    decided = decide(undefined);
  }
  Object.assign(pool, decided.after);
  return commands.map((c, i) => {
    const kept = pool.leases.has(c.holder) ? held[i] : undefined;
    const outcome = kept ?? decided.found.get(i) ?? { code: 'denied' as const, shortage: 'taken' as const };
    if ((outcome.code === 'granted' || outcome.code === 'renewed') && c.mode !== 'leased')
      ledger.bases.set(c.base, now);
    return outcome;
  });
}

/** Who goes away leaves the queue at once. */
export function leave(pool: Pool, holder: string): void {
  pool.waiters.delete(holder);
}

/**
 * A heartbeat names the lease, so that an old process cannot keep a newer one alive. `idle`: its program is. One that says so comes here when
 * it is answered. Another may have been answered a while before (answerAtOnce.ts): then no other command came between that could have
 * ended the lease, or `frozenUntil` keeps what was promised.
 */
export function renew(pool: Pool, leaseId: string, now: number, leaseMs: number, idle = false): 'renewed' | 'lost' {
  for (const lease of pool.leases.values()) {
    if (lease.leaseId !== leaseId || lease.mode === 'lingering') continue;
    lease.renewedAt = now;
    lease.idleFrom = idleFromOf(lease, idle, now);
    if (lease.mode !== 'borrowed') lease.expiresAt = expiryOf(lease.mode, now, leaseMs);
    return 'renewed';
  }
  return 'lost';
}

/** Gives a seat back; it lingers if it must be held for longer. */
export function giveBack(pool: Pool, lease: Lease, now: number): void {
  if (lease.heldUntil === undefined || lease.heldUntil <= now) {
    end(pool, lease);
    return;
  }
  lease.mode = 'lingering';
  lease.writtenOff = false;
  lease.expiresAt = lease.heldUntil;
  lease.idleFrom = undefined;
}

/** Gives a seat back; true if it was held. */
export function release(pool: Pool, leaseId: string, now: number): boolean {
  for (const lease of pool.leases.values()) {
    if (lease.leaseId !== leaseId || lease.mode === 'lingering') continue;
    giveBack(pool, lease, now);
    return true;
  }
  return false;
}

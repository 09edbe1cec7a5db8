import type { LeaseMode } from '../../licence/words.ts';
import { admission, type Counts, type Shortage } from './admission.ts';

/**
 * The rules of the ledger, and nothing else. The store applies them in SQL, batched; random histories run through both.
 *
 * A pool has a seat limit, its seats and its leases. Leases with the same part (the user, say, of a licence that counts users)
 * share one seat: the first takes it, the last gives it back. A lease may ask for several seats at once: all or none; then what is
 * called its seat is that many of them. A lease that has expired still holds its seat until somebody
 * needs it (reap), so that a late heartbeat revives it. After an outage nothing expires before `frozenUntil`. Times are in ms
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
}

export type CheckOutOutcome =
  | { readonly code: 'renewed'; readonly leaseId: string }
  /** `overdrawn`: the seat is one beyond the limit. */
  | { readonly code: 'granted'; readonly leaseId: string; readonly overdrawn: boolean }
  /** A rule keeps the holder out: the number of the cap, from 0. */
  | { readonly code: 'barred'; readonly cap: number }
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

/** Whether a waiter is served before one of this priority and ticket; who does not wait has no ticket and comes last. */
const isBefore = (w: Waiter, priority: number, ticket: number): boolean =>
  w.priority > priority || (w.priority === priority && w.ticket < ticket);

function admit(pool: Pool, c: CheckOut, now: number, leaseMs: number): CheckOutOutcome {
  const shared = pool.seats.get(c.part);
  const waiter = pool.waiters.get(c.holder);
  const ticket = waiter?.ticket ?? Number.POSITIVE_INFINITY;
  const decided = admission(countsOf(pool), {
    slot: c.slot,
    size: c.size,
    ahead: [...pool.waiters.values()]
      .filter((w) => isBefore(w, c.priority, ticket))
      .reduce((sum, w) => sum + w.size, 0),
    shared: shared?.slot,
    caps: c.caps.map(({ tally, most }) => ({ most, used: pool.tallies.get(tally) ?? 0 })),
  });
  if (decided.code === 'barred') {
    pool.waiters.delete(c.holder); // nobody waits behind one whom no free seat would help
    return decided;
  }
  if (decided.code === 'granted') {
    pool.waiters.delete(c.holder);
    const { slot, overdrawn } = decided;
    const { leaseId, holder, part, mode } = c;
    const expiresAt = expiryOf(mode, now, leaseMs);
    pool.leases.set(holder, { leaseId, holder, part, mode, slot, acquiredAt: now, renewedAt: now, expiresAt });
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

export const inBase = (lease: Lease, base: string): boolean => lease.holder.startsWith(`${base}\u001f`);

function renewHeld(pool: Pool, c: CheckOut, now: number, leaseMs: number): CheckOutOutcome | undefined {
  const held = pool.leases.get(c.holder);
  if (held === undefined) return undefined;
  held.renewedAt = now;
  if (held.mode === 'borrowed') return { code: 'renewed', leaseId: held.leaseId };
  held.mode = c.mode;
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
 * first, before newcomers in the order of arrival. If somebody would be refused, or be granted one beyond the limit, expired seats are given up first. The outcomes
 * are in the order of the commands.
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
  const decide = () => {
    const after = copyOf(pool);
    const found = new Map(newcomers.map(({ c, i }) => [i, admit(after, c, now, leaseMs)]));
    return { after, found };
  };
  let decided = decide();
  if ([...decided.found.values()].some((o) => o.code !== 'granted' || o.overdrawn) && reap(pool, now) > 0)
    decided = decide();
  Object.assign(pool, decided.after);
  return commands.map((c, i) => {
    const outcome = held[i] ?? decided.found.get(i) ?? { code: 'denied' as const, shortage: 'taken' as const };
    if ((outcome.code === 'granted' || outcome.code === 'renewed') && c.mode !== 'leased')
      ledger.bases.set(c.base, now);
    return outcome;
  });
}

/** Who goes away leaves the queue at once. */
export function leave(pool: Pool, holder: string): void {
  pool.waiters.delete(holder);
}

/** A heartbeat names the lease, so that an old process cannot keep a newer one alive. */
export function renew(pool: Pool, leaseId: string, now: number, leaseMs: number): 'renewed' | 'lost' {
  for (const lease of pool.leases.values()) {
    if (lease.leaseId !== leaseId) continue;
    lease.renewedAt = now;
    if (lease.mode !== 'borrowed') lease.expiresAt = expiryOf(lease.mode, now, leaseMs);
    return 'renewed';
  }
  return 'lost';
}

/** Gives a seat back; true if it was held. */
export function release(pool: Pool, leaseId: string): boolean {
  for (const lease of pool.leases.values()) {
    if (lease.leaseId !== leaseId) continue;
    end(pool, lease);
    return true;
  }
  return false;
}

import type { LeaseMode } from '../../licence/words.ts';

/**
 * The rules of the ledger, and nothing else. The store applies them in SQL, batched; random histories run through both.
 *
 * A pool has a seat limit and its leases. A lease that has expired still holds its seat until somebody needs it (reap), so
 * that a late heartbeat revives it. After an outage nothing expires before `frozenUntil`. Times are in ms since the epoch;
 * `Infinity` never comes. Functions change the pool they are given and answer what happened.
 */
export interface Lease {
  readonly leaseId: string;
  readonly holder: string;
  mode: LeaseMode;
  /** 0: a general seat; else the number of the reservation whose seat this is. */
  readonly slot: number;
  readonly acquiredAt: number;
  renewedAt: number;
  expiresAt: number;
}

export interface Waiter {
  readonly holder: string;
  readonly ticket: number;
  liveUntil: number;
}

export interface Pool {
  seatLimit: number;
  /** Seats of each reservation: number n is at n − 1. */
  reserved: readonly number[];
  readonly leases: Map<string, Lease>;
  readonly waiters: Map<string, Waiter>;
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
  readonly base: string;
  readonly leaseId: string;
  readonly mode: LeaseMode;
  /** The reservation that the holder matches; 0 for none. */
  readonly slot: number;
  /** How long the holder keeps its place in the queue if it is refused; 0: it does not queue. */
  readonly queueMs: number;
}

export type CheckOutOutcome =
  | { readonly code: 'granted' | 'renewed'; readonly leaseId: string }
  | {
      readonly code: 'denied';
      /** `taken`: no seat is free; `reserved`: the free ones are kept for others; `queued`: those who wait longer come first. */
      readonly shortage: 'taken' | 'reserved' | 'queued';
      readonly place?: number;
    };

export const newPool = (seatLimit: number, reserved: readonly number[] = []): Pool => ({
  seatLimit,
  reserved,
  leases: new Map(),
  waiters: new Map(),
  nextTicket: 1,
  frozenUntil: Number.NEGATIVE_INFINITY,
});

const expiryOf = (mode: LeaseMode, now: number, leaseMs: number): number =>
  mode === 'leased' ? now + leaseMs : Number.POSITIVE_INFINITY;

const usedOf = (pool: Pool, slot: number): number => {
  let n = 0;
  for (const lease of pool.leases.values()) if (lease.slot === slot) n += 1;
  return n;
};

/** Free seats that are kept for reservations. */
export const reservedFree = (pool: Pool): number => {
  const kept = pool.reserved.reduce((sum, seats, i) => sum + Math.max(seats - usedOf(pool, i + 1), 0), 0);
  return Math.max(Math.min(pool.seatLimit - pool.leases.size, kept), 0);
};

/** General seats that are free: what reservations hold back, used or not, is not among them. */
export const generalFree = (pool: Pool): number => {
  const heldBack = pool.reserved.reduce((sum, seats, i) => sum + Math.max(seats, usedOf(pool, i + 1)), 0);
  const general = pool.leases.size - pool.reserved.reduce((sum, _, i) => sum + usedOf(pool, i + 1), 0);
  return pool.seatLimit - heldBack - general;
};

/** Removes every expired lease, unless expiry is frozen; answers how many. */
export function reap(pool: Pool, now: number): number {
  if (now < pool.frozenUntil) return 0;
  const due = [...pool.leases.values()].filter((l) => l.expiresAt <= now);
  for (const lease of due) pool.leases.delete(lease.holder);
  return due.length;
}

/** The reservation's own seat if one is left, else a general one, but not before those who wait longer. */
function seatFor(pool: Pool, slot: number, ahead: number): number | undefined {
  const own = pool.reserved[slot - 1];
  if (own !== undefined && pool.leases.size < pool.seatLimit && usedOf(pool, slot) < own) return slot;
  return generalFree(pool) > ahead ? 0 : undefined;
}

function admit(pool: Pool, c: CheckOut, now: number, leaseMs: number): CheckOutOutcome {
  const ticket = pool.waiters.get(c.holder)?.ticket ?? Number.POSITIVE_INFINITY;
  const ahead = [...pool.waiters.values()].filter((w) => w.ticket < ticket).length;
  let slot = seatFor(pool, c.slot, ahead);
  if (slot === undefined && reap(pool, now) > 0) slot = seatFor(pool, c.slot, ahead);
  if (slot !== undefined) {
    pool.waiters.delete(c.holder);
    pool.leases.set(c.holder, {
      leaseId: c.leaseId,
      holder: c.holder,
      mode: c.mode,
      slot,
      acquiredAt: now,
      renewedAt: now,
      expiresAt: expiryOf(c.mode, now, leaseMs),
    });
    return { code: 'granted', leaseId: c.leaseId };
  }
  const shortage = pool.leases.size >= pool.seatLimit ? 'taken' : generalFree(pool) <= 0 ? 'reserved' : 'queued';
  if (c.queueMs === 0) return { code: 'denied', shortage };
  const waiter = pool.waiters.get(c.holder);
  if (waiter) waiter.liveUntil = now + c.queueMs;
  else {
    pool.waiters.set(c.holder, { holder: c.holder, ticket: pool.nextTicket, liveUntil: now + c.queueMs });
    pool.nextTicket += 1;
  }
  const mine = pool.waiters.get(c.holder)?.ticket ?? 0;
  return { code: 'denied', shortage, place: [...pool.waiters.values()].filter((w) => w.ticket <= mine).length };
}

function renewHeld(pool: Pool, c: CheckOut, now: number, leaseMs: number): CheckOutOutcome | undefined {
  const held = pool.leases.get(c.holder);
  if (held === undefined) return undefined;
  held.mode = c.mode;
  held.renewedAt = now;
  held.expiresAt = expiryOf(c.mode, now, leaseMs);
  return { code: 'renewed', leaseId: held.leaseId };
}

/**
 * Check-outs that arrived together, of distinct holders: who holds a seat keeps it; then those who wait, the longest first;
 * then newcomers in the order of arrival. The outcomes are in the order of the commands.
 */
export function checkOut(
  ledger: Ledger,
  pool: Pool,
  commands: readonly CheckOut[],
  now: number,
  leaseMs: number,
): CheckOutOutcome[] {
  const outcomes = commands.map((c) => renewHeld(pool, c, now, leaseMs));
  for (const w of [...pool.waiters.values()]) if (w.liveUntil <= now) pool.waiters.delete(w.holder);
  const newcomers = commands
    .map((c, i) => ({ c, i, ticket: pool.waiters.get(c.holder)?.ticket ?? Number.POSITIVE_INFINITY }))
    .filter(({ i }) => outcomes[i] === undefined)
    .sort((a, b) => (a.ticket === b.ticket ? a.i - b.i : a.ticket - b.ticket));
  for (const { c, i } of newcomers) outcomes[i] = admit(pool, c, now, leaseMs);
  return commands.map((c, i) => {
    const outcome = outcomes[i] ?? { code: 'denied' as const, shortage: 'taken' as const };
    if (outcome.code !== 'denied' && c.mode !== 'leased') ledger.bases.set(c.base, now);
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
    lease.expiresAt = expiryOf(lease.mode, now, leaseMs);
    return 'renewed';
  }
  return 'lost';
}

/** Gives a seat back; true if it was held. */
export function release(pool: Pool, leaseId: string): boolean {
  for (const lease of pool.leases.values()) {
    if (lease.leaseId === leaseId) return pool.leases.delete(lease.holder);
  }
  return false;
}

export interface ReportedSession {
  /** The pool's product; a product without a pool is answered `unknown`. */
  readonly product: string;
  readonly holder: string;
  readonly leaseId: string;
  readonly slot: number;
}
export interface ReportOutcome {
  readonly sessions: readonly (CheckOutOutcome | { readonly code: 'unknown' })[];
  readonly released: number;
}

const inBase = (lease: Lease, base: string): boolean => lease.holder.startsWith(`${base}\u001f`);

/** The full state of a base: the absent give their seats back first, then the present keep theirs or take one. */
export function report(
  ledger: Ledger,
  base: string,
  sessions: readonly ReportedSession[],
  now: number,
  leaseMs: number,
): ReportOutcome {
  let released = 0;
  const outcomes: (CheckOutOutcome | { code: 'unknown' })[] = sessions.map(() => ({ code: 'unknown' }));
  for (const [product, pool] of ledger.pools) {
    const here = sessions.map((s, i) => ({ s, i })).filter(({ s }) => s.product === product);
    const present = new Set(here.map(({ s }) => s.holder));
    for (const lease of [...pool.leases.values()]) {
      if (lease.mode === 'leased' || !inBase(lease, base) || present.has(lease.holder)) continue;
      pool.leases.delete(lease.holder);
      released += 1;
    }
    const commands = here.map(({ s }) => {
      const mode = pool.leases.get(s.holder)?.mode === 'leased' ? 'leased' : 'reported';
      return { holder: s.holder, base, leaseId: s.leaseId, mode, slot: s.slot, queueMs: 0 } as const;
    });
    checkOut(ledger, pool, commands, now, leaseMs).forEach((outcome, n) => {
      const at = here[n];
      if (at) outcomes[at.i] = outcome;
    });
  }
  ledger.bases.set(base, now);
  return { sessions: outcomes, released };
}

/** The last sign of life of a base: a report, a check-out that does not expire, or any lease renewed. */
export function lastSignOf(ledger: Ledger, base: string): number {
  let last = ledger.bases.get(base) ?? Number.NEGATIVE_INFINITY;
  for (const pool of ledger.pools.values()) {
    for (const lease of pool.leases.values()) if (inBase(lease, base)) last = Math.max(last, lease.renewedAt);
  }
  return last;
}

/** Seats that do not expire, of bases that were silent for `afterMs`. They are held until cleared: a person may be behind one. */
export function stale(ledger: Ledger, now: number, afterMs: number): Lease[] {
  const silent = new Set([...ledger.bases.keys()].filter((b) => lastSignOf(ledger, b) <= now - afterMs));
  return [...ledger.pools.values()].flatMap((pool) =>
    [...pool.leases.values()].filter(
      (l) => l.mode !== 'leased' && silent.has(l.holder.slice(0, l.holder.indexOf('\u001f'))),
    ),
  );
}

/** Gives all stale seats back; all others are kept. */
export function clearStale(ledger: Ledger, now: number, afterMs: number): { cleared: number; kept: number } {
  const gone = new Set(stale(ledger, now, afterMs).map((l) => l.leaseId));
  let kept = 0;
  for (const pool of ledger.pools.values()) {
    for (const lease of [...pool.leases.values()]) if (gone.has(lease.leaseId)) pool.leases.delete(lease.holder);
    kept += pool.leases.size;
  }
  return { cleared: gone.size, kept };
}

/**
 * Cuts reservations down to what the limit allows, the first first, so that they can never promise more seats than there
 * are.
 */
export function fitReservations(seatLimit: number, wanted: readonly number[]): number[] {
  let left = seatLimit;
  return wanted.map((seats) => {
    const given = Math.min(seats, left);
    left -= given;
    return given;
  });
}

/**
 * Whether a check-out gets a seat, by the counts of its pool alone. The ledger, explanations and simulations decide by it.
 */
export interface Counts {
  readonly seatLimit: number;
  /** Seats that may be in use beyond the limit, once it is reached. */
  readonly overdraft: number;
  readonly inUse: number;
  /** Seats of each reservation, and how many of them are in use: number n is at n − 1. */
  readonly reserved: readonly number[];
  readonly reservedUsed: readonly number[];
}

export interface Asking {
  /** The reservation that the holder matches; 0 for none. */
  readonly slot: number;
  /** How many seats it asks for, all or none; absent: one. */
  readonly size?: number;
  /** How many seats those ask for who are served before. */
  readonly ahead: number;
  /** The reservation (0: none) of a seat that is held already and would be shared; undefined: it takes one of its own. */
  readonly shared: number | undefined;
  /** The bounds of the rules that the holder matches, in their order, and how many seats count in each. */
  readonly caps: readonly { readonly most: number; readonly used: number }[];
}

/** Why there is no seat: none is free; the free ones are kept for others; those who wait longer come first. */
export type Shortage = 'taken' | 'reserved' | 'queued';

export type Admission =
  /** `slot`: whose seat it is; `overdrawn`: it is one beyond the limit. */
  | { readonly code: 'granted'; readonly slot: number; readonly overdrawn: boolean }
  /** A rule keeps the holder out: the number of the cap, from 0. */
  | { readonly code: 'barred'; readonly cap: number }
  /** `tooMuch`: more at once than could ever be free. It does not queue, or all others would wait behind it for ever. */
  | { readonly code: 'denied'; readonly shortage: Shortage; readonly tooMuch: boolean };

/** Free seats that are kept for reservations. */
export function reservedFree({ seatLimit, inUse, reserved, reservedUsed }: Counts): number {
  let kept = 0;
  for (let i = 0; i < reserved.length; i++) kept += Math.max((reserved[i] ?? 0) - (reservedUsed[i] ?? 0), 0);
  return Math.max(Math.min(seatLimit - inUse, kept), 0);
}

/** General seats that are free: what reservations hold back, used or not, is not among them. */
export function generalFree({ seatLimit, inUse, reserved, reservedUsed }: Counts): number {
  let free = seatLimit - inUse;
  for (let i = 0; i < reserved.length; i++) free -= Math.max((reserved[i] ?? 0) - (reservedUsed[i] ?? 0), 0);
  return free;
}

/**
 * The rules first; then a seat that is shared anyway, else the reservation's own if they are left, else general ones, but not before
 * those who wait longer; when all seats are in use, ones beyond the limit, if the licence allows that.
 */
export function admission(counts: Counts, { slot, size = 1, ahead, shared, caps }: Asking): Admission {
  // a seat that is shared is counted already: only who may not come in at all is kept out
  const cap = caps.findIndex((c) => (shared === undefined ? c.used + size > c.most : c.most === 0));
  if (cap >= 0) return { code: 'barred', cap };
  if (shared !== undefined) return { code: 'granted', slot: shared, overdrawn: false };
  const { seatLimit, overdraft, inUse } = counts;
  const own = counts.reserved[slot - 1];
  if (own !== undefined && inUse + size <= seatLimit && (counts.reservedUsed[slot - 1] ?? 0) + size <= own)
    return { code: 'granted', slot, overdrawn: false };
  const free = generalFree(counts);
  if (free >= ahead + size) return { code: 'granted', slot: 0, overdrawn: false };
  if (inUse >= seatLimit && inUse + ahead + size <= seatLimit + overdraft)
    return { code: 'granted', slot: 0, overdrawn: true };
  const general = counts.reserved.reduce((left, seats) => left - seats, seatLimit);
  const tooMuch = size > 1 && size > Math.max(general, own ?? 0, overdraft);
  return {
    code: 'denied',
    shortage: inUse + size > seatLimit ? 'taken' : free < size ? 'reserved' : 'queued',
    tooMuch,
  };
}

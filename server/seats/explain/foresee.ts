import { type Admission, type Asking, admission, type Counts, reservedFree } from '../admission.ts';
import { giveUpFor, isShort } from '../ledger/idle.ts';
import type { RuleCap } from '../seatRules.ts';
import type { Look } from './lookAtPool.ts';

/** What a check-out would get: what the ledger decides for one that comes alone. */
export interface Foreseen {
  readonly decided: { readonly code: 'renewed' } | Admission;
  /** What was counted when it was decided: after expired seats were given up, if that was needed. */
  readonly counts: Counts;
  /** Seats that count for each cap, likewise. */
  readonly tallies: readonly number[];
  readonly ahead: number;
  /** How many seats it asks for. */
  readonly size: number;
  /** The seat is one that others of its part hold already. */
  readonly sharesSeat: boolean;
  readonly reservedFree: number;
  /** Seats of holders that have expired, and that were given up for this. */
  readonly givenUp: number;
  /** Seats of idle programs that were given up for this. */
  readonly idleGivenUp: number;
}

/**
 * As `checkOut` in ledger.ts: who holds a seat keeps it; if the holder would be refused, or be granted one beyond the limit, expired seats
 * are given up first, then as many idle ones as help, and all is decided once more.
 */
export function foresee(look: Look, size: number, slot: number, caps: readonly Pick<RuleCap, 'most'>[]): Foreseen {
  const asking = (shared: number | undefined, tallies: readonly number[]): Asking => ({
    slot,
    size,
    ahead: look.need,
    shared,
    caps: caps.map(({ most }, i) => ({ most, used: tallies[i] ?? 0 })),
  });
  const before: Counts = { ...look, reservedUsed: look.reserved.map((_, i) => look.reservedUsed[i] ?? 0) };
  const told = (
    decided: Foreseen['decided'],
    counts: Counts,
    tallies: readonly number[],
    sharesSeat: boolean,
    givenUp: number,
  ): Foreseen => ({
    decided,
    counts,
    tallies,
    ahead: look.ahead,
    size,
    sharesSeat,
    reservedFree: reservedFree(counts),
    givenUp,
    idleGivenUp: 0,
  });
  const withIdle = (before: Foreseen, shared: number | undefined): Foreseen => {
    if (before.decided.code === 'renewed' || !isShort(before.decided)) return before;
    const help = giveUpFor(look.idle, before.counts, slot, (counts) =>
      admission(counts, asking(shared, before.tallies)),
    );
    if (help === undefined) return before;
    const { decided, counts } = help;
    const idleGivenUp = before.counts.inUse - counts.inUse;
    return { ...before, decided, counts, reservedFree: reservedFree(counts), idleGivenUp };
  };
  if (look.held) return told({ code: 'renewed' }, before, look.tallies, true, 0);
  const first = admission(before, asking(look.shared?.slot, look.tallies));
  const { due } = look;
  if ((first.code === 'granted' && !first.overdrawn) || due === null || due.leases === 0 || !look.mayExpire)
    return withIdle(told(first, before, look.tallies, look.shared !== null, 0), look.shared?.slot);
  const after: Counts = {
    ...before,
    inUse: before.inUse - due.seats,
    reservedUsed: before.reservedUsed.map((used, i) => used - due.slots.filter((s) => s === i + 1).length),
  };
  const isShared = look.shared !== null && look.shared.leases > due.part;
  const tallies = look.tallies.map((used, i) => used - (due.tallies[i] ?? 0));
  const shared = isShared ? look.shared?.slot : undefined;
  const second = admission(after, asking(shared, tallies));
  return withIdle(told(second, after, tallies, isShared, due.seats), shared);
}

import type { Admission, Counts } from '../admission.ts';

/** A seat whose programs have all been idle for longer than they may. */
export interface IdleSeat {
  /** What it is shared by. */
  readonly part: string;
  /** How many seats it is. */
  readonly size: number;
  /** 0: a general seat; else the number of the reservation whose seat it is. */
  readonly slot: number;
}

/** Whether an asker has to be helped to a seat: it has none, or only one beyond the limit. */
export const isShort = (a: Admission): boolean => a.code === 'denied' || (a.code === 'granted' && a.overdrawn);

/**
 * The fewest idle seats that have to be given up for one asker, the longest idle first; undefined: all of them would not help.
 * `idle`: the longest idle first; `slot`: the reservation that the asker matches: those of other reservations would help nobody else;
 * `decide`: what it would get by other counts.
 */
export function giveUpFor(
  idle: readonly IdleSeat[],
  counts: Counts,
  slot: number,
  decide: (counts: Counts) => Admission,
): { readonly parts: readonly string[]; readonly counts: Counts; readonly decided: Admission } | undefined {
  const parts: string[] = [];
  let after = counts;
  for (const seat of idle) {
    if (seat.slot !== 0 && seat.slot !== slot) continue;
    parts.push(seat.part);
    const reservedUsed = after.reservedUsed.map((used, i) => (i === seat.slot - 1 ? used - seat.size : used));
    after = { ...after, inUse: after.inUse - seat.size, reservedUsed };
    const decided = decide(after);
    if (decided.code === 'granted' && !decided.overdrawn) return { parts, counts: after, decided };
  }
  return undefined;
}

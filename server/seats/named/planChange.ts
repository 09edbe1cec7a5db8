/** Somebody whose a seat is. Times in ms since the epoch. */
export interface Assigned {
  /** The user's name, folded. */
  readonly person: string;
  /** As it was spelled. */
  readonly shown: string;
  readonly assignedAtMs: number;
}

/** A name with its folded form. */
export interface Person {
  readonly person: string;
  readonly shown: string;
}

/** What is to change: those who are to have a seat, and those who are to have none any more. To move a seat is both. */
export interface Change {
  readonly assign: readonly Person[];
  readonly remove: readonly Person[];
}

export type ChangeFault =
  /** Somebody's seat is still that person's. */
  | { readonly reason: 'ReassignedTooEarly'; readonly shown: string; readonly fromMs: number }
  /** There are not so many seats. */
  | { readonly reason: 'AllSeatsAssigned'; readonly assigned: number };

const dayMs = 86_400_000;

/** From when on a seat may become somebody else's. */
export const movableFromMs = (assignedAtMs: number, reassignAfterDays: number): number =>
  assignedAtMs + reassignAfterDays * dayMs;

/**
 * What a change comes to: all of it, or nothing and why. Who has a seat already keeps it from when it was assigned, whoever has none is not
 * removed, and who is in both lists keeps the seat.
 */
export function planChange(
  now: readonly Assigned[],
  { assign, remove }: Change,
  { seatLimit, reassignAfterDays }: { readonly seatLimit: number; readonly reassignAfterDays: number },
  nowMs: number,
): { readonly assigned: readonly Person[]; readonly removed: readonly Assigned[] } | ChangeFault {
  const there = new Map(now.map((a) => [a.person, a]));
  const wanted = new Map(assign.map((p) => [p.person, p]));
  const removed = [...new Set(remove.map((p) => p.person))].flatMap((p) => (wanted.has(p) ? [] : (there.get(p) ?? [])));
  const early = removed.find((a) => movableFromMs(a.assignedAtMs, reassignAfterDays) > nowMs);
  if (early !== undefined) {
    const fromMs = movableFromMs(early.assignedAtMs, reassignAfterDays);
    return { reason: 'ReassignedTooEarly', shown: early.shown, fromMs };
  }
  const assigned = [...wanted.values()].filter((p) => !there.has(p.person));
  const total = now.length - removed.length + assigned.length;
  // where the licence has become smaller, seats may move all the same
  if (total > Math.max(seatLimit, now.length)) return { reason: 'AllSeatsAssigned', assigned: total };
  return { assigned, removed };
}

/** The change that makes a list of persons the whole list. */
export const changeTo = (now: readonly Assigned[], all: readonly Person[]): Change => {
  const kept = new Set(all.map((p) => p.person));
  return { assign: all, remove: now.filter((a) => !kept.has(a.person)) };
};

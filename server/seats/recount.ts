import type { CountBy } from '../../licence/words.ts';
import { type HolderKey, separator } from './holderKey.ts';
import type { Reservation } from './reservations.ts';
import type { SeatRule } from './seatRules.ts';

/** What leases of a holder share a seat by; the twin of part_of in SQL. */
export function partOf(holder: HolderKey, countBy: CountBy): string {
  if (countBy === 'session') return holder;
  const [base = '', user = '', host = ''] = holder.split(separator, 3);
  return { user, host, userOnHost: user + separator + host, base }[countBy];
}

/** Seats that are kept for some, by an older reservation or by a rule. */
export interface Kept {
  readonly name: string;
  readonly seats: number;
}

export const keptSeats = (reservations: readonly Reservation[], rules: readonly SeatRule[]): Kept[] => [
  ...reservations.map(({ name, seats }) => ({ name, seats })),
  ...rules.flatMap(({ name, reserve }) => (reserve === undefined ? [] : [{ name, seats: reserve }])),
];

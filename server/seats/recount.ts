import type { SeatRule } from '../../licence/seatRule.ts';
import type { CountBy } from '../../licence/words.ts';
import { askedOf, askedTail, type HolderKey, separator } from './holderKey.ts';
import type { Reservation } from './reservations.ts';

/** What leases of a holder share a seat by; the twin of part_of in SQL. */
export function partOf(holder: HolderKey, countBy: CountBy): string {
  if (countBy === 'session') return holder;
  const [base = '', user = '', host = ''] = holder.split(separator, 3);
  const { feature, seats } = askedOf(holder);
  const tail =
    feature === undefined && seats === 1
      ? ''
      : `${separator}${separator}${feature ?? ''}${separator}${seats === 1 ? '' : seats}`;
  return { user, host, userOnHost: user + separator + host, base }[countBy] + tail;
}

/** The seat in words: whose it is, and of what. */
export function seatName(holder: HolderKey, countBy: CountBy): string {
  const { feature, seats } = askedOf(holder);
  const own = holder.slice(0, holder.length - askedTail(feature, seats).length);
  const of = feature === undefined ? '' : `, ${feature}`;
  return partOf(own, countBy).replaceAll(separator, ' on ') + of + (seats === 1 ? '' : ` × ${seats}`);
}

/** Seats that one of a feature costs; what is not named costs one. */
export type Weights = Readonly<Record<string, number>>;

/** How many seats a holder's lease is; the twin of size_of in SQL. */
export function sizeOf(holder: HolderKey, weights: Weights): number {
  const { feature, seats } = askedOf(holder);
  return seats * (feature === undefined ? 1 : Object.hasOwn(weights, feature) ? (weights[feature] ?? 1) : 1);
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

import type { CountBy, SupportPolicy } from './words.ts';

/** What a key grants once it is activated. Times are RFC 3339 UTC with whole seconds. */
export interface Entitlements {
  readonly licenceId: string;
  readonly organisation: string;
  readonly product: string;
  readonly seatLimit: number;
  /** Updates released after this moment are outside the support term; absent: no term. */
  readonly supportUntil?: string;
  /** No seat is granted after this moment; absent: perpetual. */
  readonly expiresAt?: string;
  readonly supportPolicy: SupportPolicy;
  readonly features: readonly string[];
  /** Given for a while to try the product; absent: bought. */
  readonly trial?: true;
  /** What one seat is; absent: a session. */
  readonly countBy?: Exclude<CountBy, 'session'>;
  /** Seats that may be in use beyond seatLimit, once all are; absent: none. */
  readonly overdraftSeats?: number;
  /** Seats that one of a feature costs, of features where that is more than one; absent: each costs one. */
  readonly weights?: Readonly<Record<string, number>>;
  /** How far seats may be borrowed; absent: not at all. */
  readonly borrow?: BorrowTerms;
  /** Seats are persons', who are named; one is a user then (countBy). Absent: they are whoever's. */
  readonly assignment?: 'named';
  /** Of one with named users, and always there: a seat is a person's for so many days at least. */
  readonly reassignAfterDays?: number;
}

/** Seats that are taken along, and cannot be called back. */
export interface BorrowTerms {
  readonly maxHours: number;
  /** So many seats must stay free. */
  readonly keepFree: number;
}

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
}

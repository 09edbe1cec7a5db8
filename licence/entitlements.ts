import type { SupportPolicy } from './words.ts';

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
}

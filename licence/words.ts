/**
 * The ledger's words and their bounds, shared by everything that counts seats. Source: `docs/words.md`.
 */

/** How a holder keeps its seat: by heartbeats, by its base's session reports, until somebody clears it, or taken along to a certain end. */
export const leaseModes = ['leased', 'reported', 'sticky', 'borrowed', 'lingering'] as const;
export type LeaseMode = (typeof leaseModes)[number];

/** What one seat is: leases with the same user, computer, both, or base share it; `session`: each lease is a seat. */
export const countings = ['session', 'user', 'host', 'userOnHost', 'base'] as const;
export type CountBy = (typeof countings)[number];

/** Who holds a seat. Two check-outs with equal holders (and product) are the same lease. */
export interface Holder {
  /** The 1C infobase. */
  readonly base: string;
  readonly user: string;
  /** The computer the person sits at. */
  readonly host: string;
  /** Tells apart several sessions of one user on one host; may be empty. */
  readonly session: string;
}

/** Why a seat was given back; label of `licence_releases_total`. */
export const releaseCauses = ['holder', 'expired', 'report', 'roll', 'admin', 'pod_gone', 'idle'] as const;
export type ReleaseCause = (typeof releaseCauses)[number];

/**
 * Why a check-out was refused; label of `licence_checkouts_total` and `reason` of the problem document. `SeatsExhausted`: all seats
 * are taken, or promised to those who wait; `SeatsReserved`: the free ones are kept for others. More seats would mend these two.
 * `BaseInstanceConflict`: the name of the base is another instance's. `NotPermitted`: a rule keeps the holder out; `RuleLimit`: it is the
 * bound of a rule that is reached. `FeatureNotLicensed`: no active key has the feature. `BorrowNotLicensed`:
 * no active key lets seats be borrowed; `BorrowLimit`: as many as may be are borrowed.
 */
export const denialReasons = [
  'SeatsExhausted',
  'SeatsReserved',
  'ProductUnknown',
  'KeyExpired',
  'SupportRequired',
  'BaseInstanceConflict',
  'NotPermitted',
  'RuleLimit',
  'FeatureNotLicensed',
  'BorrowNotLicensed',
  'BorrowLimit',
  'NotAssigned',
] as const;
export type DenialReason = (typeof denialReasons)[number];

export type SupportState = 'valid' | 'expired';

/** `warn`: an expired support term is only told to the program; `require`: it refuses the check-out. */
export const supportPolicies = ['warn', 'require'] as const;
export type SupportPolicy = (typeof supportPolicies)[number];

export const bounds = {
  /** Longest base, user, host or session, in characters. */
  holderPart: 200,
  product: 63,
  leaseSeconds: { min: 10, max: 86_400, default: 120 },
  staleAfterSeconds: { min: 60, max: 30 * 86_400, default: 1_800 },
} as const;

/** Whose the seats of a licence are: whoever comes first, or persons who are named. */
export const assignments = ['floating', 'named'] as const;
export type Assignment = (typeof assignments)[number];
/** Days that a seat is a person's at least. */
export const reassignAfter = { default: 30, max: 3_650 } as const;

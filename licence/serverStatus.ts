import type { KeyFault } from './keyFaults.ts';

/**
 * The one value that crosses from a licence server to the operator: `GET /v1/status` with the admin token.
 * The operator validates it on arrival, since a server of another version may answer.
 */
export interface ServerStatus {
  /** Program version, semver. */
  readonly version: string;
  /** Process start, RFC 3339 UTC. */
  readonly startedAt: string;
  readonly fingerprint: string;
  readonly products: readonly ProductStatus[];
  readonly keys: readonly KeyStatus[];
  /** The clearing of stale seats that this server's start performed, if it did (`LICENCE_CLEAR_STALE`). */
  readonly clearing?: ClearingStatus;
  /** Bases that two have come under within the last minutes; absent: none. */
  readonly baseConflicts?: readonly BaseConflict[];
  /** What a person should do something about (database, room on the volume, clock, trusted keys), in a sentence each; absent while all is well. */
  readonly trouble?: string;
  /** Seat rules and reservations that do not do what they seem to, a sentence each; absent: there are none. */
  readonly ruleDoubts?: readonly string[];
  /** Backups on a schedule; absent: none are wanted. */
  readonly backup?: BackupStatus;
}

export interface BackupStatus {
  /** When the newest backup of this computer at the destination was begun. */
  readonly lastSuccessAt?: string;
  /** Its name. */
  readonly archive?: string;
  readonly sizeBytes?: number;
  /** When the next one is due; in the past while they fail. */
  readonly nextAt?: string;
  /** Why the last attempt failed, in one sentence; absent: it did not. */
  readonly fault?: string;
}

/** Two bases under one name. */
export interface BaseConflict {
  /** The name, as its owner spells it. */
  readonly base: string;
  /** `instance`: one was refused that does not own the name; `reports`: their session reports take each other's seats. */
  readonly kind: 'instance' | 'reports';
  /** The one that was refused. */
  readonly instance?: string;
  readonly lastAt: string;
}

export interface ProductStatus {
  readonly product: string;
  readonly seatLimit: number;
  /** Every held seat, stale ones included. */
  readonly seatsInUse: number;
  readonly seatsStale: number;
  /** Since when there has been at least one stale seat. */
  readonly staleSince?: string;
  /** Holders now refused for want of a seat (refused within the last minute and not served since). */
  readonly holdersWaiting: number;
  readonly supportUntil?: string;
  readonly expiresAt?: string;
  /** Seats in use beyond the limit, where the licence allows that; absent: none. */
  readonly seatsOverdrawn?: number;
  /** All licences in force are trials. */
  readonly trial?: boolean;
  /** Persons whose a seat is, of a licence for named users; absent: it is none. */
  readonly seatsAssigned?: number;
}

/** A configured, web-installed or found key as the server sees it. Never carries the key itself. */
export interface KeyStatus {
  /** File name in `LICENCE_KEYS_DIR`; absent for keys that did not come from there. */
  readonly name?: string;
  /** Absent while the text is not even a well-formed key. */
  readonly keyId?: string;
  /**
   * `Active`: its activation counts; `Pending`: to be activated, with the last fault if an attempt failed for the moment;
   * `Refused`: will not work until somebody acts; `Superseded`: still serves until the configured keys are active.
   */
  readonly state: 'Active' | 'Pending' | 'Refused' | 'Superseded';
  readonly fault?: KeyFault;
  readonly source: 'configuration' | 'web' | 'api' | 'file';
  readonly generation?: number;
  readonly product?: string;
  readonly seatLimit?: number;
  readonly supportUntil?: string;
  readonly expiresAt?: string;
  readonly activatedAt?: string;
  readonly regenerationsLeft?: number;
  /** When the next regeneration frees up. */
  readonly regenerationsResetAt?: string;
}

export interface ClearingStatus {
  /** The id that the operator gave to the roll. */
  readonly id: string;
  readonly at: string;
  readonly staleBefore: number;
  readonly cleared: number;
  /** Leases kept over the restart. */
  readonly kept: number;
}

/** `POST /v1/keys:check` with the admin token: whether a key would work here, without switching anything. */
export interface KeyCheckRequest {
  /** The key as the customer types it. */
  readonly key: string;
  /**
   * The activation that is to be installed for it, a compact JWS: it is verified as an installed one would be, and the
   * authority is not asked. Without it the authority is asked.
   */
  readonly activation?: string;
  /** A key of any other product is not usable (`KeyWrongProduct`). */
  readonly product?: string;
}
export interface KeyCheckResponse {
  /** Whether an activation would succeed now; of an `activation` given: whether it would serve here. */
  readonly usable: boolean;
  readonly keyId?: string;
  readonly fault?: KeyFault;
  readonly generation?: number;
  readonly product?: string;
  readonly seatLimit?: number;
  readonly regenerationsLeft?: number;
  readonly regenerationsResetAt?: string;
}

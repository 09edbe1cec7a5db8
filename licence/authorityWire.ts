import type { BorrowTerms, Entitlements } from './entitlements.ts';
import type { Assignment, CountBy } from './words.ts';

/**
 * What a licence server and the authority say to each other.
 *
 * `POST /v1/activations` and `POST /v1/activations:check` take an ActivationRequest; refusals are problem documents whose
 * `reason` is a KeyFaultReason. The same request and response are the files of an air-gapped activation.
 */
export interface ActivationRequest {
  /** The key as the customer typed it, in canonical form. */
  readonly key: string;
  readonly fingerprint: string;
  /** The server's Ed25519 public key, raw 32 bytes, base64url. */
  readonly publicKey: string;
  /** The sequence of the activation that this one continues; 0 for a first activation. */
  readonly sequence: number;
  /** RFC 3339 UTC; the authority accepts five minutes of difference either way online. */
  readonly requestedAt: string;
  /** Ed25519 signature, base64url, by the server's private key over `activationRequestText`. */
  readonly signature: string;
}

/** The bytes that an ActivationRequest's signature covers. */
export const activationRequestText = (r: Omit<ActivationRequest, 'signature'>): string =>
  ['licence-activation-request/v1', r.key, r.fingerprint, r.publicKey, String(r.sequence), r.requestedAt].join('\n');

export interface ActivationResponse {
  /** Compact JWS with typ `licence-activation+jwt`; payload `ActivationPayload`. */
  readonly activation: string;
  readonly regenerationsLeft: number;
  readonly regenerationsResetAt: string;
  /** Another server continued the same sequence: the identity was copied. */
  readonly cloneSuspected?: boolean;
}

export interface ActivationCheckResponse {
  readonly keyId: string;
  readonly generation: number;
  readonly entitlements: Entitlements;
  readonly regenerationsLeft: number;
  readonly regenerationsResetAt: string;
}

/** Signed payload of an activation. */
export interface ActivationPayload {
  readonly keyId: string;
  readonly generation: number;
  readonly fingerprint: string;
  readonly serverPublicKey: string;
  /** RFC 3339 UTC. */
  readonly issuedAt: string;
  /** Grows by one with each activation of this key. */
  readonly sequence: number;
  readonly entitlements: Entitlements;
}

/** `POST /v1/licences` (token role `vendor`): issues a licence and its first key. */
export interface IssueRequest {
  /** Its name, as it stands in the licence. */
  readonly organisation: string;
  /** Of an organisation that is known already, perhaps by another name. */
  readonly organisationId?: string;
  readonly product: string;
  readonly seatLimit: number;
  readonly supportUntil?: string;
  readonly expiresAt?: string;
  readonly supportPolicy?: 'warn' | 'require';
  readonly features?: readonly string[];
  /** Given for a while to try the product: needs `expiresAt`. */
  readonly trial?: true;
  /** What one seat is; absent: a session. */
  readonly countBy?: CountBy;
  /** Seats that may be in use beyond seatLimit, once all are; absent: none. */
  readonly overdraftSeats?: number;
  /** Seats that one of a feature costs; absent: one. */
  readonly weights?: Readonly<Record<string, number>>;
  /** How far seats may be borrowed; absent: not at all. */
  readonly borrow?: BorrowTerms;
  /** Whose seats are: persons' who are named, or whoever's; absent: whoever's. */
  readonly assignment?: Assignment;
  /** With named users: a seat is a person's for so many days at least; absent: 30. */
  readonly reassignAfterDays?: number;
}
export interface IssuedKey {
  readonly licenceId: string;
  /** Shown once; the authority keeps a hash. */
  readonly key: string;
  readonly keyId: string;
  readonly generation: number;
  readonly regenerationsLeft: number;
  readonly regenerationsResetAt: string;
  /** Its terms: what was bought, or gained by a renewal. */
  readonly seatLimit?: number;
  readonly supportUntil?: string;
  readonly expiresAt?: string;
  readonly trial?: true;
}

/**
 * `POST /v1/licences/{licenceId}:regenerate` and `POST /v1/keys/{keyId}:regenerate` (token roles `vendor`, `customer`). By
 * keyId it is refused (`KeySuperseded`) unless that key is the newest of its licence, so nothing is spent twice.
 */
export interface RegenerateRequest {
  /** Only with the vendor token: beyond the monthly budget, with support's reason. */
  readonly supportOverride?: string;
}

/** What a key is sold with, as far as it changes. */
export interface RenewalTerms {
  readonly seatLimit?: number;
  readonly supportUntil?: string;
  readonly expiresAt?: string;
}

/**
 * `GET /v1/keys/{keyId}` (token roles `vendor`, `customer`): what may be done with a key, before anything is spent. A
 * customer's token sees keys of its own organisation only.
 */
export interface KeyAllowance {
  readonly licenceId: string;
  readonly organisation: string;
  readonly product: string;
  readonly keyId: string;
  readonly generation: number;
  /** The newest key of the licence; only that one is regenerated or renewed by keyId. */
  readonly newestKeyId: string;
  readonly newestGeneration: number;
  /** How the key came to be. */
  readonly madeBy?: 'issue' | 'regenerate' | 'renew';
  readonly newestMadeBy?: 'issue' | 'regenerate' | 'renew';
  /** When the vendor switched it off; absent: it did not. */
  readonly revokedAt?: string;
  readonly newestRevokedAt?: string;
  readonly regenerationsLeft: number;
  readonly regenerationsResetAt: string;
  /** What is paid for and not yet taken: the next `POST /v1/keys/{keyId}:renew` makes a key of these terms. */
  readonly renewal?: RenewalTerms;
}

/** Header of a call that makes a key: 16 to 200 printable characters, random, one for each intention. */
export const idempotencyHeader = 'idempotency-key';

/** How many keys a licence may get in a calendar month (UTC), beyond the one it was issued with. */
export const regenerationsPerMonth = 3;

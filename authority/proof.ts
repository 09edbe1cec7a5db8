import { verify } from 'node:crypto';
import { type ActivationRequest, activationRequestText } from '../licence/authorityWire.ts';
import { decodeBase64url, fingerprintOf, publicKeyFrom, rawPublicKey } from '../licence/fingerprint.ts';
import type { KeyFault } from '../licence/keyFaults.ts';
import { momentOf } from '../licence/moment.ts';

/** How old a request may be, and how far from the future. */
export interface Freshness {
  readonly maxAgeMs: number;
  readonly maxAheadMs: number;
}
export const online: Freshness = { maxAgeMs: 5 * 60_000, maxAheadMs: 5 * 60_000 };
/** A request file is carried by hand. */
export const byHand: Freshness = { maxAgeMs: 30 * 86_400_000, maxAheadMs: 86_400_000 };

/** Whether the sender of a request holds the private key that its fingerprint names. Answers the fault, if there is one. */
export function proofFault(request: ActivationRequest, nowMs: number, freshness: Freshness): KeyFault | undefined {
  const key = publicKeyFrom(request.publicKey);
  const signature = decodeBase64url(request.signature);
  if (key === undefined || fingerprintOf(rawPublicKey(key)) !== request.fingerprint) {
    return invalid('the fingerprint is not that of the public key');
  }
  if (signature?.length !== 64 || !verify(null, Buffer.from(activationRequestText(request)), key, signature)) {
    return invalid('the signature does not fit');
  }
  const ageMs = nowMs - Date.parse(request.requestedAt);
  if (!(ageMs <= freshness.maxAgeMs && -ageMs <= freshness.maxAheadMs)) {
    return invalid(
      `it says ${request.requestedAt} and here it is ${momentOf(nowMs)}; set the server's clock and make a new request`,
    );
  }
  return undefined;
}

const invalid = (what: string): KeyFault => ({
  reason: 'ProofInvalid',
  message: `the activation request is not valid: ${what}`,
});

import { type ActivationRequest, activationRequestText } from '../../licence/authorityWire.ts';
import { momentOf } from '../../licence/moment.ts';
import type { Identity } from './identity.ts';

/** What this computer asks the authority: signed, so that nobody else can ask in its name. */
export function activationRequest(
  identity: Identity,
  of: { readonly key: string; readonly sequence: number },
  nowMs: number,
): ActivationRequest {
  const unsigned = {
    key: of.key,
    fingerprint: identity.fingerprint,
    publicKey: identity.publicKey,
    sequence: of.sequence,
    requestedAt: momentOf(nowMs),
  };
  const signature = identity.sign(Buffer.from(activationRequestText(unsigned))).toString('base64url');
  return { ...unsigned, signature };
}

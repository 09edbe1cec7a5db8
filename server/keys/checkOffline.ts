import { isExpired, type VerifiedActivation } from '../../licence/activation.ts';
import type { KeyFault } from '../../licence/keyFaults.ts';
import type { KeyCheckResponse } from '../../licence/serverStatus.ts';

/**
 * Whether an activation that was made elsewhere would serve here, for the key that it is to accompany: what a start with
 * both of them would show, before anything is switched.
 * @param verified the activation, as this server judges it
 * @param of the key; the product that is wanted, if any; the latest time seen, in ms
 */
export function checkOffline(
  verified: VerifiedActivation,
  of: { readonly keyId: string; readonly product?: string | undefined; readonly nowMs: number },
): KeyCheckResponse {
  const { keyId } = of;
  if (!verified.ok) return { usable: false, keyId, fault: { reason: verified.reason, message: verified.message } };
  const { activation } = verified;
  if (activation.keyId !== keyId) return { usable: false, keyId, fault: forAnotherKey };
  const { product, seatLimit, expiresAt } = activation.entitlements;
  const fault = wrongProduct(of.product, product) ?? (isExpired(activation, of.nowMs) ? ended(expiresAt) : undefined);
  return {
    usable: fault === undefined,
    keyId,
    ...(fault === undefined ? {} : { fault }),
    generation: activation.generation,
    product,
    seatLimit,
  };
}

export const wrongProduct = (wanted: string | undefined, product: string): KeyFault | undefined =>
  wanted === undefined || wanted === product
    ? undefined
    : {
        reason: 'KeyWrongProduct',
        message: `the key is for the product "${product}", not "${wanted}"; use another key`,
      };

/** An activation beside a key that it does not belong to. */
export const forAnotherKey: KeyFault = {
  reason: 'ActivationForeign',
  message: 'the activation file beside the key is for another key; have this key answered',
};

/** An answer that was given before one that this server has had. */
export const outdated: KeyFault = {
  reason: 'ActivationOutdated',
  message:
    'a newer activation of this key was installed here; make a new request, have it answered, and install that answer',
};

export const ended = (expiresAt: string | undefined): KeyFault => ({
  reason: 'ActivationExpired',
  message: `the licence ended at ${expiresAt}; install a key that prolongs it`,
});

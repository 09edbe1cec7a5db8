import type { VerifiedActivation } from '../../licence/activation.ts';
import type { KeyFault } from '../../licence/keyFaults.ts';

/** Whether something was done, and if not, why. */
export type Done =
  | { readonly ok: true }
  | { readonly ok: false; readonly fault: KeyFault; readonly retryAfterMs?: number };

/** The folder or the records could not be written. */
class Unwritten extends Error {}

/** Work that writes them. */
export const written = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    throw new Unwritten(error instanceof Error ? error.message : String(error), { cause: error });
  });

/** For a person who waits: what could not be written is a fault with its reason, everything else is another matter. */
export const ifUnwritten = (error: unknown): Done => {
  if (!(error instanceof Unwritten)) throw error;
  return { ok: false, fault: unwritable(error) };
};

export const unwritable = (error: unknown): KeyFault => ({
  reason: 'ActivationUnwritable',
  message: `${error instanceof Error ? error.message : String(error)}; it is tried again`,
});

export const noAuthority: KeyFault = {
  reason: 'AuthorityUnreachable',
  message: 'no authority is configured: set LICENCE_AUTHORITY_URL, or activate by request and response',
};

/** Why an answer of the authority is not what was asked for; undefined: it is. */
export function unbelieved(verified: VerifiedActivation, keyId: string, lastSequence: number): KeyFault | undefined {
  if (verified.ok && verified.activation.keyId === keyId && verified.activation.sequence > lastSequence)
    return undefined;
  if (!verified.ok && verified.reason === 'ActivationFromFuture') return faultOf(verified);
  const why = !verified.ok
    ? verified.message
    : verified.activation.keyId !== keyId
      ? 'it is for another key'
      : 'it is an older answer, given once more';
  return {
    reason: 'AuthorityUntrusted',
    message: `the authority's answer is not believed: ${why}; check the authority's URL and the trusted keys`,
  };
}

export const faultOf = ({ reason, message }: KeyFault): KeyFault => ({ reason, message });

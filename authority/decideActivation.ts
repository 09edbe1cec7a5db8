import type { KeyFault } from '../licence/keyFaults.ts';

/** A key as the authority's rules see it. */
export interface KeyState {
  readonly generation: number;
  /** The computer it is bound to, once it was activated. */
  readonly fingerprint?: string;
  readonly revoked: boolean;
  /** Of its last activation; 0: never activated. */
  readonly sequence: number;
  /** The sequence that the request for the last activation continued. */
  readonly continuedSequence: number;
  /** The vendor lets the next activation go on from anywhere. */
  readonly pardoned: boolean;
}

/**
 * Whether a key may be activated on a computer. The newest generation binds itself to the first computer that asks and
 * belongs to it from then on. An older one still works where it is bound, until a newer one was activated elsewhere.
 * @param others the other keys of the same licence
 */
export function decideActivation(
  key: KeyState,
  others: readonly KeyState[],
  fingerprint: string,
): { readonly ok: true } | { readonly ok: false; readonly fault: KeyFault } {
  if (key.revoked) {
    return refused('KeyRevoked', 'the vendor has revoked this key; ask the vendor');
  }
  const newer = others.filter((k) => k.generation > key.generation);
  if (newer.length > 0) {
    const movedAway = newer.some((k) => k.fingerprint !== undefined && k.fingerprint !== fingerprint);
    return key.fingerprint === fingerprint && !movedAway
      ? { ok: true }
      : refused('KeySuperseded', 'a newer key has replaced this one; install the newest key of the licence');
  }
  if (key.fingerprint !== undefined && key.fingerprint !== fingerprint) {
    return refused(
      'KeyBoundElsewhere',
      'the key is activated on another computer and works on one only; to move, generate a new key in the cabinet ' +
        '(section "Activation keys") and install that one here',
    );
  }
  return { ok: true };
}

/**
 * Whether the request shows that the server's identity was copied. An honest server continues the last activation that it
 * got: the last one issued, or, if that answer was lost, the same as before once more. A fresh start says 0. Anything else
 * was issued to somebody who has been seen going on from elsewhere.
 */
export const cloneSuspected = (key: KeyState, sequence: number): boolean =>
  !key.pardoned && sequence !== 0 && sequence !== key.sequence && sequence !== key.continuedSequence;

/** What becomes of an activation that shows a copy: it is noted and told, or it is refused too. */
export const clonePolicies = ['report', 'refuse'] as const;
export type ClonePolicy = (typeof clonePolicies)[number];

export const copied: KeyFault = {
  reason: 'IdentityCopied',
  message:
    'another computer goes on from the same activations: the identity of this server was copied, or its volume was put back; ' +
    'stop the copy, then ask the vendor to pardon the key, or install a new one',
};

const refused = (reason: KeyFault['reason'], message: string) => ({ ok: false as const, fault: { reason, message } });

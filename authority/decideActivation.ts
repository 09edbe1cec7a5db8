import type { KeyFault } from '../licence/keyFaults.ts';

/** A key as the authority's rules see it. */
export interface KeyState {
  readonly generation: number;
  readonly madeBy: 'issue' | 'regenerate' | 'renew';
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
 * belongs to it from then on. An older one still works where it is bound, until a newer one was activated elsewhere, or the
 * newest was revoked: what is switched off does not come back by an older key.
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
  const newer = others.filter((k) => k.generation > key.generation).toSorted((a, b) => b.generation - a.generation);
  const [newest] = newer;
  if (newest?.revoked) {
    return refused(
      'KeyRevoked',
      `the vendor has revoked the newest key of this licence (generation ${newest.generation}), and with it the older ones; ask ` +
        'the vendor',
    );
  }
  if (newest !== undefined) {
    const movedAway = newer.some((k) => k.fingerprint !== undefined && k.fingerprint !== fingerprint);
    return key.fingerprint === fingerprint && !movedAway
      ? { ok: true }
      : refused(
          'KeySuperseded',
          `a newer key has replaced this one (generation ${newest.generation}, ${howMade[newest.madeBy]}); install the newest key of ` +
            'the licence',
        );
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
 * was issued to somebody who has been seen going on from elsewhere; but a later one than was ever issued here says that this
 * authority was put back from a backup, and nothing of a copy.
 */
export const cloneSuspected = (key: KeyState, sequence: number): boolean =>
  !key.pardoned && sequence !== 0 && sequence < key.sequence && sequence !== key.continuedSequence;

const last = 2_147_483_647;
/** Further than any backup lies back: who says so does not tell the truth, and only harms himself. */
const farthest = 1_000_000;

/** The sequence of the next activation: newer than what was issued here, and than what the server has. */
export function nextSequence(key: Pick<KeyState, 'sequence'>, continued: number): number {
  const known = continued - key.sequence <= farthest ? Math.max(key.sequence, continued) : key.sequence;
  return Math.min(known + 1, last);
}

/** How a key came to be, in words. */
export const howMade: Readonly<Record<KeyState['madeBy'], string>> = {
  issue: 'issued',
  regenerate: 'regenerated',
  renew: 'made by a renewal',
};

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

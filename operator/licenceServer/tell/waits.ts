import type { Fault } from '../api/fault.ts';
import { momentOf, msOf } from '../api/times.ts';
import type { Status } from '../api/types.ts';
import type { Seen } from './seen.ts';

/**
 * What the spec refers to and is not there: Secrets and ConfigMaps come a little later where somebody else brings them
 * (External Secrets, Sealed Secrets, a later sync wave). For the first minutes that is a wait, which tools that roll out wait
 * for, and only then a matter for a person. Pure.
 */
export const graceMs = 5 * 60_000;

/** References that may be under way. A key that is there and wrong does not get better by waiting. */
const mayCome: readonly string[] = [
  'SecretMissing',
  'SecretKeyMissing',
  'ActivationMissing',
  'TrustedKeysMissing',
  'CertificatesMissing',
  'ProxyMissing',
  'CertificateMissing',
  'DatabaseSecretMissing',
  'ClaimMissing',
];

/** Whether a fault may mend itself without a person. */
export const isMissing = ({ reason }: Fault): boolean => mayCome.includes(reason);

/** An existing claim that the spec names and that is not there. */
export function claimMissing({ valid, observed }: Pick<Seen, 'valid' | 'observed'>): Fault | undefined {
  const name = valid.spec.storage.existingClaim;
  if (name === undefined || observed.claim !== undefined) return undefined;
  return { reason: 'ClaimMissing', message: `PersistentVolumeClaim ${name} does not exist; create it` };
}

/** The first thing that is missing and may still come, and since when it has been missing. */
export function missingOf(
  seen: Pick<Seen, 'valid' | 'observed' | 'before'>,
): (Fault & { readonly sinceMs: number }) | undefined {
  const { valid, observed, before } = seen;
  const { desiredKeys } = valid;
  const faults: readonly (Fault | undefined)[] = [
    desiredKeys.ok ? undefined : desiredKeys,
    ...valid.missing,
    claimMissing(seen),
  ];
  const fault = faults.find((f) => f !== undefined && isMissing(f));
  if (fault === undefined) return undefined;
  const { reason, message } = fault;
  const isSame = before.missing?.what === message;
  return { reason, message, sinceMs: (isSame ? msOf(before.missing?.since) : undefined) ?? observed.atMs };
}

/** What is still waited for; undefined: nothing, or for too long. */
export function waitOf(seen: Pick<Seen, 'valid' | 'observed' | 'before'>): Fault | undefined {
  const missing = missingOf(seen);
  if (missing === undefined || seen.observed.atMs >= missing.sinceMs + graceMs) return undefined;
  return { reason: missing.reason, message: missing.message };
}

/** For `status.missing`: the memory of it. */
export function missingStatusOf(seen: Pick<Seen, 'valid' | 'observed' | 'before'>): Status['missing'] {
  const missing = missingOf(seen);
  return missing && { what: missing.message, since: momentOf(missing.sinceMs) };
}

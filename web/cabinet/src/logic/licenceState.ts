import type { Licence } from '../wire.ts';

/** How a licence stands, the worst first. */
export type LicenceState = 'revoked' | 'suspected' | 'expired' | 'supportEnded' | 'active' | 'unused';

/** @param now ms since the epoch */
export function licenceState(licence: Licence, now: number): LicenceState {
  const ended = (at: string | undefined) => at !== undefined && Date.parse(at) <= now;
  if (licence.revokedAt !== undefined) return 'revoked';
  if (licence.keys.some((k) => k.cloneSuspectedAt !== undefined)) return 'suspected';
  if (ended(licence.expiresAt)) return 'expired';
  if (licence.keys[0]?.fingerprint === undefined) return 'unused';
  return ended(licence.supportUntil) ? 'supportEnded' : 'active';
}

/** The badge of shared/styles.css that says it by its colour. */
export const badgeOf: Readonly<Record<LicenceState, string>> = {
  revoked: 'Refused',
  suspected: 'Refused',
  expired: 'Refused',
  supportEnded: 'Pending',
  active: 'Active',
  unused: 'plain',
};

/** `sha256:0123456789…`: enough to compare by eye with the server's page. */
export const shortFingerprint = (fingerprint: string): string => fingerprint.replace(/^(sha256:.{10}).+$/, '$1…');

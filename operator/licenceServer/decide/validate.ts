import { cronFault } from '../../../runtime/cron/cronTimes.ts';
import type { Fault } from '../api/fault.ts';
import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import { isPaused, requests } from '../api/requests.ts';
import type { LicenceServer, Spec } from '../api/types.ts';
import { type DesiredKeys, desiredKeysOf } from '../observe/keySources.ts';
import type { Observed } from '../observe/observed.ts';
import { overlayFault } from '../pod/overlay.ts';
import { type Restore, restoreOf } from './restore.ts';
import { windowFault } from './windows.ts';

/** A LicenceServer that can be acted on. Later steps never see the raw spec. */
export interface Valid {
  readonly owner: Owner;
  readonly generation: number;
  /** When the LicenceServer was made; undefined: not yet. */
  readonly createdAt: string | undefined;
  readonly spec: Spec;
  readonly desiredKeys: DesiredKeys;
  /** What a new pod could not start without; a pod that runs is left as it is. */
  readonly missing: readonly Fault[];
  /** How far a start from a backup is. */
  readonly restore: Restore;
  /** There is no identity yet. A lost one is never replaced by itself. */
  readonly makesIdentity: boolean;
  readonly requests: {
    readonly rollAt: string | undefined;
    readonly reactivateAt: string | undefined;
    readonly rotateRetryAt: string | undefined;
    readonly regenerateAt: string | undefined;
    readonly paused: boolean;
  };
}

export type Validation = { readonly ok: true; readonly valid: Valid } | ({ readonly ok: false } & Fault);

/** A moment in an annotation may be anything; what is empty was never set. */
const request = (server: LicenceServer, name: string): string | undefined => {
  const value = server.metadata.annotations?.[name]?.trim();
  return value === undefined || value === '' ? undefined : value.slice(0, 64);
};

/** A volume that is not there would keep the pod from starting: there are no backups until it is. Secrets come into a running pod. */
const withoutBackup = ({ backup: _, ...spec }: Spec): Spec => spec;

/** Judges a LicenceServer with what was looked up for it. A refusal stops everything but its own status. */
export function validate(server: LicenceServer, spec: Spec, observed: Observed): Validation {
  const { name, namespace, uid } = server.metadata;
  if (observed.claimHolder !== undefined) {
    const claim = spec.storage.existingClaim ?? `${name}-data`;
    return {
      ok: false,
      reason: 'ClaimInUse',
      message: `PersistentVolumeClaim ${claim} is used by LicenceServer ${observed.claimHolder}; give this one a claim of its own`,
    };
  }
  for (const window of spec.staleSeats.windows ?? []) {
    const fault = windowFault(window);
    if (fault !== undefined)
      return { ok: false, reason: 'WindowInvalid', message: `spec.staleSeats.windows: ${fault}` };
  }
  const backupFault = spec.backup && cronFault(spec.backup);
  if (backupFault !== undefined) return { ok: false, reason: 'BackupInvalid', message: `spec.backup: ${backupFault}` };
  const podFault = overlayFault(spec.podTemplate?.spec ?? {});
  if (podFault !== undefined) return { ok: false, reason: 'PodTemplateInvalid', message: podFault };
  const lookups = [
    ['TrustedKeysMissing', observed.trust],
    ['CertificatesMissing', observed.ca],
    ['CertificatesMissing', observed.databaseCa],
    ['ProxyMissing', observed.proxy],
    ['CertificateMissing', observed.tls],
    ['DatabaseSecretMissing', observed.database],
  ] as const;
  const missing: Fault[] = [];
  const isAccepted = server.metadata.annotations?.[requests.newIdentity] === 'accept';
  const isIdentityLost = !observed.identityExists && server.status?.fingerprint !== undefined && !isAccepted;
  if (isIdentityLost) {
    missing.push({
      reason: 'IdentityLost',
      message: `Secret ${namesOf(name).identity} is gone, and with it the computer that the keys are bound to; restore it, or set the annotation ${requests.newIdentity}=accept to go on as another computer`,
    });
  }
  const restore = restoreOf(spec, server.status ?? {}, observed);
  if (restore.kind === 'running') {
    missing.push({ reason: restore.isFailing ? 'RestoreFailing' : 'Restoring', message: restore.message });
  }
  for (const [reason, found] of lookups)
    if (found?.kind === 'missing') missing.push({ reason, message: found.message });
  return {
    ok: true,
    valid: {
      owner: { name, namespace, uid },
      generation: server.metadata.generation ?? 0,
      createdAt: server.metadata.creationTimestamp,
      spec: observed.backup?.claimMissing === undefined ? spec : withoutBackup(spec),
      desiredKeys: desiredKeysOf(name, observed.keySources),
      missing,
      restore,
      makesIdentity: !observed.identityExists && !isIdentityLost && restore.kind !== 'running',
      requests: {
        rollAt: request(server, requests.rollAt),
        reactivateAt: request(server, requests.reactivateAt),
        rotateRetryAt: request(server, requests.rotateRetryAt),
        regenerateAt: request(server, requests.regenerateAt),
        paused: isPaused(server),
      },
    },
  };
}

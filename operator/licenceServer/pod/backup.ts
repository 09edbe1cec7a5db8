import { podPaths } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';

/** What of `spec.backup` and `spec.restoreFrom` a pod is told and mounts. Pure. */

type Backup = NonNullable<Spec['backup']>;
export type Destination = Backup['destination'];

/** The place of archives, as the server's settings have it. */
export function destinationSettings(owner: Owner, { claim, s3 }: Destination): Record<string, string> {
  if (claim !== undefined) return { LICENCE_BACKUP_DIR: podPaths.backups };
  if (s3 === undefined) return {};
  return {
    LICENCE_BACKUP_S3_ENDPOINT: s3.endpoint,
    LICENCE_BACKUP_S3_REGION: s3.region,
    LICENCE_BACKUP_S3_BUCKET: s3.bucket,
    LICENCE_BACKUP_S3_PREFIX: s3.prefix ?? `${owner.namespace}/${owner.name}/`,
    LICENCE_BACKUP_S3_PATH_STYLE: String(s3.forcePathStyle),
    LICENCE_BACKUP_S3_CREDENTIALS: podPaths.backupAccount,
    ...(s3.caRef === undefined ? {} : { LICENCE_BACKUP_S3_CA: `${podPaths.backupCa}/ca.crt` }),
  };
}

export function backupSettings(owner: Owner, backup: Backup | undefined): Record<string, string> {
  if (backup === undefined) return {};
  const { schedule, timeZone, retention, encryption, includeSecrets, destination } = backup;
  return {
    LICENCE_BACKUP_SCHEDULE: schedule,
    ...(timeZone === undefined ? {} : { LICENCE_BACKUP_TIME_ZONE: timeZone }),
    ...(retention?.keep === undefined ? {} : { LICENCE_BACKUP_KEEP: String(retention.keep) }),
    ...(retention?.keepDays === undefined ? {} : { LICENCE_BACKUP_KEEP_DAYS: String(retention.keepDays) }),
    ...(encryption === undefined ? {} : { LICENCE_BACKUP_RECIPIENTS: encryption.recipients.join(',') }),
    ...(includeSecrets === undefined ? {} : { LICENCE_BACKUP_SECRETS: includeSecrets ? 'include' : 'exclude' }),
    ...destinationSettings(owner, destination),
  };
}

const defaultMode = 0o440;

/** A Secret that is not there keeps no server from starting: it says itself what it lacks, and has it when it comes. */
export function destinationVolumes({ claim, s3 }: Destination): Record<string, unknown>[] {
  if (claim !== undefined) return [{ name: 'backups', persistentVolumeClaim: { claimName: claim.claimName } }];
  if (s3 === undefined) return [];
  const { configMap, secret } = s3.caRef ?? {};
  const items = (key: string) => [{ key, path: 'ca.crt' }];
  const name = 'backup-ca';
  return [
    {
      name: 'backup-account',
      secret: { secretName: s3.credentialsSecretRef.name, defaultMode, optional: true },
    },
    ...(configMap === undefined
      ? []
      : [{ name, configMap: { name: configMap.name, items: items(configMap.key), optional: true } }]),
    ...(secret === undefined
      ? []
      : [{ name, secret: { secretName: secret.name, items: items(secret.key), defaultMode, optional: true } }]),
  ];
}

export function destinationMounts({ claim, s3 }: Destination): Record<string, unknown>[] {
  if (claim !== undefined) {
    const { subPath } = claim;
    return [{ name: 'backups', mountPath: podPaths.backups, ...(subPath === undefined ? {} : { subPath }) }];
  }
  if (s3 === undefined) return [];
  return [
    { name: 'backup-account', mountPath: podPaths.backupAccount, readOnly: true },
    ...(s3.caRef === undefined ? [] : [{ name: 'backup-ca', mountPath: podPaths.backupCa, readOnly: true }]),
  ];
}

import type { Status } from '../api/types.ts';
import type { Said, Seen } from './seen.ts';

/** What is told of backups: the condition, and `status.backup`. Pure. */

const say = (status: Said['status'], reason: string, message: string): Said => ({
  type: 'BackedUp',
  status,
  reason,
  message,
});

const sizeOf = (bytes: number): string =>
  bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Undefined: no backups are wanted. */
export function backedUp(seen: Seen): Said | undefined {
  const { valid, observed } = seen;
  const { claimMissing, secretMissing } = observed.backup ?? {};
  if (claimMissing !== undefined)
    return say('False', 'BackupClaimMissing', `${claimMissing}; until then no backup is made`);
  if (valid.spec.backup === undefined) return undefined;
  if (secretMissing !== undefined) return say('False', 'BackupSecretMissing', secretMissing);
  if (valid.spec.suspend) return say('Unknown', 'Suspended', 'a server that is stopped makes no backups');
  const { server } = observed;
  if (server.kind !== 'answered') {
    const before = seen.before.conditions?.find(({ type }) => type === 'BackedUp');
    if (before !== undefined) return say(before.status, before.reason, before.message);
    return say('Unknown', 'NotAskedYet', 'the server has not answered yet');
  }
  const { backup } = server.status;
  if (backup === undefined) return say('Unknown', 'NotTold', 'the running server tells nothing of backups yet');
  const { fault, archive, lastSuccessAt, sizeBytes } = backup;
  const last = archive === undefined ? 'there is none yet' : `the last one is ${archive}`;
  if (fault !== undefined) return say('False', 'BackupFailing', `${fault}; ${last}`);
  if (archive === undefined) return say('Unknown', 'NoBackupYet', 'the first backup is being made');
  return say('True', 'BackedUp', `${archive} (${sizeOf(sizeBytes ?? 0)}) was made at ${lastSuccessAt}`);
}

/** What the server said last. */
export function backupStatus({ observed: { backup, server }, before }: Seen): Status['backup'] {
  if (backup === undefined) return undefined;
  return server.kind === 'answered' ? (server.status.backup as Status['backup']) : before.backup;
}

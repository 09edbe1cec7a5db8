import { PassThrough } from 'node:stream';
import type { DatabaseConfig } from '../../runtime/database/session.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Computer } from '../transfer/computer.ts';
import { type Exported, exportServer } from '../transfer/exportServer.ts';
import { archiveNameOf, archivesIn, computerOf, type StoredArchive } from './archiveName.ts';
import type { BackupConfig } from './backupSettings.ts';
import { superfluous } from './decide.ts';
import type { Destination } from './destination.ts';

export interface BackupSource extends Computer {
  readonly fingerprint: string;
  readonly version: string;
  readonly connection?: DatabaseConfig | undefined;
  /** Whoever serves comes first. */
  readonly gently?: boolean;
}

export const recipientsOf = ({ LICENCE_BACKUP_RECIPIENTS: text }: BackupConfig): string[] =>
  (text ?? '')
    .split(',')
    .map((recipient) => recipient.trim())
    .filter((recipient) => recipient !== '');

/** Whether identity and tokens go along. */
export const holdsSecrets = (config: BackupConfig): boolean =>
  config.LICENCE_BACKUP_SECRETS === 'include' ||
  (config.LICENCE_BACKUP_SECRETS === 'auto' && recipientsOf(config).length > 0);

/** Makes one archive and puts it to its destination, a part at a time. @returns what lies there now */
export async function makeBackup(
  source: BackupSource,
  config: BackupConfig,
  destination: Destination,
  atMs: number,
  log: Logger,
  signal: AbortSignal,
): Promise<{ readonly archive: StoredArchive; readonly exported: Exported }> {
  await destination.sweep(computerOf(source.fingerprint));
  const recipients = recipientsOf(config);
  const name = archiveNameOf(source.fingerprint, atMs, recipients.length > 0);
  const tar = new PassThrough();
  const secrets = holdsSecrets(config);
  // Who failed first says why; the other one then fails for that.
  let first: unknown;
  const failed = (error: unknown): never => {
    first ??= error;
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  };
  const exporting = exportServer(
    { ...source, withIdentity: secrets, withTokens: secrets, file: tar },
    log,
    signal,
  ).catch(failed);
  const putting = (async () => {
    const content = recipients.length === 0 ? tar : await (await import('./encryption.ts')).encrypted(tar, recipients);
    return destination.put(name, content);
  })().catch(failed);
  const [exported, bytes] = await Promise.allSettled([exporting, putting]);
  if (exported.status === 'rejected' || bytes.status === 'rejected') {
    signal.throwIfAborted();
    throw first;
  }
  const [archive] = archivesIn([{ name, bytes: bytes.value }]);
  if (archive === undefined) throw new Error(`${name} is no archive's name`);
  return { archive, exported: exported.value };
}

/** Removes archives of this computer that nothing keeps. @returns their names */
export async function removeSuperfluous(
  destination: Destination,
  fingerprint: string,
  config: BackupConfig,
  nowMs: number,
): Promise<string[]> {
  const { LICENCE_BACKUP_KEEP: keep, LICENCE_BACKUP_KEEP_DAYS: keepDays } = config;
  if (keep === undefined && keepDays === undefined) return [];
  const stored = archivesIn(await destination.list());
  const gone = superfluous(stored, computerOf(fingerprint), { keep, keepDays }, nowMs);
  for (const { name } of gone) await destination.remove(name);
  return gone.map(({ name }) => name);
}

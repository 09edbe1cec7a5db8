import { messageOf } from '../../runtime/database/fault.ts';
import { archivesIn, computerOf } from '../backup/archiveName.ts';
import { dueAtMs } from '../backup/decide.ts';
import { hasDestination, openDestination } from '../backup/openDestination.ts';
import type { ServerConfig } from '../settings.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** A backup that is under way, or tried again, is late by that much at most while all is well. */
const lateMs = 3_600_000;
const patienceMs = 15_000;

/** The place of the backups: whether it can be looked into, and how old the newest of this computer is. Nothing is put there. */
export async function checkBackups(
  config: ServerConfig,
  fingerprint: string | undefined,
  nowMs: number,
): Promise<Finding[]> {
  const check = 'backups';
  const { LICENCE_BACKUP_SCHEDULE: schedule, LICENCE_BACKUP_TIME_ZONE: timeZone } = config;
  try {
    if (!hasDestination(config)) {
      if (schedule === undefined) return [];
      const todo = 'set LICENCE_BACKUP_DIR, or LICENCE_BACKUP_S3_ENDPOINT';
      return [fail(check, 'LICENCE_BACKUP_SCHEDULE is set, and no place for backups', todo)];
    }
    const destination = await openDestination(config, AbortSignal.timeout(patienceMs));
    try {
      if (fingerprint === undefined) return [];
      const own = archivesIn(await destination.list()).filter(({ computer }) => computer === computerOf(fingerprint));
      const [newest] = own;
      if (newest === undefined) {
        const said = `none of this computer is in ${destination.place}`;
        return [warn(check, said, 'the server makes one at its start; now: licence-server backup')];
      }
      const { atMs, bytes, name } = newest;
      const at = new Date(atMs).toISOString().replace('.000', '');
      const said = `${own.length} of this computer in ${destination.place}, the newest of ${at} (${name}, ${bytes} bytes)`;
      const dueMs = schedule === undefined ? undefined : dueAtMs({ schedule, timeZone }, newest, nowMs);
      return [
        dueMs !== undefined && dueMs + lateMs < nowMs
          ? warn(
              check,
              `${said}; the next one is overdue`,
              'see "backup" in GET /v1/status, or make one: licence-server backup',
            )
          : ok(check, said),
      ];
    } finally {
      await destination.close().catch(() => {});
    }
  } catch (error) {
    return [fail(check, messageOf(error), 'put that right; the server tries again within the hour')];
  }
}

import { type CronTimes, nextCronTime } from '../../runtime/cron/cronTimes.ts';
import type { ArchiveName, StoredArchive } from './archiveName.ts';

/** When a backup is due, which archives go, and which one a restore takes. Pure. */

/**
 * When the next backup is due: at the first scheduled moment after the newest archive, and at once where there is none, so that
 * what does not work is known today. What was missed is made up for once.
 * @param newest of this computer
 * @returns undefined: the schedule never comes again
 */
export const dueAtMs = (times: CronTimes, newest: ArchiveName | undefined, nowMs: number): number | undefined =>
  newest === undefined ? nowMs : nextCronTime(times, newest.atMs);

const spreadMs = 45_000;

/**
 * How long after the scheduled moment a computer begins, always the same: many servers of one schedule would otherwise all read, pack and send
 * in the same seconds, and their clients would feel it.
 * @param computer the digits of its fingerprint's hash
 */
export const delayOf = (computer: string): number => Number.parseInt(computer.slice(0, 8), 16) % spreadMs;

const firstRetryMs = 15_000;
const longestRetryMs = 3_600_000;

/** How long to wait after so many failures in a row. */
export const retryAfterMs = (failures: number): number =>
  Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(20, Math.max(0, failures - 1)));

/** What is kept; without either number: everything. */
export interface Retention {
  /** So many of the newest. */
  readonly keep?: number | undefined;
  /** All that are not older. */
  readonly keepDays?: number | undefined;
}

const dayMs = 86_400_000;

/**
 * The archives that are to go: of this computer, beyond the newest, and kept by neither number. The newest one always stays.
 * @param archives all that lie at the destination, whosever they are
 */
export function superfluous(
  archives: readonly StoredArchive[],
  computer: string,
  { keep, keepDays }: Retention,
  nowMs: number,
): StoredArchive[] {
  if (keep === undefined && keepDays === undefined) return [];
  const own = archives.filter((archive) => archive.computer === computer).sort((a, b) => b.atMs - a.atMs);
  const isYoung = ({ atMs }: StoredArchive) => keepDays !== undefined && atMs > nowMs - keepDays * dayMs;
  return own.filter((archive, at) => at >= Math.max(1, keep ?? 1) && !isYoung(archive));
}

export type Choice =
  | { readonly ok: true; readonly archive: StoredArchive }
  | { readonly ok: false; readonly message: string };

/**
 * The archive that a restore takes.
 * @param wanted its name, or `latest`
 * @param computer whose, if that is known already
 */
export function chooseArchive(
  archives: readonly StoredArchive[],
  wanted: string,
  computer: string | undefined,
  place: string,
): Choice {
  if (wanted !== 'latest') {
    const named = archives.find(({ name }) => name === wanted);
    if (named !== undefined) return { ok: true, archive: named };
    return { ok: false, message: `there is no archive ${wanted} in ${place}${newestOf(archives)}` };
  }
  const candidates = computer === undefined ? archives : archives.filter((archive) => archive.computer === computer);
  const [newest] = candidates.toSorted((a, b) => b.atMs - a.atMs);
  if (newest === undefined) {
    const whose = computer === undefined ? '' : ` of the computer ${computer}`;
    return { ok: false, message: `there is no archive${whose} in ${place}${newestOf(archives)}` };
  }
  const computers = new Set(candidates.map((archive) => archive.computer));
  if (computers.size > 1) {
    const message = `there are archives of ${computers.size} computers in ${place}, and "latest" may be another one's; name the archive${newestOf(archives)}`;
    return { ok: false, message };
  }
  return { ok: true, archive: newest };
}

const newestOf = (archives: readonly StoredArchive[]): string => {
  const [newest] = archives.toSorted((a, b) => b.atMs - a.atMs);
  return newest === undefined ? '' : `; the newest one is ${newest.name}`;
};

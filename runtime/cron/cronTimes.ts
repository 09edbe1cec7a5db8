import { Cron } from 'croner';
import { scheduleFault } from './schedule.ts';
import { wallClockOf } from './wallClock.ts';

/** Five cron fields on the clocks of a time zone, as a CronJob has them. */
export interface CronTimes {
  readonly schedule: string;
  /** IANA name; default UTC. */
  readonly timeZone?: string | undefined;
}

const zoneOf = ({ timeZone }: CronTimes): string => timeZone ?? 'UTC';

/** In wall time, which has no changes: those are the wall clock's. `sloppyRanges` reads `5/15` as CronJob does. */
const cronOf = ({ schedule }: CronTimes): Cron =>
  new Cron(schedule, { timezone: 'UTC', paused: true, mode: '5-part', sloppyRanges: true });

/** What is wrong with a schedule or its time zone, in one sentence; undefined if nothing is. Pure. */
export function cronFault(times: CronTimes): string | undefined {
  const { schedule } = times;
  const fault = scheduleFault(schedule);
  if (fault !== undefined) return `schedule "${schedule}": ${fault}`;
  if (cronOf(times).nextRun(new Date(0)) === null) return `schedule "${schedule}" never comes`;
  return zoneFault(zoneOf(times));
}

/** Names only, spelt as the time zone database has them: an offset has no summer time, and nothing else in a cluster takes `europe/moscow`. */
function zoneFault(timeZone: string): string | undefined {
  const says = (what: string) => `timeZone ${timeZone} ${what}`;
  if (!/^[A-Z]/.test(timeZone))
    return says(
      /^[+-]/.test(timeZone)
        ? 'is an offset; name a place, such as Europe/Moscow'
        : 'begins with a capital letter, such as Europe/Moscow',
    );
  try {
    const spelt = new Intl.DateTimeFormat('en-US', { timeZone }).resolvedOptions().timeZone;
    const isMisspelt = spelt !== timeZone && spelt.toLowerCase() === timeZone.toLowerCase();
    return isMisspelt ? says(`is spelt ${spelt}`) : undefined;
  } catch {
    return says('is not known; name a place, such as Europe/Moscow');
  }
}

/**
 * The first scheduled moment after `afterMs`; undefined: none comes. On a day whose clocks are changed each scheduled time counts
 * once, too: one that is left out at the change, one that comes twice the first time. Pure.
 */
export function nextCronTime(times: CronTimes, afterMs: number): number | undefined {
  const clock = wallClockOf(zoneOf(times));
  const cron = cronOf(times);
  const after = new Date(clock.wallOf(afterMs));
  for (let wall = cron.nextRun(after); wall !== null; wall = cron.nextRun(wall)) {
    const atMs = clock.momentOf(wall.getTime());
    // Of an hour that comes twice, what was meant for its first time is over.
    if (atMs > afterMs) return atMs;
  }
  return undefined;
}

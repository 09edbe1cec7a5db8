import { Cron } from 'croner';
import { durationMs } from '../api/times.ts';
import type { Window } from '../api/types.ts';
import { scheduleFault } from './schedule.ts';
import { wallClockOf } from './wallClock.ts';

/** Whether one of the windows is open, and when the next one opens if none is. Pure. */
export type Gate =
  | { readonly open: true }
  | { readonly open: false; readonly opensAtMs?: number; readonly message?: string };

const zoneOf = (window: Window): string => window.timeZone ?? 'UTC';

/** In wall time, which has no changes: those are the wall clock's. `sloppyRanges` reads `5/15` as CronJob does. */
const cronOf = ({ schedule }: Window): Cron =>
  new Cron(schedule, { timezone: 'UTC', paused: true, mode: '5-part', sloppyRanges: true });

/** What is wrong with a window that the schema cannot judge, in one sentence; undefined if nothing is. */
export function windowFault(window: Window): string | undefined {
  const fault = scheduleFault(window.schedule);
  if (fault !== undefined) return `schedule "${window.schedule}": ${fault}`;
  if (cronOf(window).nextRun(new Date(0)) === null) return `schedule "${window.schedule}" never comes`;
  return zoneFault(zoneOf(window));
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
 * State of the windows at `nowMs`. A window is open from its scheduled time on, for its duration. On a day whose clocks are changed it opens
 * once for each scheduled time, too: a time that is left out opens it at the change, one that comes twice the first time.
 */
export function gateOfWindows(windows: readonly Window[], nowMs: number): Gate {
  let opensAtMs: number | undefined;
  for (const window of windows) {
    // The first opening after "now minus duration" is the one that can still be open.
    const opened = openingAfter(window, nowMs - durationMs(window.duration));
    if (opened !== undefined && opened <= nowMs) return { open: true };
    const next = openingAfter(window, nowMs);
    if (next !== undefined && (opensAtMs === undefined || next < opensAtMs)) opensAtMs = next;
  }
  return opensAtMs === undefined ? { open: false } : { open: false, opensAtMs };
}

function openingAfter(window: Window, afterMs: number): number | undefined {
  const clock = wallClockOf(zoneOf(window));
  const cron = cronOf(window);
  const after = new Date(clock.wallOf(afterMs));
  for (let wall = cron.nextRun(after); wall !== null; wall = cron.nextRun(wall)) {
    const atMs = clock.momentOf(wall.getTime());
    // Of an hour that comes twice, what was meant for its first time is over.
    if (atMs > afterMs) return atMs;
  }
  return undefined;
}

import { Cron } from 'croner';
import { durationMs } from '../api/times.ts';
import type { Window } from '../api/types.ts';

/** Whether one of the windows is open, and when the next one opens if none is. Pure; daylight saving is croner's. */
export type Gate =
  | { readonly open: true }
  | { readonly open: false; readonly opensAtMs?: number; readonly message?: string };

const zoneOf = (window: Window): string => window.timeZone ?? 'UTC';

const cronOf = (window: Window): Cron =>
  new Cron(window.schedule, { timezone: zoneOf(window), paused: true, mode: '5-part' });

/** What is wrong with a window that the schema cannot judge, in one sentence; undefined if nothing is. */
export function windowFault(window: Window): string | undefined {
  try {
    // A time zone is looked at only when a run is asked for.
    if (cronOf(window).nextRun(new Date(0)) === null) return `schedule "${window.schedule}" never comes`;
    return undefined;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return `schedule "${window.schedule}" in time zone ${zoneOf(window)} is not usable: ${detail}`;
  }
}

/** State of the windows at `nowMs`. A window is open from its scheduled time on, for its duration. */
export function gateOfWindows(windows: readonly Window[], nowMs: number): Gate {
  let opensAtMs: number | undefined;
  for (const window of windows) {
    const cron = cronOf(window);
    // The first run after "now minus duration" is the one that can still be open.
    const opened = cron.nextRun(new Date(nowMs - durationMs(window.duration)));
    if (opened !== null && opened.getTime() <= nowMs) return { open: true };
    const next = cron.nextRun(new Date(nowMs))?.getTime();
    if (next !== undefined && (opensAtMs === undefined || next < opensAtMs)) opensAtMs = next;
  }
  return opensAtMs === undefined ? { open: false } : { open: false, opensAtMs };
}

import { durationMs } from '../../../licence/duration.ts';
import { cronFault, nextCronTime } from '../../../runtime/cron/cronTimes.ts';
import type { Window } from '../api/types.ts';

/** Whether one of the windows is open, and when the next one opens if none is. Pure. */
export type Gate =
  | { readonly open: true }
  | { readonly open: false; readonly opensAtMs?: number; readonly message?: string };

/** What is wrong with a window that the schema cannot judge, in one sentence; undefined if nothing is. */
export const windowFault = (window: Window): string | undefined => cronFault(window);

/**
 * State of the windows at `nowMs`. A window is open from its scheduled time on, for its duration. On a day whose clocks are changed it opens
 * once for each scheduled time, too: a time that is left out opens it at the change, one that comes twice the first time.
 */
export function gateOfWindows(windows: readonly Window[], nowMs: number): Gate {
  let opensAtMs: number | undefined;
  for (const window of windows) {
    // The first opening after "now minus duration" is the one that can still be open.
    const opened = nextCronTime(window, nowMs - durationMs(window.duration));
    if (opened !== undefined && opened <= nowMs) return { open: true };
    const next = nextCronTime(window, nowMs);
    if (next !== undefined && (opensAtMs === undefined || next < opensAtMs)) opensAtMs = next;
  }
  return opensAtMs === undefined ? { open: false } : { open: false, opensAtMs };
}

/**
 * Between moments and what clocks on the wall of a time zone show. A wall time is told as the milliseconds that UTC would have for it.
 * Pure: the zones are those of the program's own time zone data.
 */
export interface WallClock {
  /** What the clocks show at a moment. */
  wallOf(atMs: number): number;
  /**
   * When the clocks first show a wall time: of an hour that comes twice the first one; of a time that is left out in spring the moment of
   * the change, so that what is meant for it still happens, once.
   */
  momentOf(wallMs: number): number;
}

const known = new Map<string, WallClock>();
const dayMs = 86_400_000;

/** @throws RangeError when there is no such zone */
export function wallClockOf(timeZone: string): WallClock {
  const before = known.get(timeZone);
  if (before !== undefined) return before;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const wallOf = (atMs: number): number => {
    const parts: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(atMs)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) + (((atMs % 1_000) + 1_000) % 1_000);
  };
  const offsetAt = (atMs: number) => wallOf(atMs) - atMs;
  const clock: WallClock = {
    wallOf,
    momentOf: (wallMs) => {
      // The offsets of a day before and after are the two that can hold around one change.
      const moments = [offsetAt(wallMs - dayMs), offsetAt(wallMs + dayMs)].map((offset) => wallMs - offset);
      const shown = moments.filter((atMs) => wallOf(atMs) === wallMs);
      return shown.length > 0
        ? Math.min(...shown)
        : changeBetween(Math.min(...moments), Math.max(...moments), offsetAt);
    },
  };
  known.set(timeZone, clock);
  return clock;
}

/** The first moment of the new offset, by halves. */
function changeBetween(fromMs: number, toMs: number, offsetAt: (atMs: number) => number): number {
  const old = offsetAt(fromMs);
  let [before, after] = [fromMs, toMs];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetAt(middle) === old) before = middle;
    else after = middle;
  }
  return after;
}

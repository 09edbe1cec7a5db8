/**
 * The moment that a person means by the end of a term: a day, `2027-06-30`, ends at its last second in the vendor's time
 * zone; a moment with its offset, `2027-06-30T12:00:00+03:00`, is itself.
 * @param timeZone IANA name, such as `Europe/Moscow`
 * @returns RFC 3339 UTC; undefined: it is neither, or there is no such day
 */
export function endOfTerm(text: string, timeZone: string): string | undefined {
  const [, day, time] = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d))?$/.exec(text) ?? [];
  if (day === undefined || !exists(day)) return undefined;
  if (time === undefined) return new Date(lastSecondOf(day, timeZone)).toISOString();
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}

/** Whether the system knows the time zone. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** 30 February is none, whatever `Date` makes of it. */
function exists(day: string): boolean {
  const at = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(day);
}

function lastSecondOf(day: string, timeZone: string): number {
  const wall = Date.parse(`${day}T23:59:59Z`);
  // The offset at the end is not yet known: that of a guess is right but for a change between the two, so look once more.
  const guess = wall - offsetMs(wall, timeZone);
  return wall - offsetMs(guess, timeZone);
}

/** How far the clocks of a time zone are ahead of UTC at a moment. */
function offsetMs(at: number, timeZone: string): number {
  const format = new Intl.DateTimeFormat('en', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - at;
}

import { expect, it } from 'vitest';
import { gateOfWindows } from '../../../../../operator/licenceServer/decide/windows.ts';

const minuteMs = 60_000;
const weekMs = 7 * 86_400_000;
const year = 2027;
const zones = Intl.supportedValuesOf('timeZone');

const wallFormat = (timeZone: string) =>
  new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' });

/** Every change of a zone's clocks in the year: the first minute after it, and what clocks showed just before and show then. */
function changesOf(timeZone: string): { atMs: number; before: string; after: string }[] {
  const format = wallFormat(timeZone);
  const offsetAt = (atMs: number) => Date.parse(`${format.format(atMs).replace(' ', 'T')}Z`) - atMs;
  const found = [];
  const end = Date.UTC(year + 1, 0, 1);
  for (let week = Date.UTC(year, 0, 1); week < end; week += weekMs) {
    if (offsetAt(week) === offsetAt(week + weekMs)) continue;
    let [low, high] = [week, week + weekMs];
    while (high - low > minuteMs) {
      const middle = low + Math.floor((high - low) / 2 / minuteMs) * minuteMs;
      if (offsetAt(middle) === offsetAt(low)) low = middle;
      else high = middle;
    }
    found.push({ atMs: high, before: format.format(low), after: format.format(high) });
  }
  return found;
}

/** When a window of a minute opens, from two hours before a change to four hours after. */
function openingsAround(atMs: number, schedule: string, timeZone: string): number[] {
  const window = [{ schedule, duration: '1m', timeZone }];
  const found: number[] = [];
  for (let at = atMs - 120 * minuteMs; at < atMs + 240 * minuteMs; ) {
    const gate = gateOfWindows(window, at);
    if (gate.open) found.push(at);
    at = gate.open ? at + minuteMs : (gate.opensAtMs ?? Number.POSITIVE_INFINITY);
  }
  return found;
}

// Plain: which minutes show a time on the wall, read off one by one.
const minutesShowing = (timeZone: string, fromMs: number, toMs: number, wall: string): number[] => {
  const format = wallFormat(timeZone);
  const found: number[] = [];
  for (let at = fromMs; at < toMs; at += minuteMs) if (format.format(at).slice(11) === wall) found.push(at);
  return found;
};

const changes = zones.flatMap((timeZone) => changesOf(timeZone).map((change) => ({ timeZone, ...change })));

it('looks at every zone whose clocks are changed', () => {
  expect(zones.length).toBeGreaterThan(400);
  expect(changes.length).toBeGreaterThan(200);
});

it('a window opens once, whatever a zone does with its clocks', () => {
  // One zone for each kind of change: what clocks show before and after, by the minute.
  const kinds = new Map(changes.map((change) => [`${change.before.slice(11)} ${change.after.slice(11)}`, change]));
  expect(kinds.size).toBeGreaterThan(8);
  for (const { timeZone, atMs, before, after } of kinds.values()) {
    const minuteOf = (text: string) => Number(text.slice(11, 13)) * 60 + Number(text.slice(14, 16));
    const change = (minuteOf(after) - minuteOf(before) - 1 + 1_440) % 1_440;
    const isSpring = change < 720;
    // A time in the middle of what is left out, or of what comes twice.
    const middle = isSpring
      ? (minuteOf(before) + 1 + Math.floor(change / 2)) % 1_440
      : (minuteOf(after) + Math.floor((1_440 - change) / 2)) % 1_440;
    const [hour, minute] = [Math.floor(middle / 60), middle % 60];
    const wall = `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
    const shown = minutesShowing(timeZone, atMs - 120 * minuteMs, atMs + 240 * minuteMs, wall);
    const what = `${timeZone} ${before} → ${after}, ${wall}`;
    expect(shown.length, what).toBe(isSpring ? 0 : 2);
    expect(openingsAround(atMs, `${minute} ${hour} * * *`, timeZone), what).toEqual([isSpring ? atMs : shown[0]]);
  }
});

it('two times that are left out open it, too', () => {
  const [opened] = openingsAround(Date.parse('2027-03-28T01:00:00Z'), '0,30 2 * * *', 'Europe/Berlin');
  expect(opened).toBe(Date.parse('2027-03-28T01:00:00Z'));
});

it('every quarter of an hour goes on through both changes', () => {
  const quarters = (at: string) => openingsAround(Date.parse(at), '*/15 * * * *', 'Europe/Berlin').length;
  expect(quarters('2027-03-28T01:00:00Z')).toBe(24);
  expect(quarters('2027-10-31T01:00:00Z')).toBe(20);
});

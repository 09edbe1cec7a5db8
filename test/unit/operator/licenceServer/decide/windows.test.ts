import { describe, expect, test } from 'vitest';
import { gateOfWindows, windowFault } from '../../../../../operator/licenceServer/decide/windows.ts';

const ms = (text: string) => Date.parse(text);
const window = (schedule: string, duration: string, timeZone = 'UTC') => ({ schedule, duration, timeZone });

describe('a window', () => {
  test('is open from its time on, for its duration', () => {
    const night = [window('0 3 * * *', '1h')];
    expect(gateOfWindows(night, ms('2030-01-01T02:59:59Z'))).toEqual({
      open: false,
      opensAtMs: ms('2030-01-01T03:00:00Z'),
    });
    expect(gateOfWindows(night, ms('2030-01-01T03:00:00Z'))).toEqual({ open: true });
    expect(gateOfWindows(night, ms('2030-01-01T03:59:59Z'))).toEqual({ open: true });
    expect(gateOfWindows(night, ms('2030-01-01T04:00:00Z'))).toEqual({
      open: false,
      opensAtMs: ms('2030-01-02T03:00:00Z'),
    });
  });

  test('reaches over midnight', () => {
    expect(gateOfWindows([window('0 23 * * *', '2h')], ms('2030-01-02T00:30:00Z'))).toEqual({ open: true });
  });

  test('is in its own time zone', () => {
    const moscow = [window('0 3 * * *', '1h', 'Europe/Moscow')];
    expect(gateOfWindows(moscow, ms('2030-01-01T00:30:00Z'))).toEqual({ open: true });
    expect(gateOfWindows(moscow, ms('2030-01-01T03:30:00Z'))).toMatchObject({ open: false });
  });

  test('follows daylight saving time: the same hour on the wall, another one in UTC', () => {
    const berlin = [window('0 4 * * *', '30m', 'Europe/Berlin')];
    expect(gateOfWindows(berlin, ms('2030-03-30T03:10:00Z'))).toEqual({ open: true });
    expect(gateOfWindows(berlin, ms('2030-03-31T02:10:00Z'))).toEqual({ open: true });
    expect(gateOfWindows(berlin, ms('2030-03-31T03:10:00Z'))).toMatchObject({ open: false });
  });

  test('opens on a day of spring that lacks its hour, and once on a day of autumn that has it twice', () => {
    const berlin = [window('30 2 * * *', '10m', 'Europe/Berlin')];
    const minutes = (day: string) => {
      let open = 0;
      for (let at = ms(`${day}T00:00:00Z`) - 3_600_000; at < ms(`${day}T06:00:00Z`); at += 60_000) {
        if (gateOfWindows(berlin, at).open) open += 1;
      }
      return open;
    };
    expect(minutes('2030-03-31')).toBe(10);
    expect(minutes('2030-10-27')).toBe(10);
  });

  test('is open if one of several is, and tells the next of all', () => {
    const two = [window('0 3 * * *', '1h'), window('0 12 * * 0', '1h')];
    expect(gateOfWindows(two, ms('2030-01-06T12:30:00Z'))).toEqual({ open: true });
    expect(gateOfWindows(two, ms('2030-01-06T11:00:00Z'))).toEqual({
      open: false,
      opensAtMs: ms('2030-01-06T12:00:00Z'),
    });
  });

  test.each([
    ['a time zone that does not exist', window('0 3 * * *', '1h', 'Mars/Olympus'), /Mars\/Olympus/],
    ['a field out of bounds', window('0 25 * * *', '1h'), /"0 25 \* \* \*"/],
    ['a day that never comes', window('0 0 31 2 *', '1h'), /never comes/],
  ])('with %s is refused, by name', (_, given, says) => {
    expect(windowFault(given)).toMatch(says);
  });

  test('that can be used has no fault', () => {
    expect(windowFault(window('*/15 0-5 * * 1-5', '10m', 'Asia/Vladivostok'))).toBeUndefined();
  });
});

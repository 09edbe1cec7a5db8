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
    ['a field out of bounds', window('0 25 * * *', '1h'), /"0 25 \* \* \*": hour "25": 25 is not between 0 and 23/],
    ['an offset for a zone', window('0 3 * * *', '1h', '+03:00'), /is an offset; name a place/],
    ['a zone in small letters', window('0 3 * * *', '1h', 'europe/moscow'), /capital letter/],
    ['a zone in wrong letters', window('0 3 * * *', '1h', 'Europe/moscow'), /is spelt Europe\/Moscow/],
    ['an abbreviation', window('0 3 * * *', '1h', 'MSK'), /^timeZone MSK is not known/],
    ['the last day', window('0 3 L * *', '1h'), /"L" is not for every cron/],
    ['the nearest working day', window('0 3 15W * *', '1h'), /"15W" is not for every cron/],
    ['an n-th weekday', window('0 3 * * 5#2', '1h'), /"5#2" is not for every cron/],
    ['a last weekday', window('0 3 * * 5L', '1h'), /"5L" is not for every cron/],
    ['both days at once', window('0 3 13 * +5', '1h'), /"\+5" is not for every cron/],
    ['hours that go backwards', window('0 22-2 * * *', '1h'), /22-2 goes backwards; write 22-23,0-2/],
    ['days that go backwards', window('0 3 * * FRI-MON', '1h'), /write FRI-SAT,SUN-MON/],
    ['seconds', window('0 0 3 * * *', '1h'), /five fields/],
    ['no step', window('*/0 * * * *', '1h'), /whole number from 1/],
    ['what it is not', window('x * * * *', '1h'), /"x" is nothing that it takes/],
    ['a day that never comes', window('0 0 31 2 *', '1h'), /never comes/],
  ])('with %s is refused, by name', (_, given, says) => {
    expect(windowFault(given)).toMatch(says);
  });

  test.each([
    ['0/15 3 * * *', ['03:00', '03:15', '03:30', '03:45']],
    ['5/20 3 * * *', ['03:05', '03:25', '03:45']],
    ['0 3 * * 7', ['03:00']],
    ['0 3 * * 5-7', ['03:00']],
    ['0 3 * * SUN', ['03:00']],
    ['0 3 ? JAN 0', ['03:00']],
  ])('"%s" means what it means in a CronJob or a crontab', (schedule, opens) => {
    expect(windowFault(window(schedule, '1m'))).toBeUndefined();
    const sunday = ms('2030-01-06T00:00:00Z');
    const open = Array.from({ length: 1_440 }, (_, minute) => sunday + minute * 60_000).filter(
      (at) => gateOfWindows([window(schedule, '1m')], at).open,
    );
    expect(open.map((at) => new Date(at).toISOString().slice(11, 16))).toEqual(opens);
  });

  test.each(['Europe/Kyiv', 'Europe/Kiev', 'US/Pacific', 'Etc/GMT-3', 'UTC', 'America/Port_of_Spain'])(
    '%s is a time zone',
    (zone) => {
      expect(windowFault(window('0 3 * * *', '1h', zone))).toBeUndefined();
    },
  );

  test('that can be used has no fault', () => {
    expect(windowFault(window('*/15 0-5 * * 1-5', '10m', 'Asia/Vladivostok'))).toBeUndefined();
  });
});

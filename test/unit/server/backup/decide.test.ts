import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { archiveNameOf, archivesIn, computerOf, parseArchiveName } from '../../../../server/backup/archiveName.ts';
import { chooseArchive, delayOf, dueAtMs, retryAfterMs, superfluous } from '../../../../server/backup/decide.ts';

const one = `sha256:${'a'.repeat(64)}`;
const two = `sha256:${'b'.repeat(64)}`;
const at = (text: string) => Date.parse(text);
const archives = (...of: readonly (readonly [string, string])[]) =>
  archivesIn(of.map(([whose, when]) => ({ name: archiveNameOf(whose, at(when), false), bytes: 7 })));
const days = (...numbers: readonly number[]) =>
  numbers.map((day) => [one, `2030-01-${String(day).padStart(2, '0')}T03:00:00Z`] as const);

describe('the name of an archive', () => {
  it('says of which computer and moment it is, and whether it is encrypted', () => {
    const name = archiveNameOf(one, at('2030-01-01T03:00:00.9Z'), true);
    expect(name).toBe('licence-server-aaaaaaaaaaaaaaaa-20300101T030000Z.tar.gz.age');
    expect(parseArchiveName(name)).toEqual({
      name,
      computer: computerOf(one),
      atMs: at('2030-01-01T03:00:00Z'),
      encrypted: true,
    });
  });
  it.each([
    'licence-server-aaaaaaaaaaaaaaaa-20300101T030000Z.tar.gz.part',
    'licence-server-aaaaaaaaaaaaaaaa.alive',
    'licence-server-aaaaaaaaaaaaaaaa-20301301T030000Z.tar.gz',
    'licence-server-AAAAAAAAAAAAAAAA-20300101T030000Z.tar.gz',
    'head-office.tar.gz',
    '',
  ])('is not %s', (name) => expect(parseArchiveName(name)).toBeUndefined());
});

describe('when a backup is due', () => {
  const nightly = { schedule: '0 3 * * *', timeZone: 'Europe/Moscow' };
  const now = at('2030-01-05T12:00:00Z');
  it('and begins within 45 seconds of it, each computer at a moment of its own, always the same', () => {
    const computers = Array.from({ length: 100 }, (_, n) =>
      createHash('sha256').update(`${n}`).digest('hex').slice(0, 16),
    );
    const delays = computers.map(delayOf);
    expect(computers.map(delayOf)).toEqual(delays);
    for (const delay of delays) expect(delay >= 0 && delay < 45_000).toBe(true);
    // nowhere near all of them in any five seconds
    for (let from = 0; from < 45_000; from += 5_000) {
      expect(delays.filter((delay) => delay >= from && delay < from + 5_000).length).toBeLessThan(30);
    }
  });
  it('at once where there is none', () => expect(dueAtMs(nightly, undefined, now)).toBe(now));
  it.each([
    ['the next night, after the last one', '2030-01-05T00:00:00Z', '2030-01-06T00:00:00Z'],
    ['the night that was missed, once for all that were', '2030-01-02T00:00:10Z', '2030-01-03T00:00:00Z'],
    ['the same night, after one by hand', '2030-01-04T18:00:00Z', '2030-01-05T00:00:00Z'],
  ])('%s', (_, last, due) => {
    const [newest] = archives([one, last]);
    expect(new Date(dueAtMs(nightly, newest, now) ?? 0)).toEqual(new Date(due));
  });
  it('a failure is tried again after seconds, and ever more rarely, but each hour', () => {
    expect([1, 2, 3, 9, 50].map((n) => retryAfterMs(n) / 60_000)).toEqual([0.25, 0.5, 1, 60, 60]);
  });
});

describe('which archives go', () => {
  const now = at('2030-01-10T12:00:00Z');
  const goes = (of: ReturnType<typeof archives>, retention: Parameters<typeof superfluous>[2]) =>
    superfluous(of, computerOf(one), retention, now).map(({ atMs }) => new Date(atMs).getUTCDate());

  it.each([
    ['none without a rule', {}, []],
    ['all but so many of the newest', { keep: 2 }, [8, 7, 1]],
    ['all that are older', { keepDays: 3 }, [7, 1]],
    ['what neither keeps', { keep: 1, keepDays: 3 }, [7, 1]],
    ['what neither keeps, the other way round', { keep: 4, keepDays: 1 }, [1]],
    ['never the newest', { keepDays: 1 }, [9, 8, 7, 1]],
  ])('%s', (_, retention, expected) => {
    const of = archives(...days(10, 9, 8, 7, 1));
    // with one day, that of the tenth in the morning is young
    expect(goes(of, retention)).toEqual(expected);
  });
  it('never the last one, however old', () => expect(goes(archives(...days(1)), { keepDays: 1 })).toEqual([]));
  it("never another computer's, which does not count among the kept either", () => {
    const of = archives(...days(1, 2), [two, '2030-01-09T03:00:00Z'], [two, '2030-01-08T03:00:00Z']);
    expect(goes(of, { keep: 1 })).toEqual([1]);
  });
});

describe('which archive a restore takes', () => {
  const choose = (of: ReturnType<typeof archives>, wanted = 'latest', computer?: string) => {
    const choice = chooseArchive(of, wanted, computer, 'the folder');
    return choice.ok ? choice.archive.name : choice.message;
  };
  const [newest = '', older = ''] = [5, 4].map((day) => archiveNameOf(one, at(`2030-01-0${day}T03:00:00Z`), false));

  it('the newest', () => expect(choose(archives(...days(4, 5, 3)))).toBe(newest));
  it('that of a name', () => expect(choose(archives(...days(4, 5, 3)), older)).toBe(older));
  it('that of the computer whose identity is there', () => {
    const of = archives(...days(4, 5), [two, '2030-01-09T03:00:00Z']);
    expect(choose(of, 'latest', computerOf(one))).toBe(newest);
  });
  it('none of several computers, without being told which', () => {
    expect(choose(archives(...days(4, 5), [two, '2030-01-09T03:00:00Z']))).toMatch(
      /archives of 2 computers.*name the archive/,
    );
  });
  it.each([
    ['there is none', [], 'latest', 'there is no archive in the folder'],
    [
      'there is none of the name',
      days(5),
      'mine',
      `there is no archive mine in the folder; the newest one is ${newest}`,
    ],
  ])('says that %s', (_, of, wanted, expected) => expect(choose(archives(...of), wanted)).toBe(expected));
});

import { expect, it } from 'vitest';
import { recordsIn } from '../../../cli/cluster/rac.ts';
import { lastActivity, serviceApplications, sessionReports } from '../../../cli/cluster/sessionReports.ts';
import { sourceOf } from '../../support/bsl/sources.ts';

it('the reporter of a cluster and the extension count the same programs as people', () => {
  const text = sourceOf('CommonModules/ЛицензииСлужебный/Ext/Module.bsl');
  const list = /Служебные = ([\s\S]*?);/.exec(text)?.[1] ?? '';
  const names = [...list.matchAll(/"([^"]+)"/g)]
    .flatMap(([, part = '']) => part.split(','))
    .filter((name) => name !== '');
  expect(names).toEqual([...serviceApplications]);
});

it('reads blocks of lines, Windows ones and quoted ones too', () => {
  const records = recordsIn('infobase : 1\r\nname     : "a ""b"""\r\n\r\ninfobase : 2\r\nname :\r\n\r\n', 'infobase', [
    'name',
  ]);
  expect(records.map((r) => [...r])).toEqual([
    [
      ['infobase', '1'],
      ['name', 'a "b"'],
    ],
    [
      ['infobase', '2'],
      ['name', ''],
    ],
  ]);
  expect(recordsIn('\n\n', 'infobase', ['name'])).toEqual([]);
});

it('a base has at most as many sessions in its report as the server takes', () => {
  const infobase = new Map([
    ['infobase', 'i'],
    ['name', 'Trade'],
  ]);
  const sessions = Array.from(
    { length: 5_001 },
    (_, n) =>
      new Map(
        Object.entries({
          session: `${n}`,
          'session-id': `${n}`,
          infobase: 'i',
          'user-name': 'u',
          host: 'h',
          'app-id': '1CV8C',
          'started-at': '2026-03-02T09:17:30',
          hibernate: 'no',
        }),
      ),
  );
  const [report] = sessionReports([infobase], sessions, new Map([['*', 'erp']]));
  expect([report?.base, report?.sessions.length, report?.sessions[7]?.session]).toEqual([
    'trade',
    5_000,
    '7-20260302091730',
  ]);
});

it('who has done nothing since the round before is idle, by the times of the cluster alone', () => {
  const infobase = new Map([
    ['infobase', 'i'],
    ['name', 'Trade'],
  ]);
  const session = (id: string, active?: string) =>
    new Map(
      Object.entries({
        session: id,
        'session-id': id,
        infobase: 'i',
        'user-name': 'u',
        host: 'h',
        'app-id': '1CV8C',
        'started-at': '2026-03-02T09:17:30',
        hibernate: 'no',
        ...(active === undefined ? {} : { 'last-active-at': active }),
      }),
    );
  const [nine, ten] = ['2026-03-02T09:00:00', '2026-03-02T10:00:00'];
  const before = lastActivity([session('1', nine), session('2', nine), session('3')]);
  const now = [session('1', nine), session('2', ten), session('3'), session('4', nine)];
  const idle = (seen?: ReadonlyMap<string, string>) =>
    sessionReports([infobase], now, new Map([['*', 'erp']]), seen)[0]?.sessions.map((s) => s.idle === true);
  expect([idle(), idle(before)]).toEqual([
    [false, false, false, false],
    [true, false, false, false],
  ]);
});

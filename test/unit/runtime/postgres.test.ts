import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lockDirectory } from '../../../runtime/directoryLock.ts';
import { choose } from '../../../runtime/postgres/dataDirectory.ts';

const of = (...majors: number[]) => majors.map((major) => ({ major, bin: `/pg/${major}` }));
const installed = (...majors: number[]) => ({ chosen: of(...majors), all: of(...majors) });
const kindOf = (c: ReturnType<typeof choose>) =>
  c.kind === 'refuse'
    ? c.message
    : `${c.kind} ${c.installation.major}${c.kind === 'upgrade' ? ` from ${'by' in c.from ? c.from.by.bin : 'its dump'}` : ''}`;

it.each([
  ['nothing is there', installed(17, 15), { data: [], dumps: [] }, 'initialise 17'],
  ['its own data is there', installed(17, 15), { data: [17], dumps: [] }, 'use 17'],
  [
    'older data is there, and the older programs',
    installed(17, 15),
    { data: [15], dumps: [] },
    'upgrade 17 from /pg/15',
  ],
  [
    'so too if there is a dump, which may be old',
    installed(17, 15),
    { data: [15], dumps: [15] },
    'upgrade 17 from /pg/15',
  ],
  ['older data whose programs are gone', installed(17), { data: [15], dumps: [15] }, 'upgrade 17 from its dump'],
  [
    'programs that were named run, others only read',
    { chosen: of(17), all: of(18, 17, 15) },
    { data: [15], dumps: [] },
    'upgrade 17 from /pg/15',
  ],
  ['the older one is named', { chosen: of(15), all: of(17, 15) }, { data: [15], dumps: [15] }, 'use 15'],
  ['several are named', { chosen: of(17, 15), all: of(17, 15) }, { data: [15], dumps: [] }, 'upgrade 17 from /pg/15'],
])('PostgreSQL: %s', (_name, programs, contents, expected) => {
  expect(kindOf(choose(programs, contents))).toBe(expected);
});

it('PostgreSQL is not guessed about: every refusal says what to do', () => {
  expect(kindOf(choose(installed(), { data: [], dumps: [] }))).toMatch(
    /no PostgreSQL was found: install one, or set DATABASE_URL/,
  );
  expect(kindOf(choose(installed(17), { data: [15], dumps: [] }))).toMatch(
    /of PostgreSQL 15, and only a PostgreSQL 15 can read them, which is not here \(17 is\): install it beside/,
  );
  expect(kindOf(choose(installed(15), { data: [17], dumps: [17] }))).toMatch(
    /of PostgreSQL 17, which is newer than 15, the one that may run: install PostgreSQL 17/,
  );
});

it('data that an earlier version took over half-way are not used, whatever is installed', () => {
  for (const programs of [installed(17), installed(17, 15), installed(15)]) {
    for (const dumps of [[15], [15, 17]]) {
      expect(kindOf(choose(programs, { data: [15, 17], dumps }))).toMatch(
        /was cut short when it took the data of PostgreSQL 15 over into 17: move the directory 17 away to begin again from 15/,
      );
    }
  }
});

it('a directory has one owner at a time, and the second is told who', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lock-'));
  const lock = lockDirectory(dir, 'program');
  expect(() => lockDirectory(dir, 'program')).toThrow(`is in use by another program (process ${process.pid} on`);
  lock.release();
  lockDirectory(dir, 'program').release();
  rmSync(dir, { recursive: true });
});

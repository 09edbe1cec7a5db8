import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lockDirectory } from '../../../runtime/directoryLock.ts';
import { choose } from '../../../runtime/postgres/dataDirectory.ts';

const installed = (...majors: number[]) => majors.map((major) => ({ major, bin: `/pg/${major}` }));
const kindOf = (c: ReturnType<typeof choose>) =>
  c.kind === 'refuse' ? c.message : `${c.kind} ${c.installation.major}`;

it.each([
  ['nothing is there', installed(17, 15), [], [], 'initialise 17'],
  ['its own data is there', installed(17, 15), [17], [], 'use 17'],
  ['older data with an export is there', installed(17), [15], [15], 'takeOver 17'],
  ['older data without an export is there, and the older one is installed too', installed(17, 15), [15], [], 'use 15'],
  ['an interrupted take-over is begun again', installed(17), [15], [15], 'takeOver 17'],
])('PostgreSQL: %s', (_name, programs, data, exports, expected) => {
  expect(kindOf(choose(programs, data, exports))).toBe(expected);
});

it('PostgreSQL is not guessed about: every refusal says what to do', () => {
  expect(kindOf(choose([], [], []))).toMatch(/no PostgreSQL was found: install one, or set DATABASE_URL/);
  expect(kindOf(choose(installed(17), [15], []))).toMatch(
    /of PostgreSQL 15, and was not stopped cleanly.*start once with PostgreSQL 15/,
  );
  expect(kindOf(choose(installed(15), [17], [17]))).toMatch(/of PostgreSQL 17, which is newer/);
});

it('a directory has one owner at a time, and the second is told who', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lock-'));
  const lock = lockDirectory(dir, 'program');
  expect(() => lockDirectory(dir, 'program')).toThrow(`is in use by another program (process ${process.pid} on`);
  lock.release();
  lockDirectory(dir, 'program').release();
  rmSync(dir, { recursive: true });
});

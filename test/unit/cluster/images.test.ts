import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keyOf } from '../../../cluster/cache.ts';
import { sourceInputs } from '../../../cluster/images.ts';
import { repository } from '../../support/sources.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'inputs-'));
  for (const folder of ['server/db', 'server/dist', 'docs']) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, '.dockerignore'), '# what a build sees\n*\n!package.json\n!server\n!absent\nserver/dist\n');
  for (const file of [
    'Dockerfile',
    'package.json',
    'server/main.ts',
    'server/db/1.sql',
    'server/dist/made.js',
    'docs/a.md',
    '.env',
  ]) {
    writeFileSync(join(root, file), file);
  }
});
afterEach(() => rmSync(root, { recursive: true }));
const key = () => keyOf(...sourceInputs(root));

it('an image is made of the Dockerfile and of what .dockerignore lets in, nothing else', () => {
  const names = sourceInputs(root).filter((_, index) => index % 2 === 0);
  expect(names).toEqual(['Dockerfile', 'package.json', 'server/db/1.sql', 'server/main.ts']);
});

it('its key changes with a file that it is made of, and with no other', () => {
  const before = key();
  writeFileSync(join(root, 'docs/a.md'), 'changed');
  expect(key()).toBe(before);
  writeFileSync(join(root, 'server/db/1.sql'), 'changed');
  expect(key()).not.toBe(before);
});

it('its key changes when a file is only renamed', () => {
  const before = key();
  rmSync(join(root, 'server/main.ts'));
  writeFileSync(join(root, 'server/other.ts'), 'server/main.ts');
  expect(key()).not.toBe(before);
});

it('no secret, test or document of this repository gets into a build', () => {
  const names = sourceInputs(repository).filter((_, index) => index % 2 === 0);
  expect(names).toContain('package-lock.json');
  expect(
    names.filter((name) => /^(test|docs\/(?!runbooks\/)|\.git|\.env|node_modules|charts|cluster)/.test(String(name))),
  ).toEqual([]);
});

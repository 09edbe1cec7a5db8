import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ensureTokens, tokensFrom } from '../../../authority/access.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tokens-'));
});
afterEach(() => rm(dir, { recursive: true }));

const read = async () => {
  const told: string[] = [];
  const tokens = await tokensFrom(
    dir,
    () => 0,
    (message) => told.push(message),
  )();
  return { tokens: tokens.map(({ hash: _, ...rest }) => rest), told };
};

it('of tokens only the vendor’s and that of the metrics are made: no customer’s, which would open everybody’s licences', async () => {
  await ensureTokens(dir);
  expect((await readdir(dir)).toSorted()).toEqual(['metrics', 'vendor']);
  const vendor = await readFile(join(dir, 'vendor'), 'utf8');
  expect(vendor.trim().length).toBeGreaterThan(40);
  expect((await stat(join(dir, 'vendor'))).mode & 0o777).toBe(0o600);
  await ensureTokens(dir);
  expect(await readFile(join(dir, 'vendor'), 'utf8')).toBe(vendor);
});

it('a customer’s line is tied to its organisation, by id or name; one of the cabinet to none', async () => {
  await writeFile(join(dir, 'customer'), 'one org-0123456789abcdef\ntwo Romashka  Ltd\n');
  await writeFile(join(dir, 'cabinet'), 'three\n');
  expect(await read()).toEqual({
    tokens: [
      { role: 'customer', organisation: 'org-0123456789abcdef' },
      { role: 'customer', organisation: 'Romashka Ltd' },
      { role: 'customer' },
    ],
    told: [],
  });
});

it('a customer’s line for nobody in particular works as it always did, and it is said what it opens', async () => {
  await writeFile(join(dir, 'customer'), 'old-token\n');
  expect(await read()).toEqual({ tokens: [{ role: 'customer' }], told: [expect.stringContaining('all customers')] });
});

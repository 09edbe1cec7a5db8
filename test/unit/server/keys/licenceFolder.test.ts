import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readConfiguredKeys } from '../../../../server/keys/configuredKeys.ts';
import { openLicenceFolder } from '../../../../server/keys/licenceFolder.ts';
import { readTrust } from '../../../../server/keys/trust.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'folder-'));
  mkdirSync(join(dir, 'Licence'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** A file, a folder, a pipe that nobody writes to, and a file of 3 GB that takes no room. */
function fill(folder: string, ending: string): void {
  writeFileSync(join(folder, `good${ending}`), 'text\n');
  mkdirSync(join(folder, `folder${ending}`));
  execFileSync('mkfifo', [join(folder, `pipe${ending}`)]);
  writeFileSync(join(folder, `large${ending}`), '');
  truncateSync(join(folder, `large${ending}`), 3 * 2 ** 30);
}

it('what is no file, or too large, is named, and the others are read', async () => {
  fill(join(dir, 'Licence'), '.lic');
  const found = await (await openLicenceFolder(dir)).read();
  expect(found).toEqual([
    { name: 'folder', unreadable: expect.stringMatching(/folder\.lic: it is a folder; move it away$/) },
    { name: 'good', text: 'text' },
    {
      name: 'large',
      unreadable: expect.stringMatching(/large\.lic: it is too large for an activation; move it away$/),
    },
    { name: 'pipe', unreadable: expect.stringMatching(/pipe\.lic: it is no file; move it away$/) },
  ]);
});

it('among configured keys it is one that cannot be used, a folder is none', async () => {
  fill(dir, '');
  const keys = await readConfiguredKeys(dir);
  expect(keys.map(({ name, parsed }) => [name, parsed.ok])).toEqual([
    ['good', false],
    ['large', false],
    ['pipe', false],
  ]);
});

it('as a file of trusted keys it is trouble by its name', async () => {
  fill(dir, '');
  expect((await readTrust(join(dir, 'pipe'))).trouble).toBe(
    `the trusted keys ${join(dir, 'pipe')} cannot be read (ENOTFILE)`,
  );
});

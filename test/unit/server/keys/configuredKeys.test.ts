import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKey } from '../../../../licence/key.ts';
import { readConfiguredKeys } from '../../../../server/keys/configuredKeys.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'configured-'));
});
afterEach(() => rm(dir, { recursive: true }));
const key = createKey(Buffer.alloc(16, 1));

/** A version of a Secret as the kubelet mounts it: files behind `..data`, swapped at once. */
async function mountVersion(version: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(dir, version));
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(dir, version, name), text);
    await symlink(join('..data', name), join(dir, name)).catch(() => {});
  }
  await symlink(version, join(dir, '..data_tmp'));
  await rename(join(dir, '..data_tmp'), join(dir, '..data'));
}

describe('configured keys', () => {
  it('are the files of a mounted Secret, without its inner workings', async () => {
    await mountVersion('..2026_01', { erp: `${key}\n`, zup: 'nonsense' });
    expect(await readConfiguredKeys(dir)).toMatchObject([
      { name: 'erp', parsed: { ok: true, key } },
      { name: 'zup', parsed: { ok: false, reason: 'KeyMalformed' } },
    ]);
    await mountVersion('..2026_02', { erp: createKey(Buffer.alloc(16, 2)), zup: key });
    expect(await readConfiguredKeys(dir)).toMatchObject([{ name: 'erp' }, { name: 'zup', parsed: { ok: true, key } }]);
  });

  it('have their activation beside them', async () => {
    await writeFile(join(dir, 'erp'), key);
    await writeFile(join(dir, 'erp.activation'), 'a.b.c\n');
    expect(await readConfiguredKeys(dir)).toEqual([{ name: 'erp', parsed: expect.anything(), activation: 'a.b.c' }]);
  });

  it('do not include folders; an activation without a key is a fault to be seen', async () => {
    await mkdir(join(dir, 'folder'));
    await writeFile(join(dir, 'lost.activation'), 'a.b.c');
    expect(await readConfiguredKeys(dir)).toMatchObject([{ name: 'lost.activation', parsed: { ok: false } }]);
  });

  it('from a directory that is not there are refused with its path', async () => {
    await expect(readConfiguredKeys(join(dir, 'none'))).rejects.toThrow(`${join(dir, 'none')} (ENOENT)`);
  });
});

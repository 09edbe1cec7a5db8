import { randomUUID } from 'node:crypto';
import { link, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readSmallFile } from '../../runtime/smallFile.ts';
import { writeDurably } from './durableFile.ts';

/**
 * What tells a folder `Licence` apart from every other one, whoever mounts it: `.folder` in it, made once.
 * @returns undefined while it can be neither read nor made
 */
export async function folderIdOf(folder: string): Promise<string | undefined> {
  const path = join(folder, '.folder');
  const read = async () => (await readSmallFile(path)).trim() || undefined;
  try {
    return (await read().catch(() => undefined)) ?? (await make(folder, path).then(read));
  } catch {
    return undefined;
  }
}

/** Two servers that start side by side end with one: a link never replaces a file. */
async function make(folder: string, path: string): Promise<void> {
  const draft = join(folder, `.folder-${randomUUID()}`);
  await writeDurably(draft, `${randomUUID()}\n`);
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const temporary = /^\.[0-9a-f]{12}\.tmp$/;

/** Replaces a file so that a crash leaves the old or the new content, whole: temp, fsync, rename, fsync of the folder. */
export async function writeDurably(path: string, text: string, mode = 0o600): Promise<void> {
  const temp = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await flushed(temp, 'wx', mode, (file) => file.writeFile(text));
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
  await flushFolder(dirname(path));
}

export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await flushFolder(dirname(path));
}

/** Removes what writes left behind that a crash cut short. */
export async function clearTemporary(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (temporary.test(name)) await rm(join(folder, name), { force: true });
  }
}

/** A folder's entries are only safe after a flush of the folder itself; Windows has no such thing and needs none. */
async function flushFolder(folder: string): Promise<void> {
  if (process.platform !== 'win32') await flushed(folder, 'r');
}

async function flushed(path: string, flags: string, mode?: number, work?: (file: FileHandle) => Promise<void>) {
  const file = await open(path, flags, mode);
  try {
    await work?.(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

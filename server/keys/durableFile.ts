import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const temporary = /^\.[0-9a-f]{12}\.tmp$/;

/** No write takes as long: what is older was left behind by a crash. */
const leftBehindMs = 15 * 60_000;

/** Replaces a file so that a crash leaves the old or the new content, whole: temp, fsync, rename, fsync of the folder. */
export async function writeDurably(path: string, text: string, mode = 0o600): Promise<void> {
  for (let tries = 1; ; tries++) {
    const temp = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
    try {
      await flushed(temp, 'wx', mode, (file) => file.writeFile(text));
      await rename(temp, path);
      break;
    } catch (error) {
      await rm(temp, { force: true }).catch(() => {});
      // a server of an earlier build that starts on the same folder takes the temporary files of others away
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 3) throw error;
    }
  }
  await flushFolder(dirname(path));
}

export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await flushFolder(dirname(path));
}

/** Removes what writes left behind that a crash cut short. A young file is another server's, which is writing it. */
export async function clearTemporary(folder: string, nowMs: number = Date.now()): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!temporary.test(name)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined); // gone since the listing
    if (found !== undefined && nowMs - found.mtimeMs > leftBehindMs) await rm(path, { force: true });
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

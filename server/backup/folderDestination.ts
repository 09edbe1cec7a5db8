import { createReadStream } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Destination } from './destination.ts';

/** An archive on its way: by its name it is known whose it is. */
const draftOf = (name: string): string => `.${name}.part`;
/** Readable by the group as well: on another node, under another user, the volume's group is what both have. */
const mode = 0o640;

/** A folder, such as that of a claim that is mounted. It has to be there: one that is missing may be a volume that is not mounted. */
export function folderDestination(dir: string, signal: AbortSignal): Destination {
  const told = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      throw folderFault(dir, error);
    }
  };
  return {
    place: dir,
    list: () =>
      told(async () => {
        const found: { name: string; bytes: number }[] = [];
        for (const entry of await readdir(dir, { withFileTypes: true })) {
          if (!entry.isFile() || entry.name.startsWith('.')) continue;
          found.push({ name: entry.name, bytes: (await stat(join(dir, entry.name))).size });
        }
        return found;
      }),
    put: (name, content) =>
      told(async () => {
        const draft = join(dir, draftOf(name));
        try {
          const bytes = await write(draft, content, signal);
          await rename(draft, join(dir, name));
          await flushFolder(dir);
          return bytes;
        } catch (error) {
          await rm(draft, { force: true }).catch(() => {});
          throw error;
        }
      }),
    get: (name) =>
      told(async (): Promise<Readable> => {
        const file = join(dir, name);
        await stat(file);
        return createReadStream(file, { signal });
      }),
    remove: (name) => told(() => rm(join(dir, name), { force: true })),
    sweep: (computer) =>
      told(async () => {
        const isOwn = (name: string) => name.startsWith(`.licence-server-${computer}`) && name.endsWith('.part');
        for (const name of await readdir(dir)) if (isOwn(name)) await rm(join(dir, name), { force: true });
      }),
    close: async () => {},
  };
}

async function write(path: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
  const file = await open(path, 'w', mode);
  try {
    let bytes = 0;
    for await (const chunk of content) {
      signal.throwIfAborted();
      await file.writeFile(chunk); // all of it, at the place where the last one ended
      bytes += chunk.length;
    }
    signal.throwIfAborted();
    await file.sync();
    return bytes;
  } finally {
    await file.close();
  }
}

async function flushFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  await folder.sync().finally(() => folder.close());
}

const advice: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there; make the folder, or mount the volume',
  ENOTDIR: 'it is no folder; name one',
  EACCES: 'this program may not use it; give its user or group the right to read and write there',
  EPERM: 'this program may not use it; give its user or group the right to read and write there',
  EROFS: 'it can only be read; mount it writable',
  ENOSPC: 'it is full; make room, keep fewer archives, or make the volume larger',
  EDQUOT: 'its quota is used up; make room, keep fewer archives, or raise the quota',
};

function folderFault(dir: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const what = code === undefined ? undefined : advice[code];
  return what === undefined ? error : new Error(`the folder ${dir} cannot be used: ${what} (${code})`);
}

import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isKeyId } from '../../licence/key.ts';
import { readSmallFile } from '../../runtime/smallFile.ts';
import { clearTemporary, removeDurably, writeDurably } from './durableFile.ts';

/** A file of the folder; what it holds is judged elsewhere. */
export interface LicenceFile {
  /** Its name without `.lic`: the keyId, if nobody renamed it. */
  readonly name: string;
  /** Its content, trimmed; undefined if it cannot be read now: what it holds is not known, and nobody says that it is bad. */
  readonly text: string | undefined;
  /** Why it cannot be read. */
  readonly unreadable?: string;
}

/** The subfolder `Licence` of the data directory: one file `<keyId>.lic` an activation, mode 0600. */
export interface LicenceFolder {
  readonly path: string;
  /** In the order of their names. @throws Error with the path when the folder itself cannot be read */
  read(): Promise<LicenceFile[]>;
  /** @throws Error with the path, for example when the disk is full or read-only */
  write(keyId: string, activation: string): Promise<void>;
  remove(name: string): Promise<void>;
}

const suffix = '.lic';

/** Opens the folder, making it if need be. @throws Error with the path and what to do */
export async function openLicenceFolder(dataDir: string): Promise<LicenceFolder> {
  const path = join(dataDir, 'Licence');
  const explained = async <T>(doing: string, work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw new Error(`cannot ${doing} ${path}: ${causeOf(error)}`, { cause: error });
    }
  };
  await explained('create', mkdir(path, { recursive: true, mode: 0o700 }));
  await explained('read', readdir(path));
  await clearTemporary(path).catch(() => {}); // on a read-only volume what is there still serves

  const readOne = async (file: string): Promise<LicenceFile[]> => {
    const name = file.slice(0, -suffix.length);
    try {
      return [{ name, text: (await readSmallFile(join(path, file))).trim() }];
    } catch (error) {
      // removed since the listing: not there
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      return [{ name, text: undefined, unreadable: `cannot read ${join(path, file)}: ${causeOf(error)}` }];
    }
  };
  return {
    path,
    read: async () => {
      const files = await explained('read', readdir(path));
      const read = files
        .filter((f) => f.endsWith(suffix) && !f.startsWith('.'))
        .sort()
        .map(readOne);
      return (await Promise.all(read)).flat();
    },
    write: (keyId, activation) => {
      if (!isKeyId(keyId)) throw new Error(`"${keyId}" is no keyId`);
      return explained('write to', writeDurably(join(path, keyId + suffix), `${activation}\n`));
    },
    remove: (name) => explained('remove a file of', removeDurably(join(path, name + suffix))),
  };
}

function causeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const advice: Readonly<Record<string, string>> = {
    EACCES: 'permission denied; let the user that runs the server read and write it',
    EPERM: 'permission denied; let the user that runs the server read and write it',
    EROFS: 'the file system is read-only; mount it for writing',
    ENOSPC: 'the disk is full; free some space',
    EDQUOT: 'the disk quota is used up; free some space',
    ENOTDIR: 'something that is no folder is in the way; move it',
    EEXIST: 'a file of that name is in the way; move it',
    EISDIR: 'it is a folder; move it away',
    ENOTFILE: 'it is no file; move it away',
    EFBIG: 'it is too large for an activation; move it away',
    EIO: 'the disk reports an error',
    ESTALE: 'the network file system has lost it; mount it again',
  };
  return advice[code] ?? code;
}

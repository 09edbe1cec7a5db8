import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createGunzip, gzipSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';

/** One file of an archive. */
export interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly bytes: Buffer;
}

/** Every file below a folder, its executables as such, under a name that begins with `prefix`. */
export function entriesOf(folder: string, prefix = ''): Entry[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({
      name: `${prefix}${file.slice(folder.length + 1)}`,
      mode: statSync(file).mode & 0o111 ? 0o755 : 0o644,
      bytes: readFileSync(file),
    }));
}

/** A tar of which equal files give equal bytes: in the order of their names, of nobody, all of one time (seconds since the epoch). */
export async function tarOf(entries: readonly Entry[], atSeconds: number): Promise<Buffer> {
  const tar = pack();
  const whole = buffer(tar);
  const byName = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, mode, bytes } of byName) {
    tar.entry({ name, mode, mtime: new Date(atSeconds * 1_000), uid: 0, gid: 0, uname: '', gname: '' }, bytes);
  }
  tar.finalize();
  return whole;
}

/** The same, compressed; the header of gzip has no time in it. */
export async function writeTgz(file: string, entries: readonly Entry[], atSeconds: number): Promise<void> {
  writeFileSync(file, gzipSync(await tarOf(entries, atSeconds), { level: 9 }));
}

/** The files of a .tgz. */
export async function readTgz(file: string): Promise<Entry[]> {
  const found: Entry[] = [];
  const untar = extract();
  const gunzip = createGunzip();
  gunzip.on('error', (error) => untar.destroy(error)).pipe(untar);
  gunzip.end(readFileSync(file));
  for await (const entry of untar) {
    const bytes = await buffer(entry);
    if (entry.header.type === 'file') {
      found.push({ name: entry.header.name, mode: entry.header.mode ?? 0o644, bytes });
    }
  }
  return found;
}

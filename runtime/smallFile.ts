import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';

/** Far more than any key, activation, list of tokens or bundle of certificates takes. */
const mostBytes = 4_194_304;

/** Where nobody writes, opening a pipe to read it waits for good; opened this way it does not. */
const withoutWaiting = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Text of a file that somebody may have put there. What is no file, a pipe for example, would be waited for; what is very large would
 * be taken into memory.
 * @throws Error with the system's code; with EISDIR for a folder, ENOTFILE for what else is no file, EFBIG for one that is too large
 */
export async function readSmallFile(path: string): Promise<string> {
  const file = await open(path, withoutWaiting);
  try {
    mustBeSmallFile(await file.stat(), path);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** The same, where nothing else may happen meanwhile. */
export function readSmallFileSync(path: string): string {
  const file = openSync(path, withoutWaiting);
  try {
    mustBeSmallFile(fstatSync(file), path);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function mustBeSmallFile(found: Stats, path: string): void {
  if (!found.isFile()) throw coded(found.isDirectory() ? 'EISDIR' : 'ENOTFILE', path);
  if (found.size > mostBytes) throw coded('EFBIG', path);
}

const coded = (code: string, path: string): Error => Object.assign(new Error(`${code}: ${path}`), { code });

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Far more than any key, activation or certificate takes. */
const mostBytes = 262_144;

/**
 * Text of a file that somebody may have put there. What is no file, a pipe for example, would be waited for; what is very large would
 * be taken into memory.
 * @throws Error with the system's code; with EISDIR for a folder, ENOTFILE for what else is no file, EFBIG for one that is too large
 */
export async function readSmallFile(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = await file.stat();
    if (!found.isFile()) throw coded(found.isDirectory() ? 'EISDIR' : 'ENOTFILE', path);
    if (found.size > mostBytes) throw coded('EFBIG', path);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

const coded = (code: string, path: string): Error => Object.assign(new Error(`${code}: ${path}`), { code });

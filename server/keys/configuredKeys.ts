import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ParsedKey, parseKey } from '../../licence/key.ts';
import { readSmallFile } from '../../runtime/smallFile.ts';

/** A key that the configuration names. */
export interface ConfiguredKey {
  /** The file's name. */
  readonly name: string;
  readonly parsed: ParsedKey;
  /** Content of `<name>.activation`: this key is activated by hand, the authority is not asked. */
  readonly activation?: string;
}

const beside = '.activation';

/**
 * Reads a directory with one file a key, in the order of the names. Hidden entries are passed over: a mounted Secret keeps
 * its versions in them (`..data`).
 * @throws Error with the path when the directory cannot be read
 */
export async function readConfiguredKeys(dir: string): Promise<ConfiguredKey[]> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot read the keys directory ${dir} (${error.code}); mount it or unset LICENCE_KEYS_DIR`);
  });
  const texts = new Map<string, string>();
  for (const name of names.filter((n) => !n.startsWith('.')).sort()) {
    const text = await readSmallFile(join(dir, name)).catch((error: NodeJS.ErrnoException) => {
      // Gone since the listing, or a directory: no key. What cannot be read is one, if a useless one.
      return error.code === 'ENOENT' || error.code === 'EISDIR' ? undefined : '';
    });
    if (text !== undefined) texts.set(name, text.trim());
  }
  return [...texts]
    .filter(([name]) => !(name.endsWith(beside) && texts.has(name.slice(0, -beside.length))))
    .map(([name, text]) => {
      const activation = texts.get(name + beside);
      return { name, parsed: parseKey(text), ...(activation === undefined ? {} : { activation }) };
    });
}

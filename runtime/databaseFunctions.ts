import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { messageOf } from './database/fault.ts';

/** Under this name the table of migrations keeps the hash of the functions' text. */
export const functionsName = 'functions';

/** The files of the folder `functions` of a directory of migrations, in the order of their names, and the SHA-256 of all. */
export interface DatabaseFunctions {
  readonly files: readonly { readonly name: string; readonly sql: string }[];
  readonly hash: string;
}

export function readFunctions(dir: string): DatabaseFunctions {
  const folder = join(dir, 'functions');
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.sql')) : [];
  const files = names.sort().map((name) => ({ name, sql: readFileSync(join(folder, name), 'utf8') }));
  return { files, hash: createHash('sha256').update(JSON.stringify(files)).digest('hex') };
}

/**
 * A database's functions stand in their files as they are now, not as a history of changes: whenever the text is another than
 * the one that was applied, all of them are made anew, in the transaction of the caller.
 * @throws Error naming the file that failed
 */
export async function makeFunctions(client: Pick<pg.Client, 'query'>, functions: DatabaseFunctions): Promise<void> {
  for (const { name, sql } of functions.files) {
    try {
      await client.query(sql);
    } catch (error) {
      throw new Error(`the functions of ${name} failed: ${messageOf(error)}`);
    }
  }
  await client.query(
    `INSERT INTO migration (name, hash) VALUES ($1, $2)
     ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, applied_at = now()`,
    [functionsName, functions.hash],
  );
}

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findInstallations } from '../../runtime/postgres/programs.ts';

/**
 * The schema of a database as text, without what depends on the version of the tool: what `schema.sql` beside this file holds,
 * so that a change of the schema is read in a review. `url` is of a superuser.
 */
export async function dumpSchema(url: string): Promise<string> {
  const [newest] = (await findInstallations()).all;
  if (newest === undefined) throw new Error('no PostgreSQL was found: pg_dump is needed');
  const args = ['--schema-only', '--no-owner', '--no-privileges', '--no-comments', '-d', url];
  const { stdout } = await promisify(execFile)(join(newest.bin, 'pg_dump'), args, { maxBuffer: 16 << 20 });
  const kept = stdout
    .split('\n')
    .filter((line) => !/^(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict )/.test(line))
    .join('\n');
  return `${kept.replace(/\n{3,}/g, '\n\n').trim()}\n`;
}

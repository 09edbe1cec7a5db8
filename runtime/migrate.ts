import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

/**
 * Brings a database's schema up to date: each `NNN-name.sql` file of a directory runs once, in the order of the names, in
 * a transaction of its own together with the row that records it. Programs that start side by side wait for one another.
 * @throws Error when a file that has run was changed since, or when the database is newer than this program.
 */
export async function migrate(connection: pg.ClientConfig, dir: string): Promise<readonly string[]> {
  const files = readMigrations(dir);
  const client = new pg.Client(connection);
  client.on('error', () => {}); // told by the rejected query
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock(7227001)');
    await prepareMigrations(client);
    const { rows } = await client.query<{ name: string; hash: string }>('SELECT name, hash FROM migration');
    const done = new Map(rows.map((r) => [r.name, r.hash]));
    for (const name of done.keys()) {
      if (!files.some((f) => f.name === name)) {
        throw new Error(`the database has the migration ${name} that this program does not know; use a newer version`);
      }
    }
    const applied: string[] = [];
    for (const file of files) {
      const hash = done.get(file.name);
      if (hash === file.hash) continue;
      if (hash !== undefined) throw new Error(`the migration ${file.name} was changed after it had been applied`);
      await apply(client, file);
      applied.push(file.name);
    }
    return applied;
  } finally {
    await client.end().catch(() => {});
  }
}

async function apply(client: pg.Client, file: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    await applyMigration(client, file);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** A file of the directory, with the SHA-256 of its text. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly hash: string;
}

/** In the order in which they run. */
export const readMigrations = (dir: string): Migration[] =>
  readdirSync(dir)
    .filter((name) => /^\d+-[a-z0-9-]+\.sql$/.test(name))
    .sort()
    .map((name) => {
      const sql = readFileSync(join(dir, name), 'utf8');
      return { name, sql, hash: createHash('sha256').update(sql).digest('hex') };
    });

/** The table in which migrations are recorded. */
export async function prepareMigrations(client: pg.Client): Promise<void> {
  await client.query(
    'CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, hash text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())',
  );
}

/** Runs one and records it, in the transaction of the caller. @throws Error naming it */
export async function applyMigration(client: pg.Client, file: Migration): Promise<void> {
  try {
    await client.query('INSERT INTO migration (name, hash) VALUES ($1, $2)', [file.name, file.hash]);
    await client.query(file.sql);
  } catch (error) {
    throw new Error(`the migration ${file.name} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { sleep, systemClock } from './clock.ts';
import { messageOf } from './database/fault.ts';
import { type DatabaseConfig, Session, sessionSetup, setUp } from './database/session.ts';
import { functionsName, makeFunctions, readFunctions } from './databaseFunctions.ts';
import type { Logger } from './log.ts';
import { isRetired, readRetired } from './retiredMigrations.ts';

export interface MigrateOptions {
  /** The table by which the schema of this program is known; default: that of the migrations themselves. */
  readonly ledger?: string;
  readonly log?: Logger;
  /** How long to wait for another program's migration, in ms. */
  readonly patienceMs?: number;
}

/**
 * Brings a database's schema up to date: each `NNN-name.sql` file of a directory runs once, in the order of the names, then the
 * functions if their text is another one (`databaseFunctions.ts`), all in one transaction together with the rows that record them. Programs that start side by side wait for one another, for a bounded time.
 * @throws Error when a file that has run was changed since, when the database is newer than this program, or when another program
 * does not come to an end
 */
export async function migrate(
  config: DatabaseConfig,
  dir: string,
  options: MigrateOptions = {},
): Promise<readonly string[]> {
  const client = new Session({ connectionTimeoutMillis: 10_000, ...config });
  client.on('error', () => {}); // told by the rejected query
  await client.connect();
  try {
    await setUp(client, sessionSetup({ ledger: options.ledger ?? 'migration', statementMs: 0, lockMs: 30_000 }));
    await beginAlone(client, options.patienceMs ?? 120_000, options.log);
    const applied = await applyMissing(client, dir);
    await client.query('COMMIT');
    return applied;
  } finally {
    await client.end().catch(() => {}); // ends a transaction that was not committed
  }
}

async function applyMissing(client: pg.Client, dir: string): Promise<string[]> {
  const files = readMigrations(dir);
  const functions = readFunctions(dir);
  const retired = readRetired(dir);
  await prepareMigrations(client);
  const { rows } = await client.query<{ name: string; hash: string }>('SELECT name, hash FROM migration');
  const done = new Map(rows.map((r) => [r.name, r.hash]));
  for (const [name, hash] of done) {
    if (name !== functionsName && !files.some((f) => f.name === name) && !isRetired(retired, { name, hash })) {
      throw new Error(`the database has the migration ${name} that this program does not know; use a newer version`);
    }
  }
  const applied: string[] = [];
  for (const file of files) {
    const hash = done.get(file.name);
    if (hash === file.hash || (hash !== undefined && isRetired(retired, { name: file.name, hash }))) continue;
    if (hash !== undefined) throw new Error(`the migration ${file.name} was changed after it had been applied`);
    await applyMigration(client, file);
    applied.push(file.name);
  }
  if (functions.files.length > 0 && functions.hash !== done.get(functionsName)) {
    await makeFunctions(client, functions);
    applied.push(functionsName);
  }
  return applied;
}

const lockId = 7227001;
const whoHolds = `SELECT a.pid, a.application_name AS program, coalesce(host(a.client_addr), 'local') AS address,
    coalesce(a.state, 'busy') AS state, coalesce(round(extract(epoch FROM clock_timestamp() - a.state_change))::int, 0) AS seconds
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.classid = 0 AND l.objid = ${lockId}`;

/** Begins a transaction that holds the lock of migrations: it goes with the transaction, however the session ends. */
async function beginAlone(client: pg.Client, patienceMs: number, log: Logger | undefined): Promise<void> {
  const until = performance.now() + patienceMs;
  let isTold = false;
  for (;;) {
    await client.query('BEGIN');
    const { rows } = await client.query<{ got: boolean }>(`SELECT pg_try_advisory_xact_lock(${lockId}) AS got`);
    if (rows[0]?.got) return;
    await client.query('ROLLBACK');
    const { rows: holders } = await client.query(whoHolds);
    const [holder] = holders;
    if (holder !== undefined && !isTold) {
      isTold = true;
      log?.warn({ holder }, "waits for another program's migration of the database");
    }
    if (performance.now() > until && holder !== undefined) {
      throw new Error(
        `another program holds the lock of migrations: process ${holder.pid} of the database (${holder.program || 'without a name'}, ` +
          `from ${holder.address}, ${holder.state} for ${holder.seconds} s); end it: SELECT pg_terminate_backend(${holder.pid})`,
      );
    }
    await sleep(systemClock, 200);
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
    throw new Error(`the migration ${file.name} failed: ${messageOf(error)}`);
  }
}

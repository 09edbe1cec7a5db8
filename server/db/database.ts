import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { sleep, systemClock } from '../../runtime/clock.ts';
import { lockDirectory } from '../../runtime/directoryLock.ts';
import type { Logger } from '../../runtime/log.ts';
import { migrate } from '../../runtime/migrate.ts';
import { startEmbedded } from '../../runtime/postgres/embedded.ts';

export const migrationsDir = join(import.meta.dirname, 'migrations');

/** The database of this server: how to connect, and how to end what was started for it. */
export interface Database {
  readonly connection: pg.ClientConfig;
  /** Within `leftMs`. */
  stop(leftMs?: number): Promise<void>;
}

export interface DatabaseOptions {
  readonly url?: string | undefined;
  readonly dataDir: string;
  readonly socketDir?: string | undefined;
  readonly postgresBin?: string | undefined;
}

/** Opens the given database, or the embedded one, with an up-to-date schema. */
export async function openDatabase(options: DatabaseOptions, log: Logger): Promise<Database> {
  const database = options.url === undefined ? await embedded(options, log) : await external(options.url, log);
  try {
    const applied = await migrate(database.connection, migrationsDir);
    if (applied.length > 0) log.info({ applied }, 'schema brought up to date');
    return database;
  } catch (error) {
    await database.stop();
    throw error;
  }
}

async function embedded(options: DatabaseOptions, log: Logger): Promise<Database> {
  const lock = lockDirectory(options.dataDir, 'licence-server');
  try {
    const root = join(options.dataDir, 'postgres');
    mkdirSync(root, { recursive: true, mode: 0o700 });
    chmodSync(root, 0o700);
    const postgres = await startEmbedded(
      { root, database: 'licence', socketBase: options.socketDir, bin: options.postgresBin },
      log,
    );
    return {
      connection: postgres.connection,
      stop: async (leftMs = 6_000) => {
        await postgres.stop(Math.min(6_000, leftMs - 300));
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

const patienceMs = 60_000;

/** Waits for a database that is not there yet: it may start together with this server. */
async function external(url: string, log: Logger): Promise<Database> {
  const connection = { connectionString: url, application_name: 'licence-server' };
  const until = systemClock.now() + patienceMs;
  for (;;) {
    const client = new pg.Client({ ...connection, connectionTimeoutMillis: 5_000 });
    client.on('error', () => {}); // told by the rejected query
    try {
      await client.connect();
      await client.query('SELECT 1');
      return { connection, stop: async () => {} };
    } catch (error) {
      const why = error instanceof Error ? error.message || String(error) : String(error);
      if (systemClock.now() > until) throw new Error(`the database of DATABASE_URL cannot be used: ${why}`);
      log.warn({ why }, 'the database does not answer yet');
      await sleep(systemClock, 1_000);
    } finally {
      await client.end().catch(() => {});
    }
  }
}

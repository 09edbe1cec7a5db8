import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { databaseAddress } from '../../runtime/database/address.ts';
import type { DatabaseConfig } from '../../runtime/database/session.ts';
import { waitForDatabase } from '../../runtime/database/waitForDatabase.ts';
import { lockDirectory } from '../../runtime/directoryLock.ts';
import type { Logger } from '../../runtime/log.ts';
import { migrate } from '../../runtime/migrate.ts';
import { startEmbedded } from '../../runtime/postgres/embedded.ts';
import { poolSetup } from '../seats/seatSql.ts';

export const migrationsDir = join(import.meta.dirname, 'migrations');

/** The database of this server: how to connect, and how to end what was started for it. */
export interface Database {
  readonly connection: DatabaseConfig;
  /** Within `leftMs`. */
  stop(leftMs?: number): Promise<void>;
}

export interface DatabaseOptions {
  readonly url?: string | undefined;
  /** PEM file of the certificate authorities of `url`. */
  readonly caFile?: string | undefined;
  readonly dataDir: string;
  readonly socketDir?: string | undefined;
  readonly postgresBin?: string | undefined;
}

/** Opens the given database, or the embedded one, with an up-to-date schema. */
export async function openDatabase(options: DatabaseOptions, log: Logger): Promise<Database> {
  const database =
    options.url === undefined ? await embedded(options, log) : await external(options.url, options.caFile, log);
  try {
    const applied = await migrate(database.connection, migrationsDir, { ledger: 'lease', log });
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

/** Waits for a database that is not there yet: it may start together with this server. */
async function external(url: string, caFile: string | undefined, log: Logger): Promise<Database> {
  const { config, notes } = databaseAddress(url, caFile, process.env, 'licence-server');
  for (const note of notes) log.warn(note);
  await waitForDatabase(config, poolSetup, 'lease', log);
  return { connection: config, stop: async () => {} };
}

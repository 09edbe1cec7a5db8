import { join } from 'node:path';
import { databaseAddress } from '../../runtime/database/address.ts';
import type { DatabaseConfig } from '../../runtime/database/session.ts';
import { waitForDatabase } from '../../runtime/database/waitForDatabase.ts';
import { lockDirectory } from '../../runtime/directoryLock.ts';
import type { Logger } from '../../runtime/log.ts';
import { migrate } from '../../runtime/migrate.ts';
import { startEmbedded } from '../../runtime/postgres/embedded.ts';
import { unlessAborted } from '../../runtime/shutdown.ts';
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
export async function openDatabase(options: DatabaseOptions, log: Logger, signal: AbortSignal): Promise<Database> {
  const { url, caFile } = options;
  const database = url === undefined ? await embedded(options, log, signal) : await external(url, caFile, log, signal);
  try {
    const migrating = migrate(database.connection, migrationsDir, { ledger: 'lease', log });
    const applied = await unlessAborted(signal, migrating);
    if (applied.length > 0) log.info({ applied }, 'schema brought up to date');
    return database;
  } catch (error) {
    await database.stop();
    throw error;
  }
}

async function embedded(options: DatabaseOptions, log: Logger, signal: AbortSignal): Promise<Database> {
  const lock = lockDirectory(options.dataDir, 'licence-server');
  try {
    const { dataDir, socketDir: socketBase, postgresBin: bin } = options;
    const root = join(dataDir, 'postgres');
    const how = { root, database: 'licence', migrations: migrationsDir, socketBase, bin };
    const postgres = await startEmbedded(how, log, signal);
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
async function external(url: string, caFile: string | undefined, log: Logger, signal: AbortSignal): Promise<Database> {
  const { config, notes } = databaseAddress(url, caFile, process.env, 'licence-server');
  for (const note of notes) log.warn(note);
  await unlessAborted(signal, waitForDatabase(config, poolSetup, 'lease', log, signal));
  return { connection: config, stop: async () => {} };
}

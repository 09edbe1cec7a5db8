import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { databaseAddress } from '../../runtime/database/address.ts';
import { messageOf } from '../../runtime/database/fault.ts';
import { type DatabaseConfig, Session, sessionSetup, setUpAnywhere } from '../../runtime/database/session.ts';
import { type DirectoryLock, lockDirectory } from '../../runtime/directoryLock.ts';
import type { Logger } from '../../runtime/log.ts';
import { contentsOf, socketPlace } from '../../runtime/postgres/dataDirectory.ts';
import { startEmbedded } from '../../runtime/postgres/embedded.ts';
import { type DatabaseOptions, migrationsDir } from '../db/database.ts';

/** A connection to a ledger, and how to end it. */
export interface Ledger {
  readonly client: pg.Client;
  close(): Promise<void>;
}

/**
 * Connects to the ledger that is there, as it is: no schema is changed. Of the embedded one that a server runs on, its socket
 * is used; of a stopped one, PostgreSQL is started for as long as this takes.
 * @throws Error when there is none, or none that may be read
 */
export async function openLedger(options: DatabaseOptions, log: Logger, signal: AbortSignal): Promise<Ledger> {
  if (options.url !== undefined) return connectTo(options.url, options.caFile);
  const root = join(options.dataDir, 'postgres');
  if (contentsOf(root).data.length === 0) {
    throw new Error(
      `there is no database in ${options.dataDir}; name the directory in LICENCE_DATA_DIR, or the database in DATABASE_URL`,
    );
  }
  const lock = tryLock(options.dataDir);
  if (typeof lock === 'string') return openRunning(options, root, lock);
  try {
    return await openEmbedded(root, options, log, signal, () => lock.release());
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Starts PostgreSQL on `root`; the caller has the lock of its directory, which `released` gives back. */
export async function openEmbedded(
  root: string,
  options: DatabaseOptions,
  log: Logger,
  signal: AbortSignal,
  released: () => void,
): Promise<Ledger> {
  const { socketDir: socketBase, postgresBin: bin } = options;
  const how = { root, database: 'licence', migrations: migrationsDir, socketBase, bin, asItIs: true };
  const postgres = await startEmbedded(how, log, signal);
  try {
    const { client, close } = await connect(postgres.connection);
    return {
      client,
      close: async () => {
        await close();
        await postgres.stop(60_000);
        released();
      },
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

function tryLock(dataDir: string): DirectoryLock | string {
  try {
    return lockDirectory(dataDir, 'licence-server');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function openRunning(options: DatabaseOptions, root: string, heldBy: string): Promise<Ledger> {
  const host = socketPlace(options.socketDir, realpathSync(root));
  if (!existsSync(host)) throw new Error(`${heldBy}; its socket is not at ${host}: set the same LICENCE_SOCKET_DIR`);
  return connect({ host, port: 5432, user: 'licence', database: 'licence' });
}

/** Of a database of its own; `url` is its address, `caFile` its certificate authorities. */
export const connectTo = (url: string, caFile: string | undefined): Promise<Ledger> =>
  connect(databaseAddress(url, caFile, process.env, 'licence-server-export').config);

/** Rows of any number take their time; another program's lock does not. */
const setup = sessionSetup({ ledger: 'lease', statementMs: 0, lockMs: 30_000 });

/** Of a database that is there to be asked. */
export async function connect(config: DatabaseConfig): Promise<Ledger> {
  const client = new Session({ connectionTimeoutMillis: 10_000, ...config });
  client.on('error', () => {}); // told by the rejected query
  try {
    await client.connect();
    await setUpAnywhere(client, setup);
  } catch (error) {
    await client.end().catch(() => {});
    throw new Error(`the database cannot be reached: ${messageOf(error)}`);
  }
  return { client, close: () => client.end().catch(() => {}) };
}

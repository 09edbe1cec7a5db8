import type pg from 'pg';
import { type DatabaseConfig, Session } from './session.ts';

/** What keeps a program from working with a database. */
export interface Obstacle {
  /** What is wrong, in one sentence that begins with "it". */
  readonly message: string;
  readonly todo: string;
  /** It may pass by itself: another node becomes the primary, a database is opened to writers again. */
  readonly passes: boolean;
}

const obstacle = (message: string, todo: string, passes = false): Obstacle => ({ message, todo, passes });

/** Looks whether a ledger can be kept there, over a session that has been set up; changes nothing. */
export async function obstacleIn(client: pg.ClientBase, ledger: string): Promise<Obstacle | undefined> {
  const { rows } = await client.query<Facts>(
    `SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('server_encoding') AS encoding,
            pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only,
            current_schema() AS schema, has_schema_privilege(current_schema(), 'CREATE') AS may,
            to_regclass($1) IS NOT NULL AS has_ledger, current_user AS user`,
    [ledger],
  );
  return rows[0] && judge(rows[0]);
}

export interface Facts {
  readonly major: number;
  readonly encoding: string;
  readonly standby: boolean;
  readonly read_only: boolean;
  readonly schema: string | null;
  readonly may: boolean | null;
  readonly has_ledger: boolean;
  readonly user: string;
}

/** Pure. */
export function judge(found: Facts): Obstacle | undefined {
  const { major, encoding, schema, user } = found;
  if (major < 13) return obstacle(`it is PostgreSQL ${major}, which is too old`, 'use 13 or newer');
  // SQL_ASCII converts nothing, so that what comes as UTF-8 stays so. It is what initdb makes where no locale is set: in many containers.
  if (encoding !== 'UTF8' && encoding !== 'SQL_ASCII') {
    return obstacle(
      `its encoding is ${encoding}: names outside of it cannot be kept`,
      "make another with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
    );
  }
  if (found.standby)
    return obstacle('it is a standby: nothing can be written', 'name the primary in DATABASE_URL', true);
  if (found.read_only) {
    return obstacle(
      'it is read-only: default_transaction_read_only is on for the server, the database or the role',
      'turn that off, or name the primary in DATABASE_URL',
      true,
    );
  }
  if (schema === null) {
    return obstacle(
      `the search_path of the role ${user} leads to no schema`,
      `ALTER ROLE ${user} SET search_path = public, or make the schema that it names`,
    );
  }
  if (!found.has_ledger && found.may !== true) {
    return obstacle(
      `it is empty, and the role ${user} may make no tables in the schema ${schema}`,
      `GRANT CREATE ON SCHEMA ${schema} TO ${user}, or make ${user} the owner of the database`,
    );
  }
  return undefined;
}

const pooledBy = (mode: string, lacks: string) =>
  obstacle(
    `it is reached through a pooler in ${mode} mode (PgBouncer: pool_mode), where ${lacks}`,
    'name the database itself in DATABASE_URL, or a pool in session mode',
  );
const transactionMode = pooledBy('transaction', 'sessions are not kept');
const statementMode = pooledBy('statement', 'there are no transactions');

/**
 * Whether sessions are shared between clients, transaction by transaction: then another client's transaction takes the server's
 * process that was ours a moment ago. Right for any pooler, and whatever it is called.
 * @throws the driver's error when there is no second connection to be had
 */
export async function poolerObstacle(client: pg.ClientBase, config: DatabaseConfig): Promise<Obstacle | undefined> {
  const other = new Session(config);
  other.on('error', () => {}); // told by the rejected query
  try {
    await other.connect();
    // of a busy pool the same process may be had twice by chance
    for (let i = 0; i < 5; i++) {
      const before = await processOf(client);
      if (await isBeginRefused(other)) return statementMode;
      const others = await processOf(other);
      const isShared = others === before || (await processOf(client)) !== before;
      await other.query('ROLLBACK');
      if (isShared) return transactionMode;
    }
    return undefined;
  } finally {
    await other.end().catch(() => {});
  }
}

/** By whoever answers what else it is asked: a database that ends, or a connection that breaks, says another thing. */
async function isBeginRefused(client: pg.ClientBase): Promise<boolean> {
  try {
    await client.query('BEGIN');
    return false;
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^(08P01|0A000)$/.test(String(error.code))) return true;
    throw error;
  }
}

async function processOf(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

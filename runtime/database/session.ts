import pg from 'pg';
import type { Place, Places } from './places.ts';
import { type Tls, tlsOptions } from './tls.ts';

/** How to reach a database. Where it may be in several places, `host` and `port` are the first of them. */
export type DatabaseConfig = pg.ClientConfig & { readonly tls?: Tls; readonly places?: Places };

/** What the sessions of a program rely on beyond what all do. Times in ms; a statement time of 0: as long as it takes. */
export interface SessionNeeds {
  /** The table by which the schema of this program is known. */
  readonly ledger: string;
  readonly statementMs: number;
  readonly lockMs: number;
  /** What is acknowledged is on disk (and where the server's settings say so, on its standbys); default: yes. */
  readonly durable?: boolean;
}

/**
 * What every session sets first, whatever database and role have as defaults: how values are written, how transactions see each
 * other, how long a statement may take, when a commit counts. One statement, sent once a session.
 *
 * The search path is the one schema that has the ledger; where none has it, the one in which tables would be made. So nothing is
 * shadowed by a schema that is made later, and `current_schema()` is that schema everywhere.
 *
 * `default_transaction_read_only` is left alone: it is how a node or a database is closed to writers, before a move for example.
 */
export const sessionSetup = ({ ledger, statementMs, lockMs, durable = true }: SessionNeeds): string =>
  [
    "SET datestyle='ISO, MDY'; SET intervalstyle='postgres'; SET timezone='UTC'",
    "SET bytea_output='hex'; SET extra_float_digits=1; SET standard_conforming_strings=on",
    "SET default_transaction_isolation='read committed'",
    `SET statement_timeout=${statementMs}; SET lock_timeout=${lockMs}`,
    `SET idle_in_transaction_session_timeout=${statementMs === 0 ? 0 : 10_000}`,
    // of PostgreSQL 14 and 17: none of theirs counts here
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')",
    // an administrator may ask for more than `on`, never for less
    durable
      ? "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
      : 'SET synchronous_commit=off',
    `SELECT set_config('search_path', quote_ident(s), false) FROM (SELECT coalesce(
       (SELECT u.s FROM unnest(current_schemas(false)) WITH ORDINALITY u(s, i) WHERE EXISTS (
          SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = u.s AND c.relname = '${ledger}' AND c.relkind = 'r')
        ORDER BY u.i LIMIT 1), current_schema()) AS s) x WHERE s IS NOT NULL`,
    nodeQuestion,
  ].join('; ');

const nodeQuestion =
  "SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only, pg_postmaster_start_time()::text AS node";

/** Where a session has come to. */
export interface Reached {
  readonly standby: boolean;
  readonly readOnly: boolean;
  /** Of one run of one PostgreSQL: another after its restart, and on another machine. */
  readonly node: string;
}

/**
 * A connection. Certificates are read anew for each, since they are changed while programs run; where the database may be in several
 * places, it goes to the one that can be written to.
 */
export class Session extends pg.Client {
  constructor(config: DatabaseConfig = {}) {
    const { made, fault } = withTls(config);
    super(made);
    const { places } = config;
    const straight = this.connect.bind(this);
    // told where connections fail, not where they are made
    if (fault !== undefined) this.connect = connecting(() => Promise.reject(fault));
    else if (places !== undefined) {
      this.connect = connecting(async () => {
        const { host, port } = await places.find((place) => faultOfPlace(config, place));
        if (this.connection.stream.destroyed) throw new Error('timeout expired'); // a pool has given it up meanwhile
        Object.assign(this, { host, port });
        await straight();
      });
    }
  }
}

/** Both forms of the driver's `connect`. */
const connecting = (work: () => Promise<void>): pg.Client['connect'] =>
  ((done?: (error?: unknown) => void) => {
    const connected = work();
    if (done === undefined) return connected;
    connected.then(() => done(), done);
    return undefined;
  }) as pg.Client['connect'];

/** Asks a place, by a connection of its own, whether it can be written to. @throws the driver's error */
async function faultOfPlace(config: DatabaseConfig, place: Place): Promise<string | undefined> {
  const ms = config.places?.askMs;
  const one = { ...place, places: undefined, connectionTimeoutMillis: ms, query_timeout: ms };
  // the driver hides the password from enumeration: a copy would be without it
  const client = new Session(Object.assign(Object.create(config), one));
  client.on('error', () => {}); // told by the rejected query
  try {
    await client.connect();
    const { rows } = await client.query(nodeQuestion);
    const reached = { standby: rows[0]?.standby === true, readOnly: rows[0]?.read_only === true };
    return reached.readOnly ? readOnlyWords(reached) : undefined;
  } finally {
    await client.end().catch(() => {});
  }
}

function withTls(config: DatabaseConfig): { readonly made: pg.ClientConfig; readonly fault?: unknown } {
  const { tls } = config;
  if (tls === undefined) return { made: config };
  // the driver hides the password from enumeration: a copy would be without it
  const made: pg.ClientConfig & { connection?: unknown } = Object.create(config);
  try {
    made.ssl = tlsOptions(tls);
  } catch (fault) {
    return { made, fault };
  }
  if (tls.mode === 'prefer') {
    made.connection = new OptionalTls({ ssl: made.ssl, keepAlive: config.keepAlive ?? false });
  }
  return { made };
}

interface Wire {
  readonly stream: NodeJS.ReadableStream;
  attachListeners(stream: NodeJS.ReadableStream): void;
}

/** Goes on without TLS where the server has none, as libpq does; the driver gives up there. */
class OptionalTls extends (pg.Connection as unknown as new (
  options: object,
) => Wire & { connect(port: number, host: string): void; emit(event: string): boolean }) {
  override connect(port: number, host: string): void {
    super.connect(port, host);
    const [negotiate] = this.stream.listeners('data') as ((answer: Buffer) => void)[];
    if (negotiate === undefined) return;
    this.stream.removeListener('data', negotiate);
    this.stream.once('data', (answer: Buffer) => {
      if (answer.toString('latin1') !== 'N') return negotiate(answer);
      this.attachListeners(this.stream);
      this.emit('sslconnect');
    });
  }
}

/** That nothing can be written where the session has come to. */
export class ReadOnlyNode extends Error {
  readonly code = '25006'; // PostgreSQL's own for it
}

export const readOnlyWords = ({ standby }: Pick<Reached, 'standby'>): string =>
  standby
    ? 'it is a standby: nothing can be written'
    : 'it is read-only: default_transaction_read_only is on for the server, the database or the role';

/** Sets what the session relies on. @throws ReadOnlyNode, or the driver's error */
export async function setUp(client: pg.ClientBase, setup: string): Promise<Reached> {
  const reached = await setUpAnywhere(client, setup);
  if (reached.readOnly) throw new ReadOnlyNode(readOnlyWords(reached));
  return reached;
}

/** The same where nothing has to be written. */
export async function setUpAnywhere(client: pg.ClientBase, setup: string): Promise<Reached> {
  const results = (await client.query(setup)) as unknown as pg.QueryResult | pg.QueryResult[];
  const last = Array.isArray(results) ? results.at(-1) : results;
  const row = last?.rows[0] ?? {};
  return { standby: row.standby === true, readOnly: row.read_only === true, node: String(row.node ?? '') };
}

import type pg from 'pg';
import type { Logger } from '../log.ts';

/** A portion of a table's rows, under a name that tells the table; of an archive also a file. */
export interface Entry {
  readonly name: string;
  readonly content: Buffer;
}

/** What a database says of itself. */
export interface TablesTold {
  /** Its major version. */
  readonly postgres: number;
  readonly migrations: { name: string; hash: string }[];
  /** Rows of each table. */
  readonly tables: Record<string, number>;
  /** Last value of each sequence; text, since it may be beyond what a number holds exactly. */
  readonly sequences: Record<string, string>;
}

/** Who runs now is of the running, not of what is kept; `migration` is told besides. */
const left = ['migration', 'replica', 'ledger_owner'];
const rowsAtOnce = 2_000;
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The names of its tables. */
export async function tablesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relpersistence = 'p' ORDER BY 1`,
  );
  return rows.map((r) => r.name);
}

/**
 * Every row of every table as JSON lines, of one moment however long it takes, then what the manifest says of them. The rows
 * are text that any PostgreSQL reads, so neither its version nor its programs matter.
 */
export async function* readTables(client: pg.Client): AsyncGenerator<Entry, TablesTold> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const names = await tablesOf(client);
  const tables: Record<string, number> = {};
  for (const name of names.filter((n) => !left.includes(n))) {
    tables[name] = 0;
    await client.query(`DECLARE export CURSOR FOR SELECT row_to_json(t)::text AS line FROM ${quoted(name)} t`);
    for (let part = 1; ; part++) {
      const { rows } = await client.query<{ line: string }>(`FETCH ${rowsAtOnce} FROM export`);
      if (rows.length === 0) break;
      tables[name] += rows.length;
      const content = Buffer.from(`${rows.map((r) => r.line).join('\n')}\n`);
      yield { name: `tables/${name}/${String(part).padStart(6, '0')}.jsonl`, content };
    }
    await client.query('CLOSE export');
  }
  const migrations = await client.query<{ name: string; hash: string }>('SELECT name, hash FROM migration ORDER BY 1');
  const sequences = await client.query<{ name: string; value: string }>(
    `SELECT sequencename AS name, last_value::text AS value FROM pg_sequences WHERE schemaname = current_schema() AND last_value IS NOT NULL`,
  );
  const version = await client.query<{ version: string }>(
    "SELECT current_setting('server_version_num')::int / 10000 AS version",
  );
  await client.query('COMMIT');
  return {
    postgres: Number(version.rows[0]?.version),
    migrations: migrations.rows,
    tables,
    sequences: Object.fromEntries(sequences.rows.map((s) => [s.name, s.value])),
  };
}

/** Whether nothing is in the schema of a session yet. */
export const isEmptyDatabase = async (client: pg.Client): Promise<boolean> => (await tablesOf(client)).length === 0;

/**
 * Fills the tables, whose schema is that of the rows, within the transaction that the caller has begun.
 * @throws Error when a table has not as many rows in the end as is told
 */
export class TableWriter {
  readonly #client: pg.Client;
  readonly #written = new Map<string, number>();

  constructor(client: pg.Client) {
    this.#client = client;
  }

  /** Empties the tables that will be filled. */
  async begin(names: readonly string[]): Promise<void> {
    for (const name of names.filter((n) => !left.includes(n))) this.#written.set(name, 0);
    if (this.#written.size > 0)
      await this.#client.query(`TRUNCATE ${[...this.#written.keys()].map(quoted).join(', ')}`);
  }

  /** Takes an entry below `tables/`. */
  async add({ name, content }: Entry): Promise<void> {
    const table = name.split('/')[1] ?? '';
    const written = this.#written.get(table);
    if (written === undefined) throw new Error(`${name} is of no table of the export`);
    const lines = content.toString('utf8').trimEnd().split('\n');
    await this.#client.query(
      `INSERT INTO ${quoted(table)} OVERRIDING SYSTEM VALUE
       SELECT * FROM json_populate_recordset(NULL::${quoted(table)}, $1::json)`,
      [`[${lines.join(',')}]`],
    );
    this.#written.set(table, written + lines.length);
  }

  async end({ tables, sequences }: Pick<TablesTold, 'tables' | 'sequences'>): Promise<void> {
    for (const [name, rows] of Object.entries(tables)) {
      const written = this.#written.get(name) ?? 0;
      if (written !== rows) throw new Error(`the export has ${written} of ${rows} rows of ${name}`);
    }
    for (const [name, value] of Object.entries(sequences)) {
      await this.#client.query('SELECT setval($1::regclass, $2::bigint)', [quoted(name), value]);
    }
  }
}

const progressMs = 10_000;

/** All rows of one database into another with the same schema, in one transaction; of both the superuser is connected. */
export async function copyTables(from: pg.Client, to: pg.Client, log: Logger, signal: AbortSignal): Promise<void> {
  await to.query('BEGIN');
  await to.query('SET LOCAL session_replication_role = replica'); // the rows are consistent, in whatever order they come
  const writer = new TableWriter(to);
  await writer.begin(await tablesOf(from));
  const rows = readTables(from);
  let toldAt = performance.now();
  for (let next = await rows.next(); ; next = await rows.next()) {
    signal.throwIfAborted();
    if (next.done) {
      await writer.end(next.value);
      break;
    }
    await writer.add(next.value);
    if (performance.now() - toldAt > progressMs) {
      toldAt = performance.now();
      log.info({ at: next.value.name }, 'rows are being carried over');
    }
  }
  await to.query('COMMIT');
}

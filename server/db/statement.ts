import type pg from 'pg';

/**
 * A named statement that answers one row, called many thousand times a second: one write a call, no description of the row, its
 * columns as the texts that came. Prepared on each connection at its first call there.
 */
export interface Statement {
  readonly name: string;
  readonly text: string;
}
export type Value = string | number | null;

/** The columns in the statement's order; null where the database says so. @throws the driver's error. */
export function callStatement(
  client: Pick<pg.ClientBase, 'query'>,
  statement: Statement,
  values: readonly Value[],
): Promise<readonly (string | null)[]> {
  return new Promise((resolve, reject) => {
    client.query(new Call(statement, values, resolve, reject));
  });
}

/** Statements that a connection has prepared. */
const prepared = new WeakMap<pg.Connection, Set<string>>();
const executeAndSync = Buffer.from('E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04', 'latin1');

/** What the driver runs: it calls `submit` when the connection is free, and then one method a message. */
class Call implements pg.Submittable {
  /** Set by the driver where there is a time limit: it has to be told of the end, or its timer would outlive the call. */
  callback?: () => void;
  readonly #statement: Statement;
  readonly #values: readonly Value[];
  readonly #resolve: (row: readonly (string | null)[]) => void;
  readonly #reject: (error: unknown) => void;
  #row: readonly (string | null)[] | undefined;

  constructor(
    statement: Statement,
    values: readonly Value[],
    resolve: (row: readonly (string | null)[]) => void,
    reject: (error: unknown) => void,
  ) {
    this.#statement = statement;
    this.#values = values;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: pg.Connection): void {
    const { name, text } = this.#statement;
    const bound = bindMessage(name, this.#values);
    const isPrepared = prepared.get(connection)?.has(name) === true;
    // a lost connection's end is told to this call by the driver
    if (connection.stream.writable) {
      connection.stream.write(isPrepared ? bound : Buffer.concat([parseMessage(name, text), bound]));
    }
  }
  handleRowDescription(): void {}
  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    this.#row = fields;
  }
  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleReadyForQuery(connection: pg.Connection): void {
    const known = prepared.get(connection);
    if (known === undefined) prepared.set(connection, new Set([this.#statement.name]));
    else known.add(this.#statement.name);
    this.callback?.();
    if (this.#row === undefined) this.#reject(new Error(`${this.#statement.name} answered no row`));
    else this.#resolve(this.#row);
  }
  handleError(error: unknown): void {
    this.callback?.();
    this.#reject(error);
  }
}

/** Closes what may be left of a failed first call (closing nothing is no error), then prepares. */
function parseMessage(name: string, text: string): Buffer {
  const close = message('C', `S${name}\0`);
  return Buffer.concat([close, message('P', `${name}\0${text}\0\0\0`)]);
}

function message(code: string, body: string): Buffer {
  const length = Buffer.byteLength(body);
  const made = Buffer.allocUnsafe(5 + length);
  made.write(code, 0, 'latin1');
  made.writeInt32BE(4 + length, 1);
  made.write(body, 5);
  return made;
}

/** Bind with all parameters and results as text, Execute, Sync. */
function bindMessage(name: string, values: readonly Value[]): Buffer {
  const texts = values.map((value) => (value === null ? null : typeof value === 'number' ? String(value) : value));
  const lengths = texts.map((text) => (text === null ? -1 : Buffer.byteLength(text)));
  let size = 1 + 4 + 1 + Buffer.byteLength(name) + 1 + 2 + 2 + 2;
  for (const length of lengths) size += 4 + Math.max(0, length);
  const made = Buffer.allocUnsafe(size + executeAndSync.length);
  let at = made.write('B', 0, 'latin1');
  at = made.writeInt32BE(size - 1, at);
  at = made.writeUInt8(0, at); // the portal without a name
  at += made.write(name, at);
  at = made.writeUInt8(0, at);
  at = made.writeInt16BE(0, at);
  at = made.writeInt16BE(texts.length, at);
  for (let i = 0; i < texts.length; i++) {
    const text = texts[i] ?? null;
    at = made.writeInt32BE(lengths[i] ?? -1, at);
    if (text !== null) at += made.write(text, at);
  }
  at = made.writeInt16BE(0, at);
  executeAndSync.copy(made, at);
  return made;
}

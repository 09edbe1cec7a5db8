import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { Session, sessionSetup, setUp } from '../database/session.ts';
import type { Logger } from '../log.ts';
import { migrate } from '../migrate.ts';
import { unlessAborted } from '../shutdown.ts';
import { carriedOf, dataOf, dumpOf, type Source } from './dataDirectory.ts';
import { initialise } from './initialise.ts';
import { Postmaster, type PostmasterOptions } from './postmaster.ts';
import { type Installation, runToEnd } from './programs.ts';
import { copyTables } from './tables.ts';

export interface Upgrade extends Omit<PostmasterOptions, 'data' | 'by' | 'socketKey'> {
  readonly root: string;
  readonly from: Source;
  readonly to: Installation;
  /** Directory of the migrations that make the schema. */
  readonly migrations: string;
}

/** For a shutdown that writes everything down. */
const wholeMs = 600_000;

/**
 * Carries the rows of an older PostgreSQL's data over into new data of a newer one. The older programs are started on the older data
 * (which recovers them after a crash), the newer ones on a draft; both get the schema of this program, and the draft all rows, as an
 * export and an import would do. Only a whole draft takes the place of the data, so whatever ends this half-way is begun again.
 * @throws Error saying that the older data are as they were, or the signal's reason
 */
export async function upgrade(asked: Upgrade, log: Logger, signal: AbortSignal): Promise<void> {
  const { root, from, to } = asked;
  log.info({ from: from.major, to: to.major }, 'a newer PostgreSQL takes the data over; this may take minutes');
  let draft: string | undefined;
  try {
    draft = await initialise(root, to, asked.account, signal);
    const target = await Postmaster.start({ ...asked, data: draft, by: to, socketKey: draft }, log, signal);
    try {
      if ('by' in from) await copy(asked, from.major, from.by, target, log, signal);
      else await restore(asked, from.major, target, signal);
    } catch (error) {
      await target.stop(1_000); // the draft is of no use
      throw error;
    }
    await target.stop(wholeMs);
  } catch (error) {
    if (draft !== undefined) rmSync(draft, { recursive: true, force: true });
    if (signal.aborted) throw signal.reason;
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `PostgreSQL ${to.major} could not take the data of ${from.major} over: ${why}; they are as they were, the next start tries again`,
    );
  }
  renameSync(draft, carriedOf(root, to.major));
  finishUpgrade(root);
  log.info({ from: from.major, to: to.major }, 'the data are taken over; the older ones are kept beside them');
}

/** Moves data that were carried over wholly into their place. Every start calls it, since one may have been killed between two moves. */
export function finishUpgrade(root: string): void {
  const names = readdirSync(root);
  const carried = names.find((name) => /^\d+\.carried$/.test(name));
  if (carried === undefined) return;
  const major = Number.parseInt(carried, 10);
  flush(root);
  for (const older of names.filter((name) => /^\d+$/.test(name)).map(Number)) {
    rmSync(join(root, `${older}.replaced`), { recursive: true, force: true }); // of an earlier time
    renameSync(dataOf(root, older), join(root, `${older}.replaced`));
  }
  for (const dump of names.filter((name) => /^\d+\.dump$/.test(name))) rmSync(join(root, dump), { force: true });
  flush(root);
  renameSync(carriedOf(root, major), dataOf(root, major));
  flush(root);
}

/** What a folder holds is only safe after a flush of the folder itself. */
function flush(folder: string): void {
  const file = openSync(folder, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

async function copy(
  asked: Upgrade,
  major: number,
  by: Installation,
  target: Postmaster,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const data = dataOf(asked.root, major);
  const source = await Postmaster.start({ ...asked, data, by, socketKey: data }, log, signal);
  try {
    for (const { connection } of [source, target]) {
      await unlessAborted(signal, migrate(connection, asked.migrations)); // whatever version of this program ran last
    }
    await connected(source, (read) => connected(target, (write) => copyTables(read, write, log, signal)));
  } finally {
    await source.stop(signal.aborted ? 5_000 : wholeMs);
  }
}

async function connected(postmaster: Postmaster, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new Session(postmaster.connection);
  client.on('error', () => {}); // told by the rejected query
  await client.connect();
  try {
    await setUp(client, sessionSetup({ ledger: 'migration', statementMs: 0, lockMs: 0 }));
    await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Earlier versions of this program left a dump at each clean stop: where only that can be read, it is what there is. */
async function restore(asked: Upgrade, major: number, target: Postmaster, signal: AbortSignal): Promise<void> {
  const where = ['-h', String(target.connection.host), '-p', '5432', '-U', 'licence', '-d', asked.database];
  const args = ['--exit-on-error', '--no-owner', ...where, dumpOf(asked.root, major)];
  await runToEnd(join(asked.to.bin, 'pg_restore'), args, { account: asked.account, signal });
}

import { chmodSync, chownSync, mkdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import type pg from 'pg';
import type { Logger } from '../log.ts';
import { type Choice, choose, contentsOf, dataOf, dumpOf, platformRefusal } from './dataDirectory.ts';
import { ensureRights } from './dataRights.ts';
import { clearDrafts } from './drafts.ts';
import { initialise } from './initialise.ts';
import { Postmaster } from './postmaster.ts';
import { type Account, findInstallations, ownerOfData, unprivilegedAccount } from './programs.ts';
import { mayUse } from './takeOver.ts';
import { finishUpgrade, upgrade } from './upgrade.ts';

/**
 * PostgreSQL as a child of this process: data in a directory, one unix socket in a private directory, no TCP.
 *
 * The caller holds the lock of the directory, until all is stopped. First start initialises (into a draft that is renamed when it is
 * whole); data of an older major are carried over into the newest one that may run.
 */
export interface EmbeddedOptions {
  /** Directory for everything of PostgreSQL. */
  readonly root: string;
  /** Parent of the socket's private directory; default: the system's directory for temporary files. */
  readonly socketBase?: string | undefined;
  /** Directory of PostgreSQL's programs, or several as in PATH; default: searched. */
  readonly bin?: string | undefined;
  readonly database: string;
  /** Directory of the migrations that make the schema. */
  readonly migrations: string;
  /** Further server settings. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Data of an older major are used by its own programs, and are not carried over. */
  readonly asItIs?: boolean;
  /** How long it may take until PostgreSQL answers at all, in ms. */
  readonly openWithinMs?: number;
}

export interface EmbeddedPostgres {
  /** How to connect: by the socket. */
  readonly connection: pg.ClientConfig;
  readonly major: number;
  /** Process id of the running postmaster; undefined while it is down. */
  pid(): number | undefined;
  /** A fast shutdown, within `graceMs` or at once. */
  stop(graceMs?: number): Promise<void>;
}

const never = new AbortController().signal;

/**
 * @param signal leaves the start, whatever it is at; all that was begun has ended then
 * @throws Error saying what to do when there is no PostgreSQL, none that may use the data, or one that does not start; the signal's
 * reason. Nothing of it runs then
 */
export async function startEmbedded(options: EmbeddedOptions, log: Logger, signal = never): Promise<EmbeddedPostgres> {
  const refusal = platformRefusal(process.platform);
  if (refusal !== undefined) throw new Error(refusal);
  const { socketBase, database, settings = {}, openWithinMs } = options;
  const account = unprivilegedAccount();
  const root = prepareRoot(options.root, account);
  finishUpgrade(root);
  await clearDrafts(root, socketBase, signal);
  const contents = contentsOf(root);
  const best = choose(await findInstallations(options.bin), contents);
  const choice = options.asItIs === true ? withoutUpgrade(best) : best;
  if (choice.kind === 'refuse') throw new Error(`embedded PostgreSQL: ${choice.message}`);
  const { installation: by } = choice;
  const how = { account, socketBase, database, settings, openWithinMs };
  const data = dataOf(root, by.major);
  for (const major of contents.data) putRight(dataOf(root, major), account, log);
  if (choice.kind === 'upgrade') {
    await upgrade({ ...how, root, from: choice.from, to: by, migrations: options.migrations }, log, signal);
  } else if (choice.kind === 'initialise') {
    log.info({ major: by.major }, 'initialising PostgreSQL');
    renameSync(await initialise(root, by, account, signal), data);
  }
  const postmaster = await Postmaster.start({ ...how, data, by, socketKey: root }, log, signal);
  rmSync(dumpOf(root, by.major), { force: true }); // an earlier version left it; what it says is old from now on
  return {
    connection: postmaster.connection,
    major: by.major,
    pid: () => postmaster.pid(),
    stop: (graceMs) => postmaster.stop(graceMs),
  };
}

function withoutUpgrade(choice: Choice): Choice {
  if (choice.kind !== 'upgrade') return choice;
  const { from } = choice;
  return 'by' in from
    ? { kind: 'use', installation: from.by }
    : { kind: 'refuse', message: `the data is of PostgreSQL ${from.major}, which is not here: install it beside` };
}

/** The directory, for its owner alone, or for the group of a volume. @throws Error naming it when it is somebody else's */
function prepareRoot(given: string, account: Account | undefined): string {
  mkdirSync(given, { recursive: true, mode: 0o700 });
  const root = realpathSync(given);
  if (account) chownSync(root, account.uid, account.gid);
  const owner = ownerOfData(account);
  const { uid, mode } = statSync(root);
  const isOfAGroup = (mode & 0o002) === 0; // what everybody may write to is nobody's
  if (uid !== owner.uid && account === undefined && isOfAGroup && mayUse([root])) return root;
  if (uid !== owner.uid) {
    throw new Error(
      `${root} belongs to user ${uid}, this is user ${owner.uid}: chown -R ${owner.uid}:${owner.gid} '${root}'`,
    );
  }
  if ((mode & 0o7777) !== 0o700) chmodSync(root, 0o700);
  return root;
}

function putRight(data: string, account: Account | undefined, log: Logger): void {
  const mended = ensureRights(data, ownerOfData(account));
  if (mended !== undefined) log.warn({ path: mended.path, was: mended.what }, 'the rights of the data are put right');
}

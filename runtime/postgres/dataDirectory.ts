import { createHash } from 'node:crypto';
import { chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, systemClock } from '../clock.ts';
import { processesIn, tell } from './processes.ts';
import type { Account, Installation, Installations } from './programs.ts';

/** What to start with, given what is installed and what lies in the directory. */
export type Choice =
  | { readonly kind: 'use' | 'initialise'; readonly installation: Installation }
  | { readonly kind: 'upgrade'; readonly installation: Installation; readonly from: Source }
  | { readonly kind: 'refuse'; readonly message: string };

/** Where the rows of older data come from: the data, by the programs of their time; else the dump that a clean stop once left. */
export type Source = { readonly major: number } & ({ readonly by: Installation } | { readonly dump: true });

/** What lies in a directory: majors with data, and those with a dump, which earlier versions of this program left at a clean stop. */
export interface Contents {
  readonly data: readonly number[];
  readonly dumps: readonly number[];
}

/** Pure. */
export function choose({ chosen, all }: Installations, { data, dumps }: Contents): Choice {
  const newest = chosen[0];
  if (newest === undefined) {
    return {
      kind: 'refuse',
      message: 'no PostgreSQL was found: install one, or set DATABASE_URL to use an external one',
    };
  }
  const last = Math.max(...data, 0);
  const older = Math.max(...data.filter((major) => major < last && dumps.includes(major)), 0);
  if (older > 0) {
    return {
      kind: 'refuse',
      message:
        `an earlier version of this program was cut short when it took the data of PostgreSQL ${older} over into ${last}: ` +
        `move the directory ${last} away to begin again from ${older}, or ${older} and ${older}.dump if ${last} has served since`,
    };
  }
  if (last === 0) return { kind: 'initialise', installation: newest };
  const same = chosen.find((i) => i.major === last);
  if (last >= newest.major && same) return { kind: 'use', installation: same };
  if (last < newest.major) {
    const by = all.find((i) => i.major === last);
    if (by !== undefined) return { kind: 'upgrade', installation: newest, from: { major: last, by } };
    if (dumps.includes(last)) return { kind: 'upgrade', installation: newest, from: { major: last, dump: true } };
  }
  const why =
    last > newest.major
      ? `which is newer than ${newest.major}, the one that may run: install PostgreSQL ${last}`
      : `and only a PostgreSQL ${last} can read them, which is not here (${newest.major} is): install it beside, and the start ` +
        `takes its data over into ${newest.major}; where it cannot be had, export with a server that has it, and import here`;
  return { kind: 'refuse', message: `the data is of PostgreSQL ${last}, ${why}` };
}

/** Why a platform cannot have a PostgreSQL as a child; undefined where it can. */
export const platformRefusal = (platform: NodeJS.Platform): string | undefined =>
  platform === 'win32'
    ? 'the embedded PostgreSQL needs unix sockets and signals, which Windows has not: set DATABASE_URL to a PostgreSQL of yours'
    : undefined;

export const dataOf = (root: string, major: number): string => join(root, String(major));
export const dumpOf = (root: string, major: number): string => join(root, `${major}.dump`);
/** Data that were carried over wholly, on their way into their place. */
export const carriedOf = (root: string, major: number): string => join(root, `${major}.carried`);

/** The majors with data, and those with a dump, in `root`. */
export function contentsOf(root: string): Contents {
  const names = existsSync(root) ? readdirSync(root) : [];
  const majorsOf = (pattern: RegExp) => names.filter((n) => pattern.test(n)).map((n) => Number(n.split('.')[0]));
  const carried = majorsOf(/^\d+\.carried$/);
  return carried.length > 0
    ? { data: carried, dumps: [] }
    : { data: majorsOf(/^\d+$/), dumps: majorsOf(/^\d+\.dump$/) };
}

/** Where the socket of a PostgreSQL on `root` (a real path, or what else names it) is: a name that fits into the 107 bytes of a socket's path. */
export const socketPlace = (base: string | undefined, root: string): string =>
  join(base ?? tmpdir(), `licence-${createHash('sha256').update(root).digest('hex').slice(0, 12)}`);

/**
 * A private directory for the socket. Whoever can enter it can connect, so it is refused if somebody else made it.
 */
export function socketDirectory(base: string | undefined, root: string, account: Account | undefined): string {
  const dir = socketPlace(base, root);
  const uid = account?.uid ?? process.getuid?.() ?? 0;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const made = lstatSync(dir);
  if (account && made.uid === 0) chownSync(dir, account.uid, account.gid);
  const now = lstatSync(dir);
  if (!now.isDirectory() || now.uid !== uid || (now.mode & 0o077) !== 0) {
    throw new Error(`the socket directory ${dir} belongs to somebody else or is open to others; remove it`);
  }
  return dir;
}

/**
 * Under the directory's lock every PostgreSQL that still runs here was left behind by a server that died: it is stopped
 * (fast, then at once), and only when no process is left are its two locks removed, a stale `postmaster.pid` and that of its socket:
 * their number may by now belong to somebody else, or to the dead one until it is reaped, which PostgreSQL could not tell.
 */
export async function clearLeftovers(data: string, socketDir: string, signal: AbortSignal): Promise<void> {
  if (!existsSync('/proc/self')) return;
  const pidFile = join(data, 'postmaster.pid');
  const postmaster = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8').split('\n')[0]) : undefined;
  const startedAt = performance.now();
  for (;;) {
    const left = processesIn(data);
    if (left.length === 0) break;
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > 15_000) throw new Error(`PostgreSQL processes ${left.join(', ')} in ${data} do not end; stop them`);
    const word = waitedMs < 4_000 ? 'SIGINT' : waitedMs < 8_000 ? 'SIGQUIT' : 'SIGKILL';
    const isThere = postmaster !== undefined && left.includes(postmaster);
    for (const pid of isThere && word !== 'SIGKILL' ? [postmaster] : left) tell(pid, word);
    await sleep(systemClock, 25, signal);
  }
  rmSync(pidFile, { force: true });
  rmSync(join(socketDir, '.s.PGSQL.5432.lock'), { force: true });
}

import { createHash } from 'node:crypto';
import { chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, systemClock } from '../clock.ts';
import type { Account, Installation } from './programs.ts';

/** What to start with, given what is installed and what lies in the directory. */
export type Choice =
  | { readonly kind: 'use' | 'initialise'; readonly installation: Installation }
  | { readonly kind: 'takeOver'; readonly installation: Installation; readonly from: number }
  | { readonly kind: 'refuse'; readonly message: string };

/** Pure: `data` are the majors with data, `exports` those with a logical export of a clean stop. */
export function choose(
  installed: readonly Installation[],
  data: readonly number[],
  exports: readonly number[],
): Choice {
  const newest = installed[0];
  if (newest === undefined) {
    return {
      kind: 'refuse',
      message: 'no PostgreSQL was found: install one, or set DATABASE_URL to use an external one',
    };
  }
  const last = Math.max(...data, 0);
  if (last === 0) return { kind: 'initialise', installation: newest };
  if (last === newest.major) return { kind: 'use', installation: newest };
  const same = installed.find((i) => i.major === last);
  if (last < newest.major && exports.includes(last)) return { kind: 'takeOver', installation: newest, from: last };
  if (same) return { kind: 'use', installation: same };
  const why =
    last > newest.major ? 'which is newer' : 'and was not stopped cleanly, so there is no export to take over';
  return {
    kind: 'refuse',
    message: `the data is of PostgreSQL ${last}, ${why}; the installed one is ${newest.major}: start once with PostgreSQL ${last}`,
  };
}

/** Why a platform cannot have a PostgreSQL as a child; undefined where it can. */
export const platformRefusal = (platform: NodeJS.Platform): string | undefined =>
  platform === 'win32'
    ? 'the embedded PostgreSQL needs unix sockets and signals, which Windows has not: set DATABASE_URL to a PostgreSQL of yours'
    : undefined;

export const dataOf = (root: string, major: number): string => join(root, String(major));
export const exportOf = (root: string, major: number): string => join(root, `${major}.dump`);

/** The majors with data, and those with an export, in `root`. */
export function contentsOf(root: string): { readonly data: number[]; readonly exports: number[] } {
  const names = existsSync(root) ? readdirSync(root) : [];
  return {
    data: names.filter((n) => /^\d+$/.test(n)).map(Number),
    exports: names.filter((n) => /^\d+\.dump$/.test(n)).map((n) => Number(n.split('.')[0])),
  };
}

/** Where the socket of a PostgreSQL on `root` (a real path) is: a name that fits into the 107 bytes of a socket's path. */
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

/** The processes that work in a data directory; empty where the system cannot tell. */
function processesIn(data: string): number[] {
  if (!existsSync('/proc/self')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return pid !== process.pid && readlinkSync(`/proc/${pid}/cwd`) === data;
      } catch {
        return false; // it has ended, or is not ours
      }
    });
}

const tell = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended
  }
};

/**
 * Under the directory's lock every PostgreSQL that still runs here was left behind by a server that died: it is stopped
 * (fast, then at once), and only when no process is left is a stale `postmaster.pid` removed: its number may by now
 * belong to somebody else, which PostgreSQL could not tell.
 */
export async function clearLeftovers(data: string): Promise<void> {
  const pidFile = join(data, 'postmaster.pid');
  if (!existsSync(pidFile) || !existsSync('/proc/self')) return;
  const postmaster = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  const startedAt = systemClock.now();
  for (;;) {
    const left = processesIn(data);
    if (left.length === 0) break;
    const waitedMs = systemClock.now() - startedAt;
    if (waitedMs > 15_000) throw new Error(`PostgreSQL processes ${left.join(', ')} in ${data} do not end; stop them`);
    const signal = waitedMs < 4_000 ? 'SIGINT' : waitedMs < 8_000 ? 'SIGQUIT' : 'SIGKILL';
    for (const pid of left.includes(postmaster) && signal !== 'SIGKILL' ? [postmaster] : left) tell(pid, signal);
    await sleep(systemClock, 25);
  }
  rmSync(pidFile, { force: true });
}

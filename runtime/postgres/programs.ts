import { execFile, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { tell } from './processes.ts';

/** An installed PostgreSQL: its major version and the directory of its programs. */
export interface Installation {
  readonly major: number;
  readonly bin: string;
}

const debianRoot = '/usr/lib/postgresql';

const majorOf = async (bin: string): Promise<number | undefined> => {
  try {
    const { stdout } = await promisify(execFile)(join(bin, 'postgres'), ['--version']);
    const major = Number(/(\d+)/.exec(stdout)?.[1]);
    return Number.isInteger(major) ? major : undefined;
  } catch {
    return undefined;
  }
};

/** What may run, and what is there besides; both newest first. */
export interface Installations {
  /** Of `given` if that is set, else all. */
  readonly chosen: readonly Installation[];
  /** From all places: an older one may be needed for its data to be carried over. */
  readonly all: readonly Installation[];
}

/**
 * The PostgreSQL servers on this machine, from PATH and Debian's place.
 * @param given directories of programs, separated as in PATH; whoever names one wants no other to run
 */
export async function findInstallations(given?: string): Promise<Installations> {
  const debian = existsSync(debianRoot) ? readdirSync(debianRoot).map((v) => join(debianRoot, v, 'bin')) : [];
  const chosen = given === undefined ? undefined : await installationsIn(given.split(delimiter));
  const all = await installationsIn([
    ...(given ?? '').split(delimiter),
    ...(process.env.PATH ?? '').split(delimiter),
    ...debian,
  ]);
  return { chosen: chosen ?? all, all };
}

async function installationsIn(dirs: readonly string[]): Promise<Installation[]> {
  const found = new Map<number, Installation>();
  for (const dir of dirs) {
    if (dir === '' || !existsSync(join(dir, 'postgres'))) continue;
    const bin = dirname(realpathSync(join(dir, 'postgres'))); // a link may stand alone, without the other programs
    if (!existsSync(join(bin, 'initdb'))) continue;
    const major = await majorOf(bin);
    if (major !== undefined && !found.has(major)) found.set(major, { major, bin });
  }
  return [...found.values()].sort((a, b) => b.major - a.major);
}

/** An account's numbers. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root: as root this answers whom to run it as (`postgres`, else `nobody`). */
export function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const lines = existsSync('/etc/passwd') ? readFileSync('/etc/passwd', 'utf8').split('\n') : [];
  const line = lines.find((l) => l.startsWith('postgres:'));
  const [, , uid = '65534', gid = '65534'] = line?.split(':') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

/** Whom the data have to belong to: the account, or whoever this process is. */
export const ownerOfData = (account: Account | undefined): Account =>
  account ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((p) => existsSync(p));

/**
 * The command line that runs `program` as `account`, and has it told `lastWord` when this process dies, where the system
 * can do that. As root it also keeps the right to pass through private parent directories, which the account has not.
 */
export function commandFor(
  program: string,
  args: readonly string[],
  account: Account | undefined,
  lastWord: 'SIGINT' | 'SIGKILL',
): { readonly file: string; readonly args: readonly string[]; readonly options: SpawnOptions } {
  if (setpriv === undefined) return { file: program, args, options: account ? { ...account } : {} };
  const whom = account
    ? [
        `--reuid=${account.uid}`,
        `--regid=${account.gid}`,
        '--clear-groups',
        '--inh-caps=+dac_read_search',
        '--ambient-caps=+dac_read_search',
      ]
    : [];
  return { file: setpriv, args: [...whom, `--pdeathsig=${lastWord.slice(3)}`, program, ...args], options: {} };
}

const graceMs = 3_000;

export interface RunOptions {
  readonly account: Account | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the program and what it has begun, at once when that takes three seconds; it is waited for all the same. */
  readonly signal: AbortSignal;
}

/**
 * Runs a program to its end and answers what it wrote to standard error.
 * @throws Error with that when it fails; the signal's reason when it was ended by that
 */
export function runToEnd(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { signal, env = {} } = options;
  signal.throwIfAborted();
  // one that catches SIGINT may go on for seconds: initdb looks at it between its steps, and its own children keep it from it
  const command = commandFor(program, args, options.account, 'SIGKILL');
  return new Promise((resolve, reject) => {
    const child = spawn(command.file, command.args, {
      ...command.options,
      cwd: '/',
      detached: true, // a process group of its own: what it has begun itself ends with it
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const tellAll = (word: NodeJS.Signals) => {
      if (child.pid !== undefined) tell(-child.pid, word);
    };
    let late: NodeJS.Timeout | undefined;
    const end = () => {
      tellAll('SIGTERM');
      late = setTimeout(() => tellAll('SIGKILL'), graceMs);
    };
    signal.addEventListener('abort', end, { once: true });
    let said = '';
    child.stderr.on('data', (chunk) => {
      said = (said + chunk).slice(-4_000);
    });
    child.on('error', reject);
    child.on('close', (code, by) => {
      clearTimeout(late);
      signal.removeEventListener('abort', end);
      if (signal.aborted) reject(signal.reason);
      else if (code === 0) resolve(said);
      else reject(new Error(`${program} ended with ${by ?? code}: ${said.trim()}`));
    });
  });
}

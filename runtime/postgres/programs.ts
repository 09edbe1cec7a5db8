import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';

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

/** Every PostgreSQL server on this machine, newest first: `given` alone if there is one, else PATH and Debian's place. */
export async function findInstallations(given?: string): Promise<Installation[]> {
  const debian = existsSync(debianRoot) ? readdirSync(debianRoot).map((v) => join(debianRoot, v, 'bin')) : [];
  const dirs = given === undefined ? [...(process.env.PATH ?? '').split(delimiter), ...debian] : [given];
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

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((p) => existsSync(p));

/**
 * The command line that runs `program` as `account`, and has it asked to stop when this process dies, where the system
 * can do that. As root it also keeps the right to pass through private parent directories, which the account has not.
 */
export function commandFor(
  program: string,
  args: readonly string[],
  account: Account | undefined,
  endsWithUs: boolean,
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
  const death = endsWithUs ? ['--pdeathsig=INT'] : [];
  if (whom.length + death.length === 0) return { file: program, args, options: {} };
  return { file: setpriv, args: [...whom, ...death, program, ...args], options: {} };
}

/** Runs a program to its end. @throws Error with what it wrote to standard error; also when `timeoutMs` is over. */
export function runToEnd(
  program: string,
  args: readonly string[],
  account: Account | undefined,
  timeoutMs: number,
): Promise<void> {
  const command = commandFor(program, args, account, true);
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(command.file, command.args, {
      ...command.options,
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stderr?.on('data', (chunk) => {
      said = (said + chunk).slice(-4_000);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with ${signal ?? code}: ${said.trim()}`));
    });
  });
}

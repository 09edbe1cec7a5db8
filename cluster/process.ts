import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A command that ended with a status other than 0, with what it said. */
export class CommandFailed extends Error {
  readonly status: number | null;
  readonly output: string;
  constructor(command: string, status: number | null, output: string) {
    super(`${command} ended with status ${status}${output.trim() === '' ? '' : `:\n${lastLines(output, 30)}`}`);
    this.name = 'CommandFailed';
    this.status = status;
    this.output = output;
  }
}

export const lastLines = (text: string, count: number): string => text.trimEnd().split('\n').slice(-count).join('\n');

export interface RunOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Called with each line of standard error as it comes. */
  readonly onLine?: (line: string) => void;
  readonly user?: User;
}

/** Whom a process runs as; needs root. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** The commands of administrators (sysctl, iptables) are not on everybody's PATH. */
export const withAdministrators = (path: string | undefined): string =>
  [...new Set([...(path ?? '/usr/bin:/bin').split(':'), '/usr/sbin', '/sbin'])].join(':');

function environment(more: RunOptions['env']): NodeJS.ProcessEnv {
  const env = { ...process.env, ...more };
  return process.platform === 'win32' ? env : { ...env, PATH: withAdministrators(env.PATH) };
}

const commands = new Set<ChildProcess>();

/** Asks every command that runs now to end: whoever waits for it gets CommandFailed. */
export function endCommands(): void {
  for (const child of commands) child.kill('SIGTERM');
}

/**
 * Runs a command to its end and answers its standard output.
 * @throws CommandFailed when its status is not 0.
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: environment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
    ...options.user,
  });
  commands.add(child);
  let out = '';
  let err = '';
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
    if (options.onLine === undefined) return;
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(options.onLine);
  });
  child.stdin.on('error', () => {}); // a command may end before it has read its input
  child.stdin.end(options.input ?? '');
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  }).finally(() => commands.delete(child));
  if (status !== 0) throw new CommandFailed([command, ...args.slice(0, 4)].join(' '), status, err + out);
  return out;
}

/** Whether a command is on the PATH and runs; `args` must make it end at once. */
export async function runs(command: string, args: readonly string[] = ['--version']): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

export interface Daemon {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Why it is not running any more; undefined while it runs. */
  ended(): string | undefined;
  kill(signal: NodeJS.Signals): void;
  /** Asks it to end with `signal`, kills it after `graceMs`; resolves when it is gone. */
  stop(signal?: NodeJS.Signals, graceMs?: number): Promise<void>;
}

export interface DaemonOptions {
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly user?: User;
  /** Sent by the kernel when this process dies, however it dies. */
  readonly deathSignal?: 'KILL' | 'QUIT' | 'TERM';
  /** Run it in the mount, network and process namespaces of this pid. */
  readonly inside?: number;
}

/** A command that runs in the namespaces of `pid`. Not `ip netns exec`: that would hide the cgroups. */
export const insideOf = (pid: number, command: string, args: readonly string[]): [string, string[]] => [
  'nsenter',
  ['--target', String(pid), '--mount', '--net', '--pid', '--', command, ...args],
];

/** The first child of a process, 0 when it has none. */
export const childOf = (pid: number): number => {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0] ?? 0);
  } catch {
    return 0;
  }
};

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of [...running, ...commands]) child.kill('SIGKILL'); // where there is no death signal, a normal exit at least leaves nothing
});

/**
 * Starts a process that ends with this one even if this one is killed (on Linux, by the kernel's parent-death signal). It has a session of its
 * own, so a Ctrl-C at the terminal does not reach it before its turn.
 */
export function startDaemon(
  name: string,
  wanted: string,
  wantedArgs: readonly string[],
  options: DaemonOptions,
): Promise<Daemon> {
  const { user, deathSignal = 'KILL', inside } = options;
  const [command, args] = inside === undefined ? [wanted, wantedArgs] : insideOf(inside, wanted, wantedArgs);
  const linux = process.platform === 'linux';
  const asUser = user ? ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups'] : [];
  const log = openSync(options.logFile, 'a');
  const child = spawn(
    linux ? 'setpriv' : command,
    linux ? [...asUser, '--pdeathsig', deathSignal, '--', command, ...args] : args,
    {
      cwd: options.cwd,
      env: environment(options.env),
      stdio: ['ignore', log, log],
      detached: true,
    },
  );
  closeSync(log);
  running.add(child);
  let reason: string | undefined;
  const gone = new Promise<void>((resolve) => {
    child.once('exit', (status, signal) => {
      running.delete(child);
      reason = `${name} ended (${signal ?? `status ${status}`})`;
      resolve();
    });
    child.once('error', () => resolve());
  });
  child.unref();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => {
      const kill = (signal: NodeJS.Signals) => {
        if (reason !== undefined) return;
        // nsenter waits for the process and passes no signal on to it.
        const inner = inside === undefined ? 0 : childOf(child.pid ?? 0);
        if (inner === 0) child.kill(signal);
        else process.kill(inner, signal);
      };
      resolve({
        name,
        pid: child.pid ?? 0,
        logFile: options.logFile,
        ended: () => reason && `${reason}; the end of its log:\n${logTail(options.logFile)}`,
        kill,
        stop: async (signal = 'SIGTERM', graceMs = 5_000) => {
          kill(signal);
          const timer = setTimeout(() => kill('SIGKILL'), graceMs);
          await gone;
          clearTimeout(timer);
        },
      });
    });
  });
}

export const logTail = (file: string, lines = 15): string => {
  try {
    return lastLines(readFileSync(file, 'utf8'), lines);
  } catch {
    return '(no log)';
  }
};

/**
 * Polls until `ready` answers true. A throwing `ready` counts as not yet.
 * @throws when `timeoutMs` is over or one of `daemons` has ended, naming `what`.
 */
export async function until(
  what: string,
  timeoutMs: number,
  ready: () => Promise<boolean> | boolean,
  daemons: readonly Daemon[] = [],
): Promise<void> {
  const end = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      if (await ready()) return;
    } catch (error) {
      last = error;
    }
    for (const daemon of daemons) {
      const ended = daemon.ended();
      if (ended !== undefined) throw new Error(`waiting for ${what}: ${ended}`);
    }
    if (Date.now() > end) {
      throw new Error(
        `${what}: not within ${timeoutMs / 1000} s${last instanceof Error ? `; last: ${last.message}` : ''}`,
      );
    }
    await delay(50);
  }
}

/** Whether the process exists and is not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return process.platform !== 'linux';
  }
}

const handedOut = new Set<number>();
const bindable = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => {
      const free = (server.address() as AddressInfo).port === port;
      server.close(() => resolve(free));
    });
  });

/**
 * A free loopback port, never the same one twice from this process. Taken from below the range that the kernel uses for
 * outgoing connections, so that none of those takes it before the server it is meant for.
 * @param wish taken if it is free
 */
export async function freePort(wish?: number): Promise<number> {
  for (let tried = false; ; tried = true) {
    const port = tried || wish === undefined ? 20_000 + Math.floor(Math.random() * 12_000) : wish;
    if (handedOut.has(port) || !(await bindable(port))) continue;
    handedOut.add(port);
    return port;
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { sleep, systemClock } from '../clock.ts';
import type { Logger } from '../log.ts';
import {
  choose,
  clearLeftovers,
  contentsOf,
  dataOf,
  exportOf,
  platformRefusal,
  socketDirectory,
} from './dataDirectory.ts';
import {
  type Account,
  commandFor,
  findInstallations,
  type Installation,
  runToEnd,
  unprivilegedAccount,
} from './programs.ts';

/**
 * PostgreSQL as a child of this process: data in a directory, one unix socket in a private directory, no TCP.
 *
 * The caller holds the lock of the directory. First start initialises (into a draft that is renamed when it is whole); a
 * PostgreSQL that ends by itself is started again; a clean stop writes a logical export beside the data, from which a newer
 * major takes over.
 */
export interface EmbeddedOptions {
  /** Directory for everything of PostgreSQL. */
  readonly root: string;
  /** Parent of the socket's private directory; default: the system's directory for temporary files. */
  readonly socketBase?: string | undefined;
  /** Directory of PostgreSQL's programs; default: searched. */
  readonly bin?: string | undefined;
  readonly database: string;
  /** Further server settings. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  /** How to connect: by the socket. */
  readonly connection: pg.ClientConfig;
  readonly major: number;
  /** Process id of the running postmaster; undefined while it is down. */
  pid(): number | undefined;
  /** Export, then a fast shutdown, within `graceMs` in all: an export that takes more than half of it is given up. */
  stop(graceMs?: number): Promise<void>;
}

const shortestExportMs = 200;

const defaults: Readonly<Record<string, string>> = {
  listen_addresses: '',
  max_connections: '30',
  shared_buffers: '32MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '256MB',
  min_wal_size: '64MB',
  checkpoint_completion_target: '0.5',
  jit: 'off',
  autovacuum_naptime: '20s',
  log_min_messages: 'warning',
  // holders' names must not get into a log with a failed statement
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
};

/** @throws Error saying what to do when there is no PostgreSQL, or none that may use the data. */
export async function startEmbedded(options: EmbeddedOptions, log: Logger): Promise<EmbeddedPostgres> {
  const refusal = platformRefusal(process.platform);
  if (refusal !== undefined) throw new Error(refusal);
  mkdirSync(options.root, { recursive: true, mode: 0o700 });
  const root = realpathSync(options.root);
  const account = unprivilegedAccount();
  if (account) chownSync(root, account.uid, account.gid);
  const { data, exports } = contentsOf(root);
  const choice = choose(await findInstallations(options.bin), data, exports);
  if (choice.kind === 'refuse') throw new Error(`embedded PostgreSQL: ${choice.message}`);
  const { installation } = choice;
  if (choice.kind !== 'use') await initialise(root, installation, account, log);
  const server = new Postmaster(root, installation, account, options, log);
  await server.start(choice.kind !== 'use');
  if (choice.kind === 'takeOver') await takeOver(server, root, choice.from, log);
  rmSync(exportOf(root, installation.major), { force: true }); // what it says is old from now on
  return server;
}

async function initialise(root: string, by: Installation, account: Account | undefined, log: Logger): Promise<void> {
  const draft = join(root, `${by.major}.draft`);
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  if (account) chownSync(draft, account.uid, account.gid);
  log.info({ major: by.major }, 'initialising PostgreSQL');
  const args = ['-D', draft, '-U', 'licence', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-k', '--no-instructions'];
  await runToEnd(join(by.bin, 'initdb'), args, account, 120_000);
  renameSync(draft, dataOf(root, by.major));
}

async function takeOver(server: Postmaster, root: string, from: number, log: Logger): Promise<void> {
  log.info({ from, to: server.major }, 'taking over the export of an older PostgreSQL');
  try {
    await server.restore(exportOf(root, from));
  } catch (error) {
    await server.stop(5_000, false);
    rmSync(dataOf(root, server.major), { recursive: true, force: true }); // the next start tries again from the export
    throw error;
  }
  renameSync(dataOf(root, from), join(root, `${from}.replaced`));
  renameSync(exportOf(root, from), join(root, `${from}.replaced.dump`));
}

/** Before a PostgreSQL that ended by itself is started again: doubled each time that it does not last. */
const shortestPauseMs = 200;
const longestPauseMs = 5_000;
const lastsMs = 30_000;

class Postmaster implements EmbeddedPostgres {
  readonly connection: pg.ClientConfig;
  readonly major: number;
  readonly #data: string;
  readonly #root: string;
  readonly #bin: string;
  readonly #account: Account | undefined;
  readonly #args: readonly string[];
  readonly #log: Logger;
  #child: ChildProcess | undefined;
  #stopping = false;
  #launchedAt = 0;
  #pauseMs = shortestPauseMs;

  constructor(root: string, by: Installation, account: Account | undefined, options: EmbeddedOptions, log: Logger) {
    const socketDir = socketDirectory(options.socketBase, root, account);
    this.connection = { host: socketDir, port: 5432, user: 'licence', database: options.database };
    this.major = by.major;
    this.#root = root;
    this.#data = dataOf(root, by.major);
    this.#bin = by.bin;
    this.#account = account;
    this.#log = log;
    const settings = {
      ...defaults,
      unix_socket_directories: socketDir,
      unix_socket_permissions: '0700',
      ...options.settings,
    };
    this.#args = ['-D', this.#data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  }

  pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(createDatabase: boolean): Promise<void> {
    await clearLeftovers(this.#data);
    this.#launch();
    await this.#ready(60_000);
    if (createDatabase || !(await this.#hasDatabase()))
      await this.#query(`CREATE DATABASE "${this.connection.database}"`);
  }

  async restore(file: string): Promise<void> {
    await this.#tool(
      'pg_restore',
      ['--exit-on-error', '--no-owner', '-d', String(this.connection.database), file],
      600_000,
    );
  }

  async stop(graceMs = 8_000, withExport = true): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    if (withExport && this.#child) await this.#export(graceMs / 2);
    const child = this.#child;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    child.kill('SIGINT');
    const late = setTimeout(() => child.kill('SIGQUIT'), Math.max(0, graceMs / 2));
    await gone;
    clearTimeout(late);
    rmSync(String(this.connection.host), { recursive: true, force: true });
  }

  #launch(): void {
    const command = commandFor(join(this.#bin, 'postgres'), this.#args, this.#account, true);
    // a session of its own: Ctrl-C in a terminal is for this process, which stops PostgreSQL last
    const child = spawn(command.file, command.args, {
      ...command.options,
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' },
    });
    this.#child = child;
    this.#launchedAt = performance.now();
    child.on('error', (error) => this.#log.error({ err: error }, 'PostgreSQL cannot be started'));
    if (child.stderr) createInterface(child.stderr).on('line', (line) => this.#say(line));
    child.on('exit', (code, signal) => this.#onExit(code, signal));
  }

  #say(line: string): void {
    // that it refuses connections while it starts, recovers or stops is told by those who ask for one
    const passing = /starting up|not yet accepting|in recovery mode|shutting down/;
    if (/FATAL|PANIC|ERROR|WARNING/.test(line) && !passing.test(line))
      this.#log.warn({ postgres: line }, 'PostgreSQL says');
    else this.#log.debug({ postgres: line }, 'PostgreSQL says');
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.#child = undefined;
    if (this.#stopping) return;
    const pauseMs = performance.now() - this.#launchedAt > lastsMs ? shortestPauseMs : this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    this.#log.error({ code, signal, pauseMs }, 'PostgreSQL ended by itself; starting it again');
    const again = async () => {
      await sleep(systemClock, pauseMs);
      await clearLeftovers(this.#data);
      if (!this.#stopping) this.#launch();
    };
    again().catch((error) => {
      this.#log.error({ err: error }, 'PostgreSQL cannot be started again');
      this.#onExit(null, null);
    });
  }

  async #ready(timeoutMs: number): Promise<void> {
    const until = systemClock.now() + timeoutMs;
    for (let endings = 0; ; ) {
      if (this.#child === undefined && ++endings > 100) break; // it keeps ending: its own words are in the log
      try {
        return await this.#query('SELECT 1');
      } catch (error) {
        if (systemClock.now() > until) throw error;
        await sleep(systemClock, 15);
      }
    }
    this.#stopping = true;
    throw new Error(`embedded PostgreSQL does not start on ${this.#data}; the log has its own words`);
  }

  async #query(sql: string): Promise<void> {
    await this.#rows(sql);
  }

  async #hasDatabase(): Promise<boolean> {
    return (await this.#rows(`SELECT FROM pg_database WHERE datname = '${this.connection.database}'`)) > 0;
  }

  async #rows(sql: string): Promise<number> {
    const client = new pg.Client({ ...this.connection, database: 'postgres', connectionTimeoutMillis: 5_000 });
    client.on('error', () => {}); // told by the rejected query
    try {
      await client.connect();
      return (await client.query(sql)).rowCount ?? 0;
    } finally {
      await client.end().catch(() => {});
    }
  }

  async #export(timeoutMs: number): Promise<void> {
    if (timeoutMs < shortestExportMs) {
      this.#log.warn('no time is left for an export; a newer PostgreSQL cannot take over from this stop');
      return;
    }
    const draft = join(this.#root, `${this.major}.dump.draft`);
    try {
      await this.#tool('pg_dump', ['-Fc', '--no-owner', '-f', draft, String(this.connection.database)], timeoutMs);
      renameSync(draft, exportOf(this.#root, this.major));
    } catch (error) {
      if (existsSync(draft)) rmSync(draft);
      this.#log.warn({ err: error }, 'no export was written; a newer PostgreSQL cannot take over from this stop');
    }
  }

  #tool(name: string, args: readonly string[], timeoutMs: number): Promise<void> {
    const where = ['-h', String(this.connection.host), '-p', '5432', '-U', 'licence'];
    return runToEnd(join(this.#bin, name), [...where, ...args], this.#account, timeoutMs);
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { sleep, systemClock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { unlessAborted } from '../shutdown.ts';
import { clearLeftovers, socketDirectory } from './dataDirectory.ts';
import { type Account, commandFor, type Installation } from './programs.ts';

export interface PostmasterOptions {
  /** Its data, which are there. */
  readonly data: string;
  readonly by: Installation;
  readonly account: Account | undefined;
  /** Parent of the socket's private directory, and what names that directory. */
  readonly socketBase: string | undefined;
  readonly socketKey: string;
  /** Made if it is not there. */
  readonly database: string;
  readonly settings: Readonly<Record<string, string>>;
  /** How long it may take until it answers at all, in ms; default a minute. What it then recovers may take an hour. */
  readonly openWithinMs?: number | undefined;
}

const defaults: Readonly<Record<string, string>> = {
  listen_addresses: '',
  max_connections: '30',
  shared_buffers: '32MB',
  huge_pages: 'off', // a container may be killed for taking one, and so few buffers gain nothing by them
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0', // no process that waits for subscriptions, which are none
  max_wal_size: '256MB',
  min_wal_size: '64MB',
  checkpoint_completion_target: '0.5',
  jit: 'off',
  work_mem: '8MB', // 100,000 people are counted in memory; whatever sorts less takes less
  autovacuum_naptime: '20s',
  log_min_messages: 'warning',
  // holders' names must not get into a log with a failed statement
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
};

/** Before a PostgreSQL that ended by itself is started again: doubled each time that it does not last. */
const shortestPauseMs = 200;
const longestPauseMs = 5_000;
const lastsMs = 30_000;

const recoveryMs = 3_600_000;
const firstProgressMs = 1_000;
const progressMs = 10_000;
/** `cannot_connect_now`: it starts, recovers or ends. */
const notYet = '57P03';

/**
 * A PostgreSQL on some data, as a child of this process. Whoever starts it holds the lock of the directory until it has stopped:
 * what still runs there was left behind, and is ended. One that ends by itself is started again.
 */
export class Postmaster {
  readonly connection: pg.ClientConfig;
  readonly #options: PostmasterOptions;
  readonly #log: Logger;
  readonly #args: readonly string[];
  readonly #ending = new AbortController();
  #child: ChildProcess | undefined;
  #isUp = false;
  #restarting: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;
  #lastWords = '';
  #launchedAt = 0;
  #pauseMs = shortestPauseMs;

  private constructor(options: PostmasterOptions, log: Logger) {
    const socketDir = socketDirectory(options.socketBase, options.socketKey, options.account);
    this.connection = { host: socketDir, port: 5432, user: 'licence', database: options.database };
    this.#options = options;
    this.#log = log;
    const settings = {
      ...defaults,
      unix_socket_directories: socketDir,
      unix_socket_permissions: '0700',
      ...options.settings,
    };
    const given = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.#args = ['-D', options.data, ...given];
  }

  /** @throws Error with PostgreSQL's own words, or the signal's reason; nothing of it runs then */
  static async start(options: PostmasterOptions, log: Logger, signal: AbortSignal): Promise<Postmaster> {
    const postmaster = new Postmaster(options, log);
    try {
      await clearLeftovers(options.data, String(postmaster.connection.host), signal);
      signal.throwIfAborted();
      postmaster.#launch();
      await postmaster.#ready(signal);
      await postmaster.#makeDatabase();
      postmaster.#isUp = true;
      if (postmaster.#child === undefined) postmaster.#onExit(null, null); // it ended while its last answer was on its way
      return postmaster;
    } catch (error) {
      await postmaster.stop();
      throw error;
    }
  }

  /** Process id of the running postmaster; undefined while it is down. */
  pid(): number | undefined {
    return this.#child?.pid;
  }

  /** A fast shutdown; at once when that takes longer than `graceMs` allows. Nothing of it runs when this is over. */
  stop(graceMs = 8_000): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async #stop(graceMs: number): Promise<void> {
    this.#ending.abort();
    await this.#restarting;
    const child = this.#child;
    if (child !== undefined) {
      const gone = once(child, 'exit');
      child.kill('SIGINT');
      const late = setTimeout(() => child.kill('SIGQUIT'), Math.max(0, graceMs / 2, graceMs - 2_000));
      await gone;
      clearTimeout(late);
    }
    rmSync(String(this.connection.host), { recursive: true, force: true });
  }

  #launch(): void {
    const command = commandFor(join(this.#options.by.bin, 'postgres'), this.#args, this.#options.account, 'SIGINT');
    // a session of its own: Ctrl-C in a terminal is for this process, which stops PostgreSQL last
    const child = spawn(command.file, command.args, {
      ...command.options,
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' },
    });
    this.#launchedAt = performance.now();
    let isOver = false;
    const over = (code: number | null, by: NodeJS.Signals | null) => {
      if (isOver) return;
      isOver = true;
      this.#child = undefined;
      this.#onExit(code, by);
    };
    child.on('error', (error) => {
      this.#lastWords = error.message;
      this.#log.error({ err: error }, 'PostgreSQL cannot be started');
      if (child.pid === undefined) over(null, null);
    });
    if (child.stderr) createInterface(child.stderr).on('line', (line) => this.#say(line));
    child.on('exit', over);
    if (child.pid !== undefined) this.#child = child;
  }

  #say(line: string): void {
    // that it refuses connections while it starts, recovers or stops is told by those who ask for one
    const passing = /starting up|not yet accepting|in recovery mode|shutting down/;
    if (/FATAL|PANIC|ERROR|WARNING/.test(line) && !passing.test(line)) {
      this.#lastWords = line;
      this.#log.warn({ postgres: line }, 'PostgreSQL says');
    } else this.#log.debug({ postgres: line }, 'PostgreSQL says');
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#ending.signal.aborted || !this.#isUp) return;
    const pauseMs = performance.now() - this.#launchedAt > lastsMs ? shortestPauseMs : this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    this.#log.error({ code, signal, pauseMs }, 'PostgreSQL ended by itself; starting it again');
    const again = async () => {
      await sleep(systemClock, pauseMs, this.#ending.signal);
      await clearLeftovers(this.#options.data, String(this.connection.host), this.#ending.signal);
      if (!this.#ending.signal.aborted) this.#launch();
    };
    this.#restarting = again().catch((error) => {
      if (this.#ending.signal.aborted) return;
      this.#log.error({ err: error }, 'PostgreSQL cannot be started again');
      this.#onExit(null, null);
    });
  }

  /** Waits until it lets somebody in; while it recovers what a crash has left, however long that takes, it says so. */
  async #ready(signal: AbortSignal): Promise<void> {
    const { data, openWithinMs = 60_000 } = this.#options;
    const startedAt = performance.now();
    let silentSince = startedAt;
    let tellAt = startedAt + firstProgressMs;
    for (;;) {
      if (this.#child === undefined) {
        await sleep(systemClock, 50); // its last words may be on their way
        throw new Error(`PostgreSQL does not start on ${data}: ${this.#lastWords || 'it ended without a word'}`);
      }
      const fault = await unlessAborted(signal, this.#rows('SELECT 1')).then(
        () => undefined,
        (error: Error) => error,
      );
      signal.throwIfAborted();
      if (fault === undefined) return;
      const now = performance.now();
      const tookMs = now - startedAt;
      const isRecovering = 'code' in fault && fault.code === notYet;
      if (isRecovering && now > tellAt) {
        tellAt = now + progressMs;
        const seconds = Math.round(tookMs / 1000);
        this.#log.info({ seconds }, 'PostgreSQL starts: it brings its data in order, which may take a while');
      }
      if (isRecovering) silentSince = now;
      if (tookMs > recoveryMs || now - silentSince > openWithinMs) {
        throw new Error(`PostgreSQL does not come up on ${data} (${fault.message}); the log has its own words`);
      }
      await sleep(systemClock, 15, signal);
    }
  }

  async #makeDatabase(): Promise<void> {
    const { database } = this.#options;
    if ((await this.#rows(`SELECT FROM pg_database WHERE datname = '${database}'`)) > 0) return;
    await this.#rows(`CREATE DATABASE "${database}"`);
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
}

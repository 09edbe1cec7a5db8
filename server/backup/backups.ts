import type { BackupStatus } from '../../licence/serverStatus.ts';
import type { Clock } from '../../runtime/clock.ts';
import { cronFault } from '../../runtime/cron/cronTimes.ts';
import type { DatabasePool } from '../../runtime/database/pool.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { aliveEveryMs, aliveMarkOf, signalAlive } from './aliveMark.ts';
import { archivesIn, computerOf, type StoredArchive } from './archiveName.ts';
import type { BackupConfig } from './backupSettings.ts';
import { delayOf, dueAtMs, retryAfterMs } from './decide.ts';
import type { Destination } from './destination.ts';
import { type BackupSource, removeSuperfluous } from './makeBackup.ts';
import { openDestination } from './openDestination.ts';
import { packApart } from './packApart.ts';

export interface BackupsOptions {
  readonly source: BackupSource;
  readonly config: BackupConfig & { readonly LICENCE_BACKUP_SCHEDULE: string };
  /** Of the ledger: of several servers on it, one makes the backup. */
  readonly db: Pick<DatabasePool, 'connect'>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Nobody else serves this ledger: with this server the computer ends. */
  readonly isAlone: boolean;
  readonly open?: (config: BackupConfig, signal: AbortSignal) => Promise<Destination>;
}

/** A timer that is set for longer may be off by a clock that was set meanwhile. */
const longestWaitMs = 3_600_000;
/** Another server has it in hand: a look whether it came. */
const otherMs = 60_000;
/** The ledger's locks: 1 is the schema's, 3 that of work on the keys. */
const lock = 7227004;

/**
 * Makes backups on a schedule, one at a time: what lies at the destination says when the last one was made, so nothing is
 * remembered, a restart makes none twice, and what was missed is made up for once. Of several servers the one that gets the ledger's lock
 * makes it. A failure is told and tried again, ever more rarely; nothing else of the server waits for it.
 */
export class Backups {
  readonly #options: BackupsOptions;
  readonly #end = new AbortController();
  readonly #success;
  readonly #due;
  readonly #size;
  readonly #failed;
  #cancel: (() => void) | undefined;
  #cancelAlive: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #signalling: Promise<void> = Promise.resolve();
  #newest: StoredArchive | undefined;
  #dueAtMs: number | undefined;
  #failures = 0;
  #fault: string | undefined;

  constructor(options: BackupsOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#success = metrics.gauge(
      'licence_backup_last_success_timestamp_seconds',
      'When the newest backup of this computer at the destination was made; 0: there is none, or it is not known yet.',
    );
    this.#due = metrics.gauge(
      'licence_backup_due_timestamp_seconds',
      'When the next backup is due; it stays in the past while backups fail.',
    );
    this.#size = metrics.gauge('licence_backup_size_bytes', 'Size of the newest backup.');
    this.#failed = metrics.counter('licence_backup_failures_total', 'Attempts to make a backup that failed.');
    this.#due.set(options.clock.now() / 1_000);
  }

  /** @throws Error when the schedule or its time zone is none */
  start(): this {
    const fault = cronFault(this.#times);
    if (fault !== undefined) throw new Error(`LICENCE_BACKUP_SCHEDULE, LICENCE_BACKUP_TIME_ZONE: ${fault}`);
    this.#plan(0);
    this.#planAlive(0);
    return this;
  }

  /** What is under way is broken off, and leaves nothing half behind. */
  async stop(): Promise<void> {
    this.#end.abort(new Error('the server is stopping'));
    this.#cancel?.();
    this.#cancelAlive?.();
    await Promise.all([this.#running, this.#signalling]);
    if (this.#options.isAlone) await this.#signOff();
  }

  status(): BackupStatus {
    const newest = this.#newest;
    return {
      ...(newest === undefined
        ? {}
        : { lastSuccessAt: momentOf(newest.atMs), archive: newest.name, sizeBytes: newest.bytes }),
      ...(this.#dueAtMs === undefined ? {} : { nextAt: momentOf(this.#dueAtMs) }),
      ...(this.#fault === undefined ? {} : { fault: this.#fault.slice(0, 1_000) }),
    };
  }

  get #times() {
    const { LICENCE_BACKUP_SCHEDULE: schedule, LICENCE_BACKUP_TIME_ZONE: timeZone } = this.#options.config;
    return { schedule, timeZone };
  }

  #plan(afterMs: number): void {
    if (this.#end.signal.aborted) return;
    this.#cancel = this.#options.clock.after(Math.max(0, Math.min(afterMs, longestWaitMs)), () => {
      this.#running = this.#look();
    });
  }

  /** One look: a backup if one is due, and when to look again. */
  async #look(): Promise<void> {
    const { clock, log } = this.#options;
    try {
      const isOthers = await this.#withDestination((destination) => this.#backUp(destination));
      this.#failures = 0;
      this.#fault = undefined;
      const dueMs = this.#dueAtMs ?? Number.POSITIVE_INFINITY;
      this.#plan(isOthers ? otherMs : dueMs - clock.now());
    } catch (error) {
      if (this.#end.signal.aborted) return;
      this.#failures += 1;
      this.#fault = error instanceof Error ? error.message : String(error);
      this.#failed.inc();
      const afterMs = retryAfterMs(this.#failures);
      log.warn({ err: error, failures: this.#failures, retryAfterMs: afterMs }, 'the backup failed');
      this.#plan(afterMs);
    }
  }

  /** @returns whether another server is making it */
  async #backUp(destination: Destination): Promise<boolean> {
    const { clock } = this.#options;
    await this.#read(destination);
    if (!this.#isDue()) return false;
    return this.#unlessOther(async () => {
      await this.#read(destination); // another one may have made it just now
      if (!this.#isDue()) return;
      const { source, config, log } = this.#options;
      const startedMs = clock.now();
      const archive = await packApart({ source, config, atMs: startedMs }, this.#end.signal);
      log.info({ archive: archive.name, bytes: archive.bytes, tookMs: clock.now() - startedMs }, 'a backup was made');
      this.#learn(archive);
      const removed = await removeSuperfluous(destination, source.fingerprint, config, clock.now());
      if (removed.length > 0) log.info({ removed }, 'older backups were removed');
    });
  }

  #isDue(): boolean {
    return this.#dueAtMs !== undefined && this.#dueAtMs <= this.#options.clock.now();
  }

  async #read(destination: Destination): Promise<void> {
    const computer = computerOf(this.#options.source.fingerprint);
    this.#learn(archivesIn(await destination.list()).find((archive) => archive.computer === computer));
  }

  #learn(newest: StoredArchive | undefined): void {
    this.#newest = newest;
    const dueMs = dueAtMs(this.#times, newest, this.#options.clock.now());
    const delayMs = newest === undefined ? 0 : delayOf(newest.computer);
    this.#dueAtMs = dueMs === undefined ? undefined : dueMs + delayMs;
    this.#success.set((newest?.atMs ?? 0) / 1_000);
    this.#size.set(newest?.bytes ?? 0);
    this.#due.set((this.#dueAtMs ?? 0) / 1_000);
  }

  /** @returns whether another server of this ledger has the lock */
  async #unlessOther(work: () => Promise<void>): Promise<boolean> {
    const client = await this.#options.db.connect();
    try {
      const { rows } = await client.query<{ got: boolean }>(`SELECT pg_try_advisory_lock(${lock}) AS got`);
      if (rows[0]?.got !== true) return true;
      await work();
      return false;
    } finally {
      client.release(true); // the session ends, and with it the lock
    }
  }

  async #withDestination<T>(work: (destination: Destination) => Promise<T>, signal = this.#end.signal): Promise<T> {
    const open = this.#options.open ?? openDestination;
    const destination = await open(this.#options.config, signal);
    try {
      return await work(destination);
    } finally {
      await destination.close().catch(() => {});
    }
  }

  #planAlive(afterMs: number): void {
    if (this.#end.signal.aborted) return;
    const { clock, source } = this.#options;
    this.#cancelAlive = clock.after(afterMs, () => {
      this.#signalling = this.#withDestination((destination) =>
        signalAlive(destination, source.fingerprint, clock.now()),
      )
        .catch(() => {}) // the backup tells it
        .then(() => this.#planAlive(aliveEveryMs));
    });
  }

  /** So that a move need not wait until this server counts as gone. */
  async #signOff(): Promise<void> {
    const { fingerprint } = this.#options.source;
    const soon = AbortSignal.timeout(1_500);
    await this.#withDestination((destination) => destination.remove(aliveMarkOf(fingerprint)), soon).catch(() => {});
  }
}

const momentOf = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+/, '');

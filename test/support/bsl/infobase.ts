import { register, scheduledJob } from '../../../client/1c/model.ts';
import { StrictFault } from './lexer.ts';
import { ServerSide } from './serverSide.ts';
import { type Program, programOf, type Side } from './sources.ts';
import { BslArray, type BslDate, HostObject, method, type Value } from './values.ts';
import type { World } from './world.ts';

export type Record = { [name: string]: Value };

/** A session as the platform lists it. */
export interface SessionRow {
  readonly number: number;
  readonly startedAt: BslDate;
  /** ИмяПриложения. */
  readonly application: string;
  readonly user: string;
  readonly computer: string;
  readonly isAdmin: boolean;
  /** Of a job; people have no rights to the extension's constants and register. */
  readonly hasFullRights: boolean;
  /** How this session's connection string reads, where it differs from the base's. */
  readonly connection?: string | undefined;
  readonly parameters: Map<string, Value>;
}

export interface InfobaseOptions {
  readonly connection: string;
  readonly constants?: Readonly<{ [name: string]: string }>;
  /** Whether 1C's standard library is in the configuration. */
  readonly hasLibrary?: boolean;
  /** Other texts of modules, by path: how a vendor fills the overridable module, or a fault that is planted. */
  readonly modules?: Readonly<{ [path: string]: string }>;
}

/** A base with the extension in it, in a cluster or as a file, as far as the extension can tell. */
export class Infobase {
  readonly world: World;
  readonly options: InfobaseOptions;
  readonly constants = new Map<string, Value>();
  readonly register = new Map<string, Record>();
  readonly sessions: SessionRow[] = [];
  /** The event log. */
  readonly journal: string[] = [];
  /** Common modules of the standard library. */
  readonly library = new Map<string, HostObject>();
  readonly vault = new Map<string, Value>();
  readonly jobStarts: Value[] = [];
  readonly serverComputer = 'SRV-1C';
  /** What the data were when the transaction began. */
  transaction: { readonly constants: Map<string, Value>; readonly register: Map<string, Record> } | undefined;
  /** /AllowExecuteScheduledJobs -Off */
  areJobsAllowed = true;
  /** Somebody holds every lock for longer than one waits. */
  isLocked = false;
  #numbers = 0;
  readonly #programs = new Map<Side, Program>();

  constructor(world: World, options: InfobaseOptions) {
    this.world = world;
    this.options = options;
    for (const [name, value] of Object.entries(options.constants ?? {})) this.constants.set(name, value);
    if (options.hasLibrary === true) this.library.set('ОбщегоНазначения', this.#common());
  }

  get isFile(): boolean {
    return this.options.connection.startsWith('File=');
  }
  connectionString(session: SessionRow): string {
    return session.connection ?? this.options.connection;
  }
  program(side: Side): Program {
    const found = this.#programs.get(side) ?? programOf(side, this.options.modules);
    this.#programs.set(side, found);
    return found;
  }

  /** As an administrator copies a base: data, jobs and all, without its sessions. */
  copy(connection: string): Infobase {
    const copy = new Infobase(this.world, { ...this.options, connection });
    for (const [name, value] of this.constants) copy.constants.set(name, value);
    for (const [key, row] of this.register) copy.register.set(key, { ...row });
    return copy;
  }

  enter(row: Omit<SessionRow, 'number' | 'startedAt' | 'parameters'>): SessionRow {
    this.#numbers++;
    const session = { ...row, number: this.#numbers, startedAt: this.world.now, parameters: new Map<string, Value>() };
    this.sessions.push(session);
    return session;
  }
  leave(session: SessionRow): void {
    const i = this.sessions.indexOf(session);
    if (i >= 0) this.sessions.splice(i, 1);
  }

  /** Runs the scheduled job once, in a session of its own. In a file base it runs in somebody's client, or not at all. */
  async runJob(): Promise<void> {
    const host = this.sessions[0];
    if (!this.areJobsAllowed || (this.isFile && host === undefined)) return;
    const session = this.enter({
      application: 'BackgroundJob',
      user: '',
      computer: this.isFile ? (host?.computer ?? '') : this.serverComputer,
      isAdmin: true,
      hasFullRights: true,
      connection: this.isFile ? host?.connection : undefined,
    });
    try {
      const [, module = '', routine = ''] = scheduledJob.method.split('.');
      await new ServerSide(this, session).call(module, routine, []);
    } finally {
      this.leave(session);
    }
  }

  sessionList(): BslArray {
    return new BslArray(this.sessions.map((session) => this.sessionObject(session)));
  }
  sessionObject(session: SessionRow): HostObject {
    const user =
      session.user === ''
        ? undefined
        : new HostObject('ПользовательИнформационнойБазы', { Имя: { get: () => session.user } });
    // a browser does not say on what computer it runs
    const computer = session.application === 'WebClient' ? '' : session.computer;
    return new HostObject('СеансИнформационнойБазы', {
      НомерСеанса: { get: () => session.number },
      НачалоСеанса: { get: () => session.startedAt },
      ИмяПриложения: { get: () => session.application },
      ИмяКомпьютера: { get: () => computer },
      Пользователь: { get: () => user },
    });
  }

  begin(): undefined {
    if (this.transaction !== undefined) throw new StrictFault('a transaction within a transaction');
    this.transaction = { constants: new Map(this.constants), register: new Map(this.register) };
    return undefined;
  }
  commit(): undefined {
    if (this.transaction === undefined) throw new StrictFault('there is no transaction to commit');
    this.transaction = undefined;
    return undefined;
  }
  rollback(): undefined {
    if (this.transaction === undefined) throw new StrictFault('there is no transaction to roll back');
    const { constants, register: rows } = this.transaction;
    this.transaction = undefined;
    this.constants.clear();
    for (const [name, value] of constants) this.constants.set(name, value);
    this.register.clear();
    for (const [key, row] of rows) this.register.set(key, row);
    return undefined;
  }

  /** The lease of each session that has one. */
  leases(): string[] {
    return [...this.register.values()].map((row) => String(row[leaseField] ?? '')).filter((lease) => lease !== '');
  }

  #common(): HostObject {
    return new HostObject(
      'ОбщегоНазначения',
      {},
      {
        ПриНачалеВыполненияРегламентногоЗадания: method(0, 1, (job) => {
          this.jobStarts.push(job);
          return undefined;
        }),
        ЗаписатьДанныеВБезопасноеХранилище: method(2, 3, (owner, data) => {
          this.vault.set(String(owner), data);
          return undefined;
        }),
        ПрочитатьДанныеИзБезопасногоХранилища: method(1, 3, (owner) => this.vault.get(String(owner))),
      },
    );
  }
}

const leaseField = register.resources[0]?.name ?? '';

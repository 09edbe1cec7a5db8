import { isCommandFault, isPassing, StoreUnavailable } from '../../runtime/database/fault.ts';

/**
 * Group commit: commands that arrive while a batch is in flight form the next batch. One batch at a time a lane, so that one
 * transaction's commit is waited for once by all of its commands. Where batches may pass each other (`asideFrom`), a second one
 * goes aside when much waits: the database works while this process reads and answers.
 *
 * A batch that fails by the fault of a command is cut in halves until the bad one fails alone. Any other fault is an unknown outcome:
 * all commands of the batch are told so (and may be repeated, since check-outs are idempotent by holder), and the session is given up.
 */
export interface Command {
  /** Commands of one key in one batch are the same command, or one waits for the next batch. */
  readonly key: string;
  /** Whether `other`, of the same key, asks for the same, so that one answer serves both. */
  same(other: this): boolean;
  /** Those that asked the same and are answered by this one's result. */
  twins?: this[];
  /** How much of a batch it fills; default 1. */
  readonly weight?: number;
  fail(error: unknown): void;
}

/** Runs one batch on a session and answers each of its commands; answers commands that must go again (a busy row). */
export type RunBatch<C extends Command, S> = (session: S, batch: readonly C[]) => Promise<readonly C[] | undefined>;

/** Where sessions with the database come from. */
export interface Sessions<S> {
  acquire(): Promise<S>;
  /** `broken`: it must not be used again. */
  release(session: S, broken: boolean): void;
}

export interface LaneEvents {
  /** A batch failed; `size` commands were in it. */
  onTrouble?(error: unknown, size: number): void;
  /** A batch was done, be it with commands that failed by their own fault. */
  onWork?(): void;
}

export class Lane<C extends Command, S> {
  #queue: C[] = [];
  /** Weight of what waits. */
  #waiting = 0;
  /** When the batches under way began, the oldest first. */
  readonly #underWay: number[] = [];
  #planned = false;
  #idle: (() => void)[] = [];
  readonly #sessions: Sessions<S>;
  readonly #run: RunBatch<C, S>;
  readonly #most: number;
  readonly #longest: number;
  readonly #asideFrom: number;
  readonly #events: LaneEvents;

  /**
   * `most`: weight of a batch; `longest`: commands that may wait before further ones are refused; `asideFrom`: weight that must
   * wait for a second batch to go aside.
   */
  constructor(
    sessions: Sessions<S>,
    run: RunBatch<C, S>,
    most: number,
    longest: number,
    events: LaneEvents = {},
    asideFrom = Number.POSITIVE_INFINITY,
  ) {
    this.#sessions = sessions;
    this.#run = run;
    this.#most = most;
    this.#longest = longest;
    this.#events = events;
    this.#asideFrom = asideFrom;
  }

  /** Commands that wait. */
  get length(): number {
    return this.#queue.length;
  }

  /** How long the oldest batch under way has been going on, in ms; 0 when there is none. */
  busyMs(): number {
    const [since] = this.#underWay;
    return since === undefined ? 0 : performance.now() - since;
  }

  push(command: C): void {
    if (this.#queue.length >= this.#longest) {
      command.fail(new StoreUnavailable(new Error(`${this.#queue.length} commands wait already`)));
      return;
    }
    this.#queue.push(command);
    this.#waiting += command.weight ?? 1;
    this.#plan();
  }

  /** Resolves when nothing waits or runs any more. */
  drained(): Promise<void> {
    if (this.#underWay.length === 0 && this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #plan(): void {
    if (this.#planned || this.#queue.length === 0) return;
    const mayStart = this.#underWay.length === 0 || (this.#underWay.length === 1 && this.#waiting >= this.#asideFrom);
    if (!mayStart) return;
    this.#planned = true;
    // after this turn's other requests have been read, so that they share the batch
    setImmediate(() => {
      this.#planned = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const since = performance.now();
    this.#underWay.push(since);
    const batch = this.#take();
    this.#plan(); // what is left may be enough for a batch aside
    let session: S | undefined;
    try {
      session = await this.#sessions.acquire();
      const again = await this.#attempt(session, batch);
      this.#events.onWork?.();
      this.#sessions.release(session, false);
      if (again.length > 0) this.#queue.unshift(...again);
      for (const command of again) this.#waiting += command.weight ?? 1;
    } catch (error) {
      if (session !== undefined) this.#sessions.release(session, true);
      this.#events.onTrouble?.(error, batch.length);
      const unavailable = error instanceof StoreUnavailable ? error : new StoreUnavailable(error);
      unavailable.told = true;
      for (const command of batch) failAll(command, unavailable);
    }
    this.#underWay.splice(this.#underWay.indexOf(since), 1);
    if (this.#queue.length > 0) this.#plan();
    else if (this.#underWay.length === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The next batch: distinct keys, in order; the same command twice becomes one. */
  #take(): C[] {
    const seen = new Map<string, C>();
    const rest: C[] = [];
    const queue = this.#queue;
    let i = 0;
    let filled = 0;
    for (; i < queue.length && filled < this.#most; i++) {
      const command = queue[i] as C;
      filled += command.weight ?? 1;
      const first = seen.get(command.key);
      if (first === undefined) seen.set(command.key, command);
      else if (first.same(command)) {
        first.twins ??= [];
        first.twins.push(command);
      } else {
        rest.push(command);
        this.#waiting += command.weight ?? 1;
      }
    }
    this.#waiting -= filled;
    this.#queue = rest.length > 0 ? rest.concat(queue.slice(i)) : i === queue.length ? [] : queue.slice(i);
    return [...seen.values()];
  }

  /** Answers every command of the batch, or throws when the session is of no use any more. */
  async #attempt(session: S, batch: readonly C[], tries = 0): Promise<C[]> {
    try {
      return [...((await this.#run(session, batch)) ?? [])];
    } catch (error) {
      if (isPassing(error) && tries < 3) return this.#attempt(session, batch, tries + 1);
      if (!isCommandFault(error)) throw error;
      this.#events.onTrouble?.(error, batch.length);
      const [only] = batch;
      if (batch.length === 1 && only) {
        failAll(only, error);
        return [];
      }
      const half = batch.length >> 1;
      const first = await this.#attempt(session, batch.slice(0, half));
      return [...first, ...(await this.#attempt(session, batch.slice(half)))];
    }
  }
}

function failAll<C extends Command>(command: C, error: unknown): void {
  command.fail(error);
  for (const twin of command.twins ?? []) twin.fail(error);
}

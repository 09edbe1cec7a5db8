/** Done again and again, one run after the other. Answers whether more is left: the next run then comes soon. */
export type Work = () => Promise<boolean>;

/** It never takes more than a quarter of the time while more is left, and a tenth otherwise, however slow the database is. */
const restWhenMore = 3;
const restOtherwise = 9;
const shortestRestMs = 20;

/** Housekeeping: a piece of work with a rhythm and an error of its own; a late one delays no other. */
export class Loop {
  readonly #everyMs: number;
  readonly #work: Work;
  readonly #failed: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  /** `everyMs`: the rest after a run that left nothing, or failed. */
  constructor(everyMs: number, work: Work, failed: (error: unknown) => void) {
    this.#everyMs = everyMs;
    this.#work = work;
    this.#failed = failed;
  }

  start(): this {
    this.#plan(this.#everyMs);
    return this;
  }

  /** Waits for the run under way; another never comes. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #plan(afterMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#run();
    }, afterMs);
  }

  async #run(): Promise<void> {
    const startedMs = performance.now();
    let isMore = false;
    try {
      isMore = await this.#work();
    } catch (error) {
      this.#failed(error);
    }
    const tookMs = performance.now() - startedMs;
    this.#plan(
      isMore ? Math.max(shortestRestMs, restWhenMore * tookMs) : Math.max(this.#everyMs, restOtherwise * tookMs),
    );
  }
}

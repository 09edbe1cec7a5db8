/** Done again and again, one run after the other. Answers whether more is left: the next run then comes soon. */
export type Work = () => Promise<boolean>;

/** It never takes more than a quarter of the time while more is left, and a tenth otherwise, however slow the database is. */
const restWhenMore = 3;
const restOtherwise = 9;
const shortestRestMs = 20;

/** Housekeeping: a piece of work with a rhythm and an error of its own; a late one delays no other. */
export class Loop {
  readonly #everyMs: number | undefined;
  readonly #work: Work;
  readonly #failed: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #isBusy = false;
  #isWanted = false;
  #stopped = false;

  /** `everyMs`: the rest after a run that left nothing, or failed; undefined: until somebody wakes it. */
  constructor(everyMs: number | undefined, work: Work, failed: (error: unknown) => void) {
    this.#everyMs = everyMs;
    this.#work = work;
    this.#failed = failed;
  }

  start(): this {
    if (this.#everyMs !== undefined) this.#plan(this.#everyMs);
    return this;
  }

  /** There is something to do: now, or after the run and the rest under way. */
  wake(): void {
    this.#isWanted = true;
    if (!this.#isBusy) this.#plan(0);
  }

  /** Waits for the run under way; another never comes. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #plan(afterMs: number): void {
    if (this.#stopped) return;
    this.#isBusy = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#running = this.#run();
    }, afterMs);
  }

  async #run(): Promise<void> {
    const startedMs = performance.now();
    this.#isWanted = false;
    let isMore = false;
    try {
      isMore = await this.#work();
    } catch (error) {
      this.#failed(error);
    }
    const tookMs = performance.now() - startedMs;
    if (isMore) this.#plan(Math.max(shortestRestMs, restWhenMore * tookMs));
    else if (this.#everyMs !== undefined) this.#plan(Math.max(this.#everyMs, restOtherwise * tookMs));
    else if (this.#isWanted) this.#plan(Math.max(shortestRestMs, restOtherwise * tookMs));
    else this.#isBusy = false;
  }
}

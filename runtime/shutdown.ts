import { once } from 'node:events';
import type { Logger } from './log.ts';

/** Something that can be stopped; stopped in the reverse order of its registration. */
type Stop = () => Promise<unknown> | unknown;

/**
 * Runs a program until SIGTERM or SIGINT, then stops its parts, last started first. A second signal, or parts that take
 * longer than `graceMs`, ends the process at once with status 1.
 */
export class Lifetime {
  readonly #stops: { readonly name: string; readonly stop: Stop }[] = [];
  readonly #abort = new AbortController();
  readonly #log: Logger;
  readonly #graceMs: number;

  constructor(log: Logger, graceMs = 10_000) {
    this.#log = log;
    this.#graceMs = graceMs;
  }

  /** Aborts when the program is asked to end. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  onStop(name: string, stop: Stop): void {
    this.#stops.push({ name, stop });
  }

  /** Ends the program from within, as a signal would. */
  end(reason: string): void {
    this.#abort.abort(new Error(reason));
  }

  /** Waits for the end, stops everything, and answers the exit status. */
  async run(): Promise<number> {
    const onSignal = (name: NodeJS.Signals) => {
      if (this.signal.aborted) process.exit(1);
      this.#log.info({ signal: name }, 'stopping');
      this.end(name);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    if (!this.signal.aborted) await once(this.signal, 'abort');
    return this.stop();
  }

  /** Stops all parts within the grace; 0 if each stopped cleanly. */
  async stop(): Promise<number> {
    const late = setTimeout(() => {
      this.#log.error({ graceMs: this.#graceMs }, 'parts did not stop in time');
      process.exit(1);
    }, this.#graceMs);
    let status = 0;
    for (const { name, stop } of this.#stops.reverse()) {
      try {
        await stop();
      } catch (error) {
        status = 1;
        this.#log.error({ err: error, part: name }, 'part did not stop cleanly');
      }
    }
    clearTimeout(late);
    return status;
  }
}

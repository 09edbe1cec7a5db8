import { once } from 'node:events';
import type { Logger } from './log.ts';

/** Ends a part; told how much of the grace is left, in ms. */
type Stop = (leftMs: number) => Promise<unknown> | unknown;

interface Part {
  readonly name: string;
  readonly stop: Stop;
  readonly mostMs: number;
}

/**
 * Runs a program until SIGTERM or SIGINT, then stops its parts, last started first. A second signal, or parts that take
 * longer than `graceMs`, ends the process at once with status 1.
 */
export class Lifetime {
  readonly #parts: Part[] = [];
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

  /** Parts stop in the reverse order of their registration. One that takes longer than `mostMs` is not waited for. */
  onStop(name: string, stop: Stop, mostMs = Number.POSITIVE_INFINITY): void {
    this.#parts.push({ name, stop, mostMs });
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
    const endAt = performance.now() + this.#graceMs;
    let status = 0;
    let current: string | undefined;
    const late = setTimeout(() => {
      this.#log.error({ graceMs: this.#graceMs, part: current }, 'parts did not stop in time');
      process.exit(1);
    }, this.#graceMs);
    for (const part of this.#parts.reverse()) {
      current = part.name;
      try {
        await within(part, Math.max(0, endAt - performance.now()));
      } catch (error) {
        status = 1;
        this.#log.error({ err: error, part: part.name }, 'part did not stop cleanly');
      }
    }
    clearTimeout(late);
    return status;
  }
}

/** @throws what the part throws, or Error when it takes longer than it may. */
async function within({ stop, mostMs }: Part, leftMs: number): Promise<void> {
  const stopped = Promise.resolve(stop(leftMs));
  if (mostMs >= leftMs) {
    await stopped;
    return;
  }
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it takes longer than ${mostMs} ms; the others are stopped`)), mostMs);
  });
  try {
    await Promise.race([stopped, late]);
  } finally {
    clearTimeout(timer);
  }
}

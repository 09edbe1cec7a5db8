import type { Logger } from './log.ts';

/** Ends a part; told how much of the grace is left, in ms. */
type Stop = (leftMs: number) => Promise<unknown> | unknown;

interface Part {
  readonly name: string;
  readonly stop: Stop;
  readonly mostMs: number;
}

/** Waits for SIGTERM and SIGINT from now on. The first aborts the answer, a second one ends the process at once with status 1. */
export function onSignals(): AbortSignal {
  const asked = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (asked.signal.aborted) process.exit(1);
      asked.abort(new Error(`it was told to end (${name})`));
    });
  }
  return asked.signal;
}

/** The promise, or the signal's reason as soon as it aborts; the promise then goes on with nobody waiting for it. */
export function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  promise.catch(() => {}); // told to whoever waits, if anybody does
  return Promise.race([promise, rejection(signal)]);
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/**
 * Runs a program until it is asked to end, then stops its parts, last started first. Parts that take longer than `graceMs` in all
 * end the process at once with status 1.
 */
export class Lifetime {
  readonly #parts: Part[] = [];
  readonly #abort = new AbortController();
  readonly #log: Logger;
  readonly #graceMs: number;
  #endAt: number | undefined;

  /** @param asked aborts when the process is asked to end; default: by SIGTERM and SIGINT from now on */
  constructor(log: Logger, graceMs = 10_000, asked = onSignals()) {
    this.#log = log;
    this.#graceMs = graceMs;
    const onAsked = () => {
      this.#log.info({ why: messageOf(asked.reason) }, 'stopping');
      this.#abort.abort(asked.reason);
    };
    if (asked.aborted) onAsked();
    else asked.addEventListener('abort', onAsked, { once: true });
  }

  /** Aborts when the program is to end. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /**
   * Parts stop in the reverse order of their registration. One that takes longer than `mostMs` is not waited for. A part that comes
   * when the others are being stopped already is stopped at once.
   */
  onStop(name: string, stop: Stop, mostMs = Number.POSITIVE_INFINITY): void {
    const part = { name, stop, mostMs };
    if (this.#endAt === undefined) this.#parts.push(part);
    else void this.#stopPart(part);
  }

  /** Ends the program from within, as a signal would. */
  end(reason: string): void {
    this.#abort.abort(new Error(reason));
  }

  /**
   * Starts the program, waits until it is to end, stops everything, and answers the exit status. When it is asked to end while
   * it starts, that is a stop like any other: what was started stops, and what fails of the start for that is no failure.
   * @throws what `start` throws, after everything was stopped
   */
  async run(start: () => Promise<unknown> = async () => {}): Promise<number> {
    const started = start();
    try {
      await unlessAborted(this.signal, started);
    } catch (error) {
      if (!this.signal.aborted) {
        await this.stop();
        throw error;
      }
      const settled = started.catch(() => {});
      this.#parts.unshift({ name: 'start', stop: () => settled, mostMs: Number.POSITIVE_INFINITY });
    }
    if (!this.signal.aborted) await rejection(this.signal).catch(() => {});
    return this.stop();
  }

  /** Stops all parts within the grace; 0 if each stopped cleanly. */
  async stop(): Promise<number> {
    this.#endAt = performance.now() + this.#graceMs;
    let isClean = true;
    let current: string | undefined;
    const late = setTimeout(() => {
      this.#log.error({ graceMs: this.#graceMs, part: current }, 'parts did not stop in time');
      process.exit(1);
    }, this.#graceMs);
    for (const part of this.#parts.reverse()) {
      current = part.name;
      isClean = (await this.#stopPart(part)) && isClean;
    }
    clearTimeout(late);
    return isClean ? 0 : 1;
  }

  async #stopPart(part: Part): Promise<boolean> {
    try {
      await within(part, Math.max(0, (this.#endAt ?? 0) - performance.now()));
      return true;
    } catch (error) {
      this.#log.error({ err: error, part: part.name }, 'part did not stop cleanly');
      return false;
    }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

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

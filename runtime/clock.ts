/** The wall clock and timers as one value, so that tests can step time. All times in milliseconds since the epoch. */
export interface Clock {
  /** Wall-clock time in ms. */
  now(): number;
  /** Milliseconds from some start, which only ever grow: durations measured by it survive a clock that is set. */
  monotonic?(): number;
  /** Runs `fn` once after `delayMs`; the answer cancels it. */
  after(delayMs: number, fn: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, fn) => {
    const timer = setTimeout(fn, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The clock's monotonic time, or its wall time if it has no other. */
export const monotonicOf = (clock: Clock): number => clock.monotonic?.() ?? clock.now();

/** Waits `delayMs`, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

import type { Clock } from '../../runtime/clock.ts';

/** Work on the keys, one turn after the other: each sees the folder as the one before left it. Nothing slow belongs in a turn. */
export interface Turns {
  take<T>(work: () => Promise<T>): Promise<T>;
  /** Takes a turn for a pass as soon as it can be had, and from then on again and again. */
  passSoon(): void;
  stop(): void;
}

export interface Passes {
  readonly pass: () => Promise<void>;
  /** How long until the next one is due at the latest, in ms. */
  readonly dueInMs: () => number;
  readonly onError: (error: unknown) => void;
}

export function createTurns(clock: Clock, { pass, dueInMs, onError }: Passes): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let stopped = false;
  let hurried = false;
  let cancelTimer = () => {};

  const take = <T>(work: () => Promise<T>): Promise<T> => {
    const run = last.then(work, work);
    last = run.catch(() => {});
    return run;
  };
  const passIn = (delayMs: number): void => {
    cancelTimer();
    if (stopped) return;
    cancelTimer = clock.after(delayMs, () => {
      hurried = false;
      void take(pass)
        .catch(onError)
        .finally(() => passIn(hurried ? 0 : dueInMs()));
    });
  };
  return {
    take,
    passSoon: () => {
      hurried = true;
      passIn(0);
    },
    stop: () => {
      stopped = true;
      cancelTimer();
    },
  };
}

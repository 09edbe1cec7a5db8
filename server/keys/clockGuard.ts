import { clockToleranceMs } from '../../licence/activation.ts';
import { momentOf } from '../../licence/moment.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { KeyRecords } from './keyRecords.ts';

/** What the clock says, held against the latest time that was ever seen: a clock set back prolongs nothing. */
export interface ClockGuard {
  /** Milliseconds since the epoch, as of the last look. */
  readonly clockMs: number;
  /** The latest time ever seen; at least `clockMs`. */
  readonly latestMs: number;
  look(): { readonly trouble: string | undefined; readonly wentBack: boolean };
  /** Whether the latest time should be written down by now. */
  readonly unnoted: boolean;
  note(): Promise<void>;
  /**
   * Believes the clock again when the authority has just confirmed its time by a fresh activation, issued about now: a
   * clock that was ahead by accident must not end licences for ever.
   */
  confirm(issuedAtMs: number): Promise<void>;
}

/** How often the latest time seen is written down. */
const noteEveryMs = 10 * 60_000;

export function createClockGuard(clock: Clock, records: KeyRecords): ClockGuard {
  let clockMs = 0;
  let latestMs = records.latestSeenMs;
  return {
    get clockMs() {
      return clockMs;
    },
    get latestMs() {
      return latestMs;
    },
    get unnoted() {
      return latestMs - records.latestSeenMs >= noteEveryMs;
    },
    look: () => {
      const wentBack = clock.now() < clockMs;
      clockMs = clock.now();
      latestMs = Math.max(latestMs, records.latestSeenMs, clockMs);
      const trouble =
        `the clock was set back: it says ${momentOf(clockMs)}, but ${momentOf(latestMs)} has been seen; nothing is ` +
        'prolonged by that; set the clock, or, if it is right now, activate a key again';
      return { wentBack, trouble: clockMs < latestMs - clockToleranceMs ? trouble : undefined };
    },
    note: () => (latestMs > records.latestSeenMs ? records.setLatestSeen(latestMs) : Promise.resolve()),
    confirm: async (issuedAtMs) => {
      const now = clock.now();
      if (Math.abs(issuedAtMs - now) > clockToleranceMs || now >= latestMs) return;
      latestMs = now;
      await records.setLatestSeen(now);
    },
  };
}

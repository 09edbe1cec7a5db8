import type { KeyFault } from '../../licence/keyFaults.ts';
import type { Clock } from '../../runtime/clock.ts';
import { backOffMs } from './backOff.ts';
import type { Attempt } from './decide.ts';

/** What has failed, by key: each backs off by itself, whatever it was that failed. */
export interface Attempts {
  readonly all: ReadonlyMap<string, Attempt>;
  /** One more failure in a row; answers how many there are and how long to wait. */
  failed(id: string, fault: KeyFault, retryAfterMs?: number): { readonly failures: number; readonly waitMs: number };
  succeeded(id: string): void;
  /** Something has changed that makes everything worth another try at once. */
  clear(): void;
}

export function createAttempts(clock: Clock): Attempts {
  const all = new Map<string, Attempt & { readonly failures: number }>();
  return {
    all,
    failed: (id, fault, retryAfterMs = 0) => {
      const failures = (all.get(id)?.failures ?? 0) + 1;
      const waitMs = Math.max(backOffMs(fault, failures, Math.random()), retryAfterMs);
      all.set(id, { fault, failures, nextAtMs: clock.now() + waitMs });
      return { failures, waitMs };
    },
    succeeded: (id) => void all.delete(id),
    clear: () => all.clear(),
  };
}

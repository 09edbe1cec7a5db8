import type { KeyFault } from '../../licence/keyFaults.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { backOffMs } from './backOff.ts';
import type { Attempt } from './decide.ts';
import { type Done, unwritable } from './outcomes.ts';

/** What has failed, by key: each backs off by itself, whatever it was that failed. */
export interface Attempts {
  readonly all: ReadonlyMap<string, Attempt>;
  /** One try at one thing; whatever fails is noted, and waits its own time. */
  make(id: string, work: () => Promise<Done>): Promise<void>;
  failed(id: string, fault: KeyFault, retryAfterMs?: number): void;
  succeeded(id: string): void;
  /** Something has changed that makes everything worth another try at once. */
  clear(): void;
}

/** @param stopping what fails after it fails because of it */
export function createAttempts(clock: Clock, log: Logger, stopping: AbortSignal): Attempts {
  const all = new Map<string, Attempt & { readonly failures: number }>();
  const succeeded = (id: string): void => void all.delete(id);
  const failed = (keyId: string, fault: KeyFault, retryAfterMs = 0): void => {
    if (stopping.aborted) return;
    const failures = (all.get(keyId)?.failures ?? 0) + 1;
    const waitMs = Math.max(backOffMs(fault, failures, Math.random()), retryAfterMs);
    all.set(keyId, { fault, failures, nextAtMs: clock.now() + waitMs });
    log.warn({ keyId, ...fault, failures, waitMs }, 'key was not activated');
  };
  return {
    all,
    failed,
    succeeded,
    make: async (id, work) => {
      try {
        const outcome = await work();
        if (outcome.ok) succeeded(id);
        else failed(id, outcome.fault, outcome.retryAfterMs);
      } catch (error) {
        log.error({ id, err: error }, 'a change of the keys could not be made');
        failed(id, unwritable(error));
      }
    },
    clear: () => all.clear(),
  };
}

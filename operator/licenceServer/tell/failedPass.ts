import { ApiError, isConflict } from '../../kube/apiError.ts';
import type { Fault } from '../api/fault.ts';
import type { LicenceServer, Status } from '../api/types.ts';
import type { Said } from './seen.ts';
import { withConditions } from './status.ts';

/** A pass that threw, in the words of whoever refused. */
export interface FailedPass extends Fault {
  /** The API server has decided: a quota, a webhook, a policy, a missing right. It stays so until a person acts. */
  readonly isRefused: boolean;
}

/** What passes by itself (a conflict, an API server that restarts) is told only when it has come so often in a row. */
const failuresToTell = 3;
/** A sooner attempt is not announced: it has been made before anybody reads of it. */
const announcedMs = 10_000;
const longestWords = 1_000;

/**
 * What a failed pass has to say; undefined: nothing yet, it most likely passes.
 * @param failures how often it has failed in a row, this time included
 */
export function failedPassOf(error: unknown, failures: number): FailedPass | undefined {
  const isRefused = error instanceof ApiError && error.status < 500 && error.status !== 429 && !isConflict(error);
  if (!isRefused && failures < failuresToTell) return undefined;
  const message = (error instanceof Error ? error.message : String(error)).slice(0, longestWords);
  if (!(error instanceof ApiError)) return { reason: 'PassFailed', message, isRefused };
  const reason = /^[A-Za-z][A-Za-z0-9_]*$/.test(error.reason) ? error.reason : `Status${error.status}`;
  return { reason, message, isRefused };
}

/**
 * The status of a LicenceServer whose pass failed: its summary says why, everything else stays as it was last seen. Nor is
 * the generation counted as observed: nothing was done for it yet. Pure.
 * @param retryMs when it is tried again; undefined: as soon as something changes
 */
export function failedStatus(
  server: LicenceServer,
  fault: FailedPass,
  nowMs: number,
  retry?: { readonly failures: number; readonly afterMs: number },
): Status {
  const before = server.status ?? ({} as Status);
  const message = `${fault.message}${retryWords(retry)}`;
  const { reason, isRefused } = fault;
  const said: Said[] = [
    { type: 'Ready', status: 'False', reason, message },
    isRefused
      ? { type: 'Reconciling', status: 'False', reason: 'Stalled', message: 'it waits for a person' }
      : { type: 'Reconciling', status: 'True', reason, message },
    isRefused
      ? { type: 'Stalled', status: 'True', reason, message }
      : { type: 'Stalled', status: 'False', reason: 'NotStalled', message: 'nothing needs a person' },
  ];
  return { ...before, conditions: withConditions(before, said, server.metadata.generation ?? 0, nowMs) };
}

function retryWords(retry: { readonly failures: number; readonly afterMs: number } | undefined): string {
  if (retry === undefined) return '';
  if (retry.afterMs < announcedMs) return '; it is tried again';
  return `; it has failed ${retry.failures} times and is tried again in ${Math.round(retry.afterMs / 1000)} s`;
}

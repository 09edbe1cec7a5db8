import type { CustomerRefusal } from '../../../licence/authorityCalls.ts';
import { backOffMs, momentOf, msOf, stillToCome } from '../api/times.ts';
import type { RegenerationStatus, Spec, Status } from '../api/types.ts';
import type { RegenerationAnswer } from '../observe/authorityAnswer.ts';
import type { DesiredKeys } from '../observe/keySources.ts';
import type { Valid } from './validate.ts';

/**
 * A new key of a licence, made on a person's request. Pure. As with a rotation, what is about to be done is written to
 * `status.regeneration` before it is done, and each phase can be repeated: one request spends one regeneration, whenever
 * the operator is killed.
 *
 *   Asked     a value of the annotation that was not seen before; the authority is asked what is left of the month's budget
 *   Allowed   the budget is in status; now the key is made, under one idempotency key for this request
 *   Made      the new key is in a Secret of the operator's own; the rotation goes on from there
 *   Refused   nothing was spent, and this request is over; another value of the annotation is another request
 *
 * An authority that cannot be reached delays.
 */
export interface RegenerationInput {
  readonly nowMs: number;
  /** Value of the regenerate-at annotation: `<moment>`, or `<key name>@<moment>` where there are several keys. */
  readonly request: string | undefined;
  /** It is of before this LicenceServer was made: it came along with a copy of another one. */
  readonly isOutdated: boolean;
  /** `status.regeneration` as read. */
  readonly before: RegenerationStatus | undefined;
  readonly desired: DesiredKeys;
  /** Why no key can be made at all; undefined: it can. */
  readonly obstacle: { readonly reason: string; readonly message: string } | undefined;
  /** What came of the call that was due, if it was made in this pass. */
  readonly answer?: RegenerationAnswer | undefined;
}

export type RegenerationCall = 'allowance' | 'regenerate';

export interface RegenerationDecision {
  readonly status: RegenerationStatus | undefined;
  readonly wakeAtMs?: number | undefined;
}

const retry = { firstMs: 5_000, maxMs: 10 * 60_000 } as const;
/** An authority may ask for patience, but not for ever. */
const longestPauseMs = 24 * 3_600_000;
const passing: readonly string[] = ['AuthorityUnreachable', 'SecretMissing', 'SecretRefused', 'NameTaken'];

/** What the regeneration is decided from. Pure. */
export function regenerationInputOf(
  valid: Valid,
  status: Status,
  nowMs: number,
  isEnabled: boolean,
): Omit<RegenerationInput, 'answer'> {
  return {
    nowMs,
    request: valid.requests.regenerateAt,
    isOutdated: isOutdated(valid, status),
    before: status.regeneration,
    desired: valid.desiredKeys,
    obstacle: obstacleOf(valid.spec, isEnabled),
  };
}

/**
 * Whether a request was made of another LicenceServer than this one, which was restored with its annotations, from a backup or
 * from Git. A value that is no moment tells only by being there before anything was done for this one.
 */
function isOutdated({ createdAt, requests }: Valid, status: Status): boolean {
  const { regenerateAt = '' } = requests;
  const createdMs = msOf(createdAt);
  const value = regenerateAt.slice(regenerateAt.lastIndexOf('@') + 1);
  // Nearly anything with a digit in it is a date to JavaScript.
  const askedMs = /^\d{4}-\d\d-\d\dT/.test(value) ? msOf(value) : undefined;
  if (createdMs === undefined) return false;
  return askedMs === undefined ? status.observedGeneration === undefined : askedMs < createdMs;
}

function obstacleOf({ activation }: Spec, isEnabled: boolean): RegenerationInput['obstacle'] {
  if (!isEnabled) {
    const message =
      'this operator makes no keys; have it started with OPERATOR_REGENERATION=true, or make the key in the cabinet';
    return { reason: 'RegenerationDisabled', message };
  }
  if (activation.mode === 'Offline' || activation.authority?.url === undefined) {
    return { reason: 'NoAuthority', message: 'spec.activation.authority.url is not set; make the key in the cabinet' };
  }
  if (activation.authority.tokenSecretRef === undefined) {
    const message = 'spec.activation.authority.tokenSecretRef is not set; name the Secret with a customer token there';
    return { reason: 'TokenNotNamed', message };
  }
  return undefined;
}

/** Not before this moment; one that no pause comes to was written by a clock that was ahead. */
function nextAttemptMs({ nextAttemptAt }: RegenerationStatus, nowMs: number): number | undefined {
  const atMs = msOf(nextAttemptAt);
  return atMs !== undefined && atMs - nowMs <= longestPauseMs + 1000 ? atMs : undefined;
}

/** The call that is due, from what was read: never from what is only now decided. */
export function regenerationCallOf(i: Omit<RegenerationInput, 'answer'>): RegenerationCall | undefined {
  const { before } = i;
  if (before === undefined || before.request !== i.request || i.obstacle !== undefined) return undefined;
  if (i.nowMs < (nextAttemptMs(before, i.nowMs) ?? 0)) return undefined;
  return before.phase === 'Asked' ? 'allowance' : before.phase === 'Allowed' ? 'regenerate' : undefined;
}

export function decideRegeneration(i: RegenerationInput): RegenerationDecision {
  const { before, request } = i;
  if (request === undefined) return { status: before };
  if (before?.request !== request) return begin(i, request);
  if (i.obstacle !== undefined) return stop(before, i.obstacle, i.nowMs);
  if (i.answer === undefined) return { status: before, wakeAtMs: stillToCome(i.nowMs, nextAttemptMs(before, i.nowMs)) };
  return settle(before, i.answer, i.nowMs);
}

/**
 * A request that is under way when no key may be made any more. What only asked is over. What may have been spent already waits:
 * the authority gives the same key for it for a week, once it may be asked for.
 */
function stop(
  before: RegenerationStatus,
  { reason, message }: NonNullable<RegenerationInput['obstacle']>,
  nowMs: number,
): RegenerationDecision {
  const { nextAttemptAt: _, ...kept } = before;
  switch (before.phase) {
    case 'Asked':
      return { status: { ...kept, phase: 'Refused', phaseAt: momentOf(nowMs), reason, message } };
    case 'Allowed':
      return { status: { ...kept, reason, message } };
    default:
      return { status: before };
  }
}

function begin(i: RegenerationInput, request: string): RegenerationDecision {
  const at = request.lastIndexOf('@');
  const { desired, nowMs } = i;
  const names = desired.ok ? Object.keys(desired.keys) : [];
  const name = at > 0 ? request.slice(0, at) : names.length === 1 ? names[0] : undefined;
  const asked = { request, key: name ?? '', phaseAt: momentOf(nowMs), attempts: 0 };
  const refused = (reason: string, message: string): RegenerationDecision => ({
    status: { ...asked, phase: 'Refused', reason, message },
  });
  if (i.isOutdated) {
    const message = 'the request is older than this LicenceServer, so it was made of another one; set a moment of now';
    return refused('RequestOutdated', message);
  }
  if (i.obstacle !== undefined) return refused(i.obstacle.reason, i.obstacle.message);
  // Which key it is about is not known while one of them cannot be read: that is told elsewhere, and it waits.
  if (!desired.ok) return { status: i.before };
  if (name === undefined) {
    const message = `the request names no key; write it as NAME@MOMENT with one of ${names.join(', ') || 'spec.keys'}`;
    return refused('KeyNotNamed', message);
  }
  const key = desired.keys[name];
  if (key === undefined)
    return refused('KeyNotInSpec', `spec.keys has no key ${name}; name one of ${names.join(', ')}`);
  // Written first, acted on in the next pass.
  return { status: { ...asked, keyId: key.keyId, phase: 'Asked' }, wakeAtMs: nowMs };
}

function settle(before: RegenerationStatus, { call, answer }: RegenerationAnswer, nowMs: number): RegenerationDecision {
  const { nextAttemptAt: _, reason: __, message: ___, ...kept } = before;
  const enter = (phase: RegenerationStatus['phase'], more: Partial<RegenerationStatus>): RegenerationStatus => ({
    ...kept,
    phase,
    phaseAt: momentOf(nowMs),
    attempts: 0,
    ...more,
  });
  if (!answer.ok) {
    const { reason, message } = answer;
    if (!passing.includes(reason)) {
      const { resetAt, newestKeyId } = answer as Partial<CustomerRefusal>;
      const budget = reason === 'RegenerationLimit' ? { regenerationsLeft: 0 } : {};
      const reset = resetAt === undefined ? {} : { regenerationsResetAt: resetAt };
      const newest = newestKeyId === undefined ? '' : `; the newest one is ${newestKeyId}`;
      return { status: enter('Refused', { ...budget, ...reset, reason, message: `${message}${newest}` }) };
    }
    const attempts = before.attempts + 1;
    const askedMs = Math.min((answer.retryAfterSeconds ?? 0) * 1000, longestPauseMs);
    const pauseMs = Math.max(askedMs, backOffMs(attempts, retry.firstMs, retry.maxMs));
    const nextAttemptAt = momentOf(nowMs + pauseMs + 999);
    return { status: { ...kept, attempts, nextAttemptAt, reason, message }, wakeAtMs: msOf(nextAttemptAt) };
  }
  if (call === 'regenerate') {
    const { keyId, regenerationsLeft, regenerationsResetAt } = answer.answer;
    return {
      status: enter('Made', { newKeyId: keyId, regenerationsLeft, regenerationsResetAt }),
      wakeAtMs: nowMs,
    };
  }
  const { keyId, newestKeyId, regenerationsLeft, regenerationsResetAt } = answer.answer;
  const budget = { regenerationsLeft, regenerationsResetAt };
  if (newestKeyId !== keyId) {
    const message = `key ${keyId} is not the newest of its licence, ${newestKeyId} is; put that one into the Secret`;
    return { status: enter('Refused', { ...budget, reason: 'KeySuperseded', message }) };
  }
  if (regenerationsLeft === 0) {
    const message = `no regeneration is left this month; the next one frees up at ${regenerationsResetAt}, or ask support`;
    return { status: enter('Refused', { ...budget, reason: 'RegenerationLimit', message }) };
  }
  return { status: enter('Allowed', budget), wakeAtMs: nowMs };
}

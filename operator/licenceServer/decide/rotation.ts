import { passingFaults } from '../../../licence/keyFaults.ts';
import { asLongAgainMs, backOffMs, happenedAt, momentOf, msOf, stillToCome } from '../api/times.ts';
import type { RotationPhase, RotationStatus } from '../api/types.ts';
import type { CheckResult } from '../observe/checkResult.ts';
import type { DesiredKeys } from '../observe/keySources.ts';
import type { ServerAnswer } from '../observe/serverAnswer.ts';
import type { Gate } from './windows.ts';

/**
 * Key rotation as a state machine. The phase in `status.rotation` is the log of intent: a phase is written before it is
 * acted on, and what the pod runs follows from the phase that was read, never from the one just decided. So any operator
 * that dies at any point leaves a state from which the next one goes on, without losing the proven keys and without a
 * second roll.
 *
 *   Staged      the content changed; the running server is asked about the keys that differ, nobody is disturbed
 *   Checked     every one of them would work; waits for the window
 *   Rolling     the pod template names the new copy
 *   Proving     the new pod is ready; it must report the keys active
 *   Active      proven: this copy is what a later failure goes back to (`status.keysCopy`)
 *   RolledBack  refused: the pod template names the proven copy again; tried again after a back-off
 *
 * A fault that may pass (the authority is away) waits, it never rolls back. Not knowing (the server does not answer) is
 * no fault at all.
 */

export interface RotationInput {
  readonly nowMs: number;
  readonly desired: DesiredKeys;
  /** The copies that exist, with the digest of each key in them. */
  readonly copies: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What the Deployment is; absent: there is none. */
  readonly deployed?: {
    /** The copy that its pod template names. */
    readonly copy: string;
    /** All pods are of this template and ready, and there is one. */
    readonly settled: boolean;
  };
  /** `status.rotation` as read. */
  readonly rotation?: RotationStatus | undefined;
  /** `status.keysCopy` as read. */
  readonly proven?: string | undefined;
  readonly suspended: boolean;
  /** Whether the running server can judge a key beforehand. */
  readonly checkable: boolean;
  readonly server: ServerAnswer;
  /** What the running server said of the keys that differ, if it was asked in this pass (`checkDue`). */
  readonly check?: CheckResult | undefined;
  readonly gate: Gate;
  readonly verifyTimeoutMs: number;
  /** Value of the rotate-retry-at annotation. */
  readonly retryAt?: string | undefined;
}

export interface RotationDecision {
  /** `status.rotation` to write. */
  readonly rotation: RotationStatus | undefined;
  /** `status.keysCopy` to write. */
  readonly proven: string | undefined;
  /** The copy that the pod template is to name now; undefined: there is nothing to run with. */
  readonly run: string | undefined;
  /** The running server was asked in this pass, and would activate every one of the keys. */
  readonly checked?: boolean;
  /** When to look again at the latest. */
  readonly wakeAtMs?: number | undefined;
  /** A roll that is known to come, and what it waits for. */
  readonly waiting?: { readonly atMs?: number | undefined; readonly message: string } | undefined;
}

const retry = {
  unanswered: { firstMs: 5_000, maxMs: 15 * 60_000 },
  passing: { firstMs: 15_000, maxMs: 15 * 60_000 },
  refused: { firstMs: 10 * 60_000, maxMs: 6 * 3_600_000 },
} as const;

/** Reasons that a later look may overwrite: none of them says anything of the keys. */
const waits: readonly (string | undefined)[] = [undefined, 'ServerUnreachable', ...passingFaults];

/** The last proven copy that still exists. Without a memory (status lost) what is deployed counts as proven. */
function provenCopy(i: RotationInput): string | undefined {
  const name = i.proven ?? (i.rotation === undefined ? i.deployed?.copy : undefined);
  return name !== undefined && name in i.copies ? name : undefined;
}

/** Names of the desired keys that the proven copy does not hold in this form, in order. */
export function changedKeys(i: RotationInput): readonly string[] {
  if (!i.desired.ok) return [];
  const before = i.copies[provenCopy(i) ?? ''] ?? {};
  return Object.entries(i.desired.keys)
    .filter(([name, key]) => before[name] !== key.digest)
    .map(([name]) => name)
    .sort();
}

const begin = (i: RotationInput, copy: string, phase: RotationPhase): RotationStatus => ({
  copy,
  key: changedKeys(i).join(','),
  phase,
  startedAt: momentOf(i.nowMs),
  phaseAt: momentOf(i.nowMs),
  attempts: 0,
  ...(i.retryAt === undefined ? {} : { retriedAt: i.retryAt }),
});

/** The next phase; why the last one waited is no longer of interest. */
const enter = (s: RotationStatus, phase: RotationPhase, nowMs: number): RotationStatus => {
  const { nextAttemptAt: _, reason: __, message: ___, ...kept } = s;
  return { ...kept, phase, phaseAt: momentOf(nowMs) };
};

const held = (s: RotationStatus, reason: string, message: string): RotationStatus => ({ ...s, reason, message });

/** The rotation that is under way for the desired content; undefined: there is none to be. */
function found(i: RotationInput): RotationStatus | undefined {
  if (!i.desired.ok) return i.rotation;
  const { copy } = i.desired;
  if (i.rotation?.copy === copy) return i.rotation;
  const proven = provenCopy(i);
  const deployed = i.deployed !== undefined && i.deployed.copy in i.copies ? i.deployed.copy : undefined;
  // Status was lost while this very content was running.
  if (proven === copy && deployed === copy)
    return i.rotation === undefined && i.proven === undefined ? begin(i, copy, 'Proving') : undefined;
  // Nothing that runs, and nothing to go back to: nobody to disturb. Or a return to what was proven.
  if (proven === copy || (proven === undefined && deployed === undefined)) return begin(i, copy, 'Rolling');
  return begin(i, copy, 'Staged');
}

/** The rotation that is under way, with no moment in it that holds it up longer than the slowest pace does: it may be of a clock that was ahead. */
function current(i: RotationInput): RotationStatus | undefined {
  const s = found(i);
  if (s === undefined) return undefined;
  const phaseAt = happenedAt(i.nowMs, s.phaseAt);
  const latestMs = i.nowMs + retry.refused.maxMs;
  const isTooLate = (msOf(s.nextAttemptAt) ?? 0) > latestMs;
  if (phaseAt === s.phaseAt && !isTooLate) return s;
  return { ...s, phaseAt, ...(isTooLate ? { nextAttemptAt: momentOf(latestMs) } : {}) };
}

const retryAsked = (i: RotationInput, s: RotationStatus): boolean =>
  i.retryAt !== undefined && i.retryAt !== '' && i.retryAt !== s.retriedAt;

const attemptDue = (i: RotationInput, s: RotationStatus): boolean =>
  retryAsked(i, s) || i.nowMs >= (msOf(s.nextAttemptAt) ?? 0);

/** Whether the running server is to be asked about the changed keys in this pass. */
export function checkDue(i: Omit<RotationInput, 'check'>): boolean {
  const s = current(i);
  if (s === undefined || s.phase !== 'Staged' || !i.desired.ok || i.deployed?.copy === s.copy) return false;
  const ready = i.checkable && !i.suspended && i.server.kind === 'answered' && changedKeys(i).length > 0;
  return ready && attemptDue(i, s);
}

export function decideRotation(i: RotationInput): RotationDecision {
  const decision = decide(i);
  // A copy that is not to be seen may be seen again: the only one who knows its name is the status.
  return { ...decision, proven: decision.proven ?? i.proven };
}

function decide(i: RotationInput): RotationDecision {
  const proven = provenCopy(i);
  const deployed = i.deployed !== undefined && i.deployed.copy in i.copies ? i.deployed.copy : undefined;
  const settled: RotationDecision = { rotation: i.rotation, proven, run: deployed ?? proven };
  const s = current(i);
  if (s === undefined) return { ...settled, rotation: undefined, run: i.desired.ok ? i.desired.copy : settled.run };
  switch (s.phase) {
    case 'Staged':
      if (!i.desired.ok) return settled;
      return staged(i, s, { proven, run: deployed ?? proven ?? s.copy });
    case 'Checked':
      if (!i.desired.ok) return settled;
      return checked(i, s, { proven, run: deployed ?? proven ?? s.copy });
    case 'Rolling':
      return rolling(i, s, proven);
    case 'Proving':
      return proving(i, s, proven);
    case 'Active':
      return { rotation: s, proven: s.copy in i.copies || i.desired.ok ? s.copy : proven, run: s.copy };
    case 'RolledBack':
      return rolledBack(i, s, proven);
  }
}

interface Kept {
  readonly proven: string | undefined;
  readonly run: string;
}

function staged(i: RotationInput, before: RotationStatus, kept: Kept): RotationDecision {
  // The template already names it: the phase after this one was acted on and its record was lost.
  if (i.deployed?.copy === before.copy) return rolling(i, enter(before, 'Rolling', i.nowMs), kept.proven);
  const unchecked = !i.checkable || i.suspended || changedKeys(i).length === 0;
  const isAnswered = i.check !== undefined && i.check.kind !== 'unanswered';
  // A request is honoured by a check, and by nothing less.
  const s = (isAnswered || unchecked) && i.retryAt ? { ...before, retriedAt: i.retryAt } : before;
  if (unchecked) return checked(i, enter(s, 'Checked', i.nowMs), kept);
  if (i.check?.kind === 'usable') return { ...checked(i, enter(s, 'Checked', i.nowMs), kept), checked: true };
  if (i.check === undefined || i.check.kind === 'unanswered') {
    const due = attemptDue(i, s);
    const isAway = i.check !== undefined || i.server.kind !== 'answered';
    const again =
      i.check === undefined
        ? stillToCome(i.nowMs, msOf(s.nextAttemptAt))
        : asLongAgainMs(i.nowMs, msOf(s.phaseAt), retry.unanswered);
    return { rotation: due && isAway ? unanswered(s) : answering(s), ...kept, wakeAtMs: again };
  }
  const { kind, key, fault } = i.check;
  const attempts = s.attempts + 1;
  const atMs = i.nowMs + backOffMs(attempts, retry[kind].firstMs, retry[kind].maxMs);
  const rotation = {
    ...held(s, fault.reason, `key ${key}: ${fault.message}`),
    attempts,
    nextAttemptAt: momentOf(atMs),
  };
  // A copy that was never proven must not stay when its successor is no good either.
  const run = kind === 'refused' ? (kept.proven ?? kept.run) : kept.run;
  return { rotation, proven: kept.proven, run, wakeAtMs: atMs };
}

/** What is known of the keys stays said, also while nobody can be asked about them again. */
const unanswered = (s: RotationStatus): RotationStatus =>
  waits.includes(s.reason)
    ? held(s, 'ServerUnreachable', 'the running server does not answer, so the new keys cannot be checked yet')
    : s;

function answering(s: RotationStatus): RotationStatus {
  if (s.reason !== 'ServerUnreachable') return s;
  const { reason: _, message: __, ...kept } = s;
  return kept;
}

function checked(i: RotationInput, s: RotationStatus, kept: Kept): RotationDecision {
  if (i.deployed?.copy === s.copy) return rolling(i, enter(s, 'Rolling', i.nowMs), kept.proven);
  if (i.gate.open || i.suspended) {
    // Written first, acted on in the next pass.
    return { rotation: enter(s, 'Rolling', i.nowMs), ...kept, wakeAtMs: i.nowMs };
  }
  const { message: obstacle, opensAtMs } = i.gate;
  const message = obstacle ?? 'the new keys are checked and wait for the window';
  return {
    rotation: held(s, obstacle === undefined ? 'WaitingForWindow' : 'WaitingForClaim', message),
    ...kept,
    wakeAtMs: stillToCome(i.nowMs, opensAtMs),
    waiting: { atMs: opensAtMs, message },
  };
}

function rolling(i: RotationInput, s: RotationStatus, proven: string | undefined): RotationDecision {
  const acted = i.deployed?.copy === s.copy;
  if (!acted || !i.deployed?.settled || i.suspended) return { rotation: s, proven, run: s.copy };
  // The first copy there is: whoever has answered since runs with it.
  const isFirst = proven === undefined && Object.keys(i.copies).length === 1;
  if (isFirst && proofOf(i, s).kind === 'proven') {
    return { rotation: enter(s, 'Active', i.nowMs), proven: s.copy, run: s.copy };
  }
  return { rotation: enter(s, 'Proving', i.nowMs), proven, run: s.copy, wakeAtMs: i.nowMs };
}

type Proof =
  | { readonly kind: 'proven' }
  | { readonly kind: 'waits' | 'passing' | 'refused'; readonly fault: { reason: string; message: string } };

/** What the new pod says of the keys that this rotation is about. */
function proofOf(i: RotationInput, s: RotationStatus): Proof {
  const server = i.server;
  // Moments in status have whole seconds.
  if (server.kind !== 'answered' || server.atMs < (msOf(s.phaseAt) ?? 0)) {
    const message = server.kind === 'unreachable' ? server.message : 'the new pod has not answered yet';
    return { kind: 'passing', fault: { reason: 'ServerUnreachable', message } };
  }
  let waits: Proof | undefined;
  for (const name of s.key.split(',').filter((n) => n !== '')) {
    const wanted = i.desired.ok && i.desired.copy === s.copy ? i.desired.keys[name]?.keyId : undefined;
    const key = server.status.keys.find(
      (k) => k.name === name && (wanted === undefined || k.keyId === undefined || k.keyId === wanted),
    );
    if (key?.state === 'Active') continue;
    const fault = key?.fault && { reason: key.fault.reason, message: `key ${name}: ${key.fault.message}` };
    const passing = key?.fault !== undefined && passingFaults.includes(key.fault.reason);
    if (key?.state === 'Refused' && !passing) {
      return { kind: 'refused', fault: fault ?? { reason: 'KeyRefused', message: `key ${name} was refused` } };
    }
    if (fault !== undefined && passing) waits ??= { kind: 'passing', fault };
    else waits = { kind: 'waits', fault: fault ?? { reason: 'NotProven', message: `key ${name} is not active yet` } };
  }
  return waits ?? { kind: 'proven' };
}

function proving(i: RotationInput, s: RotationStatus, proven: string | undefined): RotationDecision {
  // Somebody put another template in place, or the pod is not there: the time for its proof begins when it is.
  if (i.deployed?.copy !== s.copy || !i.deployed.settled) {
    return { rotation: enter(s, 'Rolling', i.nowMs), proven, run: s.copy };
  }
  const proof = proofOf(i, s);
  if (proof.kind === 'proven') {
    return { rotation: enter(s, 'Active', i.nowMs), proven: s.copy, run: s.copy };
  }
  const timesOutMs = (msOf(s.phaseAt) ?? i.nowMs) + i.verifyTimeoutMs;
  const failed = proof.kind === 'refused' || (proof.kind === 'waits' && i.nowMs >= timesOutMs);
  const rotation = held(s, proof.fault.reason, proof.fault.message);
  // Nothing to go back to: a first key that is refused stays in place and says why.
  if (!failed || proven === undefined || proven === s.copy) {
    return { rotation, proven, run: s.copy, wakeAtMs: proof.kind === 'waits' && !failed ? timesOutMs : undefined };
  }
  const attempts = s.attempts + 1;
  const atMs = i.nowMs + backOffMs(attempts, retry.refused.firstMs, retry.refused.maxMs);
  return {
    rotation: {
      ...held(enter(s, 'RolledBack', i.nowMs), proof.fault.reason, proof.fault.message),
      attempts,
      nextAttemptAt: momentOf(atMs),
    },
    proven,
    // Written first, acted on in the next pass.
    run: s.copy,
    wakeAtMs: i.nowMs,
  };
}

function rolledBack(i: RotationInput, s: RotationStatus, proven: string | undefined): RotationDecision {
  // Of a cluster of which nothing is to be seen the refused copy is not taken for the one to run.
  const run = proven ?? i.deployed?.copy ?? (s.copy in i.copies ? s.copy : undefined);
  const isBack = run !== undefined && i.deployed?.copy === run && i.deployed.settled;
  if (!i.desired.ok || !isBack || !attemptDue(i, s)) {
    return { rotation: s, proven, run, wakeAtMs: stillToCome(i.nowMs, msOf(s.nextAttemptAt)) };
  }
  return { rotation: enter(s, 'Staged', i.nowMs), proven, run, wakeAtMs: i.nowMs };
}

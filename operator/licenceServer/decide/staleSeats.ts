import { durationMs } from '../../../licence/duration.ts';
import { backOffMs, happenedAt, momentOf, msOf, stillToCome } from '../api/times.ts';
import type { Spec, StaleSeatsStatus } from '../api/types.ts';
import type { Fleet } from '../observe/observed.ts';
import { clearingTimeoutMs } from '../observe/rolling.ts';
import { type ServerAnswer, staleOf } from '../observe/serverAnswer.ts';
import { type Gate, gateOfWindows } from './windows.ts';

/**
 * When stale seats are cleared, and whether a clearing helped. Pure.
 *
 * A clearing is written to `status.staleSeats.clearing` before it is acted on: its id goes into the pod template (or the
 * release call), the server clears once per id, and the count afterwards is the proof. Counts that are not known never
 * start one.
 */
export interface StaleSeatsInput {
  readonly nowMs: number;
  readonly spec: Spec['staleSeats'];
  readonly suspended: boolean;
  /** `status.staleSeats` as read. */
  readonly before: StaleSeatsStatus | undefined;
  readonly server: ServerAnswer;
  readonly deployed?:
    | {
        /** All pods are of this template and ready. */
        readonly settled: boolean;
        /** Id of the clearing that the template carries. */
        readonly clearing?: string | undefined;
      }
    | undefined;
  /** Something else is changing the pod in this very pass, or a rotation is. */
  readonly busy: boolean;
  /** Whether another server may roll now, within the fleet's budget. */
  readonly fleet: Fleet;
}

export type StaleSeatsEvent =
  | {
      readonly kind: 'StaleSeatsCleared';
      readonly by: 'Roll' | 'Release';
      readonly before: number;
      readonly after: number;
    }
  | {
      readonly kind: 'StaleSeatsRemain';
      readonly by: 'Roll' | 'Release';
      readonly before: number;
      readonly after: number;
    };

export interface StaleSeatsDecision {
  /** `status.staleSeats` to write. */
  readonly status: StaleSeatsStatus | undefined;
  /** Id that the pod template is to carry; undefined: whatever it carries. */
  readonly clearing?: string | undefined;
  /** The server is to release its stale seats in place, for this id. */
  readonly release?: string | undefined;
  readonly event?: StaleSeatsEvent | undefined;
  readonly wakeAtMs?: number | undefined;
  /** Only the fleet's budget is in the way. */
  readonly isHeld?: boolean;
  /** A clearing that is wanted, and what it waits for. */
  readonly waiting?: { readonly atMs?: number | undefined; readonly message: string } | undefined;
}

const longestBackOffMs = 24 * 3_600_000;

/**
 * No clearing before this time: minInterval after the last one, doubled for each in a row that did not help. Counted anew
 * in each pass, so that a changed minInterval holds at once.
 */
function notBeforeOf(status: StaleSeatsStatus, spec: StaleSeatsInput['spec']): number {
  const lastMs = msOf(status.lastClearing?.at);
  if (lastMs === undefined) return 0;
  const intervalMs = durationMs(spec.minInterval);
  return lastMs + Math.max(intervalMs, backOffMs((status.failures ?? 0) + 1, intervalMs, longestBackOffMs));
}

/** An absent part is left out, so that an empty status stays absent. */
function compact(s: StaleSeatsStatus): StaleSeatsStatus | undefined {
  const kept = Object.fromEntries(Object.entries(s).filter(([, v]) => v !== undefined && v !== 0)) as StaleSeatsStatus;
  return Object.keys(kept).length === 0 ? undefined : kept;
}

function sinceOf(i: StaleSeatsInput): string | undefined {
  if (i.server.kind !== 'answered') return i.before?.since;
  if (staleOf(i.server.status) === 0) return undefined;
  const told = i.server.status.products
    .flatMap((p) => (p.seatsStale > 0 && msOf(p.staleSince) !== undefined ? [msOf(p.staleSince) ?? 0] : []))
    .sort((a, b) => a - b)[0];
  return told === undefined ? (i.before?.since ?? momentOf(i.nowMs)) : momentOf(told);
}

/** What keeps a wanted clearing from starting now. */
function gateOf(i: StaleSeatsInput): Gate {
  if (i.server.kind !== 'answered') return { open: false, message: 'the server does not answer' };
  const { products } = i.server.status;
  switch (i.spec.when) {
    case 'Always':
      return { open: true };
    case 'Idle': {
      const used = products.reduce((sum, p) => sum + p.seatsInUse - p.seatsStale, 0);
      return used === 0 ? { open: true } : { open: false, message: `${used} seats are in real use` };
    }
    case 'Exhausted':
      return products.some((p) => p.holdersWaiting > 0 && p.seatsStale > 0)
        ? { open: true }
        : { open: false, message: 'nobody is waiting for a seat' };
    case 'Window': {
      const gate = gateOfWindows(i.spec.windows ?? [], i.nowMs);
      return gate.open ? gate : { ...gate, message: 'no window is open' };
    }
  }
}

/** The status as read, with no clearing that is still to come in it. */
function righted({ before, nowMs }: StaleSeatsInput): Partial<StaleSeatsStatus> {
  const { clearing, lastClearing } = before ?? {};
  return {
    ...before,
    ...(clearing && { clearing: { ...clearing, startedAt: happenedAt(nowMs, clearing.startedAt) } }),
    ...(lastClearing && { lastClearing: { ...lastClearing, at: happenedAt(nowMs, lastClearing.at) } }),
  };
}

export function decideStaleSeats(i: StaleSeatsInput): StaleSeatsDecision {
  const status: StaleSeatsStatus = { ...righted(i), since: sinceOf(i) } as StaleSeatsStatus;
  if (status.clearing !== undefined) return prove(i, status, status.clearing);
  const idle = { status: compact(status) };
  if (i.spec.policy === 'Ignore' || i.suspended || i.server.kind !== 'answered') return idle;
  const stale = staleOf(i.server.status);
  if (stale < i.spec.threshold || i.deployed === undefined) return idle;

  const notBeforeMs = notBeforeOf(status, i.spec);
  if (i.nowMs < notBeforeMs) {
    const message = 'the last clearing is too recent';
    return { ...idle, wakeAtMs: notBeforeMs, waiting: { atMs: notBeforeMs, message } };
  }
  const gate = gateOf(i);
  if (!gate.open) {
    return {
      ...idle,
      wakeAtMs: stillToCome(i.nowMs, gate.opensAtMs),
      waiting: { atMs: gate.opensAtMs, message: gate.message ?? 'the gate is closed' },
    };
  }
  // Nothing is disturbed by a release, so it waits for nobody.
  if (i.spec.policy === 'Roll') {
    if (i.busy || !i.deployed.settled)
      return { ...idle, waiting: { message: 'another change of the pod is under way' } };
    if (!i.fleet.budget) return { ...idle, isHeld: true, waiting: { message: i.fleet.message } };
  }
  const clearing = {
    id: `c${i.nowMs.toString(36)}`,
    by: i.spec.policy,
    startedAt: momentOf(i.nowMs),
    before: stale,
  };
  // Written first, acted on in the next pass.
  return { status: compact({ ...status, clearing }), wakeAtMs: i.nowMs };
}

/** Whether an answer comes from the process that was started for this clearing. */
function isOfClearing(
  answer: (ServerAnswer & { kind: 'answered' }) | undefined,
  id: string,
  startedMs: number,
): boolean {
  if (answer === undefined || answer.atMs <= startedMs) return false;
  const told = answer.status.clearing?.id;
  // A request by hand may stand behind the id (see `clearingIdOf`).
  return told === id || told?.startsWith(`${id}.`) === true || (msOf(answer.status.startedAt) ?? 0) > startedMs;
}

/** A clearing is in flight: act on it again, or read its outcome. It ends in every case, so that it blocks nobody for ever. */
function prove(
  i: StaleSeatsInput,
  status: StaleSeatsStatus,
  clearing: NonNullable<StaleSeatsStatus['clearing']>,
): StaleSeatsDecision {
  const { clearing: _, ...rest } = status;
  // There is no pod any more that it could be about.
  if (i.suspended) return { status: compact(rest) };
  const startedMs = msOf(clearing.startedAt) ?? 0;
  const answer = i.server.kind === 'answered' ? i.server : undefined;
  const after = answer === undefined ? undefined : staleOf(answer.status);
  const acted =
    clearing.by === 'Release'
      ? // Counts from before the call say nothing about it.
        after !== undefined && after < i.spec.threshold && (answer?.atMs ?? 0) > startedMs
      : i.deployed?.clearing === clearing.id && i.deployed.settled && isOfClearing(answer, clearing.id, startedMs);
  const endsAtMs = startedMs + clearingTimeoutMs;
  if (!acted && i.nowMs < endsAtMs) {
    const act = clearing.by === 'Roll' ? { clearing: clearing.id } : { release: clearing.id };
    return { status: compact(status), ...act, wakeAtMs: endsAtMs };
  }
  const helped = after !== undefined && after < i.spec.threshold;
  const failures = helped ? 0 : (status.failures ?? 0) + 1;
  // Of a server that does not answer nothing is known to have been cleared.
  const outcome = { by: clearing.by, before: clearing.before, after: after ?? clearing.before };
  return {
    status: compact({ ...rest, failures, lastClearing: { at: momentOf(i.nowMs), ...outcome } }),
    event: { kind: helped ? 'StaleSeatsCleared' : 'StaleSeatsRemain', ...outcome },
    // When the next one may come is for the next pass to say.
    wakeAtMs: i.nowMs,
  };
}

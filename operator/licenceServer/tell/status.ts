import { isDeepStrictEqual } from 'node:util';
import { removeConditions, setConditions } from '../../kube/conditions.ts';
import { canonical } from '../api/digest.ts';
import type { Fault } from '../api/fault.ts';
import { selectorOf } from '../api/owner.ts';
import { earliest, momentOf, msOf } from '../api/times.ts';
import type { KeyView, LicenceServer, Status } from '../api/types.ts';
import { addressOf } from '../build/service.ts';
import { staleOf } from '../observe/serverAnswer.ts';
import { isNewRoll } from '../pod/lastRoll.ts';
import { backupStatus } from './backedUp.ts';
import { conditionsOf, passingTypes, troubleOf } from './conditions.ts';
import type { Said, Seen } from './seen.ts';
import { graceMs, missingOf, missingStatusOf } from './waits.ts';

/**
 * `status` from what was seen, decided and applied. Pure. Counts alone change a status at most once a minute, so that a
 * busy server costs no stream of writes; everything else, and the counts with it, is told at once.
 */
const countsEveryMs = 60_000;

/** More than a person reads, and less than the API server refuses (32,768). */
const longestWords = 4_096;

/** The conditions as they are, with what is said now put in. */
export const withConditions = (
  before: Status,
  said: readonly Said[],
  generation: number,
  nowMs: number,
): Status['conditions'] =>
  setConditions(
    before.conditions?.map(({ observedGeneration, ...rest }) => ({
      ...rest,
      ...(observedGeneration === undefined ? {} : { observedGeneration }),
    })),
    said.map(({ fleeting: _, message, ...condition }) => ({
      ...condition,
      message: message.slice(0, longestWords),
      observedGeneration: generation,
    })),
    nowMs,
  );

/** Without the conditions that are said only while they do not hold, and are not said now. */
const withoutPassed = (before: Status, said: readonly Said[]): Status => {
  const passed = passingTypes.filter((type) => !said.some((condition) => condition.type === type));
  return before.conditions === undefined
    ? before
    : { ...before, conditions: removeConditions(before.conditions as never, passed) as never };
};

/** The status of a LicenceServer that is refused: everything else stays as it was last seen. */
export function refusedStatus(server: LicenceServer, { reason, message }: Fault, nowMs: number): Status {
  const before = server.status ?? {};
  const generation = server.metadata.generation ?? 0;
  const said: Said[] = [
    { type: 'Ready', status: 'False', reason, message },
    { type: 'Reconciling', status: 'False', reason: 'Stalled', message: 'it waits for a person' },
    { type: 'Stalled', status: 'True', reason, message },
  ];
  return { ...before, observedGeneration: generation, conditions: withConditions(before, said, generation, nowMs) };
}

/** The status of a LicenceServer that is being deleted and waits for something. */
export function terminatingStatus(server: LicenceServer, message: string, nowMs: number): Status {
  const before = server.status ?? ({} as Status);
  const reason = 'Terminating';
  const said: Said[] = [
    { type: 'Ready', status: 'False', reason, message },
    { type: 'Reconciling', status: 'True', reason, message },
    { type: 'Stalled', status: 'False', reason: 'NotStalled', message: 'nothing needs a person' },
  ];
  return { ...before, conditions: withConditions(before, said, server.metadata.generation ?? 0, nowMs) };
}

/** Names are unique in the list; a key that has none of its own goes by its keyId. */
function keysOf(seen: Seen): KeyView[] | undefined {
  const { server } = seen.observed;
  if (server.kind !== 'answered') return seen.before.keys;
  const taken = new Set<string>();
  return server.status.keys.flatMap((key): KeyView[] => {
    const { seatLimit: _, expiresAt: __, fault, name, ...rest } = key;
    const shown = [name, key.keyId, `${name ?? 'key'}-${key.state.toLowerCase()}`].find(
      (n) => n !== undefined && !taken.has(n),
    );
    if (shown === undefined) return [];
    taken.add(shown);
    return [
      {
        ...rest,
        name: shown,
        ...(fault === undefined ? {} : { reason: fault.reason, message: fault.message }),
      } as KeyView,
    ];
  });
}

type Counts = Pick<Status, 'products' | 'seats' | 'seatsStale' | 'supportUntil' | 'version' | 'keys'>;

function countsOf(seen: Seen): Counts {
  const { server } = seen.observed;
  if (server.kind !== 'answered') {
    const { products, seats, seatsStale, supportUntil, version, keys } = seen.before;
    return { products, seats, seatsStale, supportUntil, version, keys } as Counts;
  }
  const { products } = server.status;
  const sum = (of: 'seatsInUse' | 'seatLimit') => products.reduce((total, p) => total + p[of], 0);
  const terms = products.flatMap((p) => (p.supportUntil === undefined ? [] : [p.supportUntil])).sort();
  return {
    version: server.status.version,
    seats: `${sum('seatsInUse')}/${sum('seatLimit')}`,
    seatsStale: staleOf(server.status),
    ...(terms[0] === undefined ? {} : { supportUntil: terms[0] }),
    products: products.map(
      ({ staleSince: _, holdersWaiting: __, ...counts }) => counts as NonNullable<Status['products']>[number],
    ),
    keys: keysOf(seen),
  } as Counts;
}

/** What was restored is told for good: it is the memory that it was. */
const restoreStatusOf = ({ valid: { restore }, before }: Seen): Status['restore'] =>
  restore.kind === 'over' ? (restore.report as Status['restore']) : before.restore;

export interface StatusToWrite {
  readonly status: Status;
  /** When to look again for what it holds back, or says only for a time. */
  readonly dueAtMs?: number;
}

export function statusOf(server: LicenceServer, seen: Seen): StatusToWrite {
  const { valid, observed, plan, before } = seen;
  const { owner, spec } = valid;
  const nowMs = observed.atMs;
  const fingerprint = observed.fingerprint ?? before.fingerprint;
  const said = conditionsOf(seen);
  const next: Record<string, unknown> = {
    ...countsOf(seen),
    observedGeneration: server.metadata.generation ?? 0,
    conditions: withConditions(withoutPassed(before, said), said, server.metadata.generation ?? 0, nowMs),
    replicas: observed.deployment?.replicas ?? 0,
    selector: Object.entries(selectorOf(owner))
      .map(([k, v]) => `${k}=${v}`)
      .join(','),
    fingerprint,
    trouble: troubleOf(seen),
    missing: missingStatusOf(seen),
    address: addressOf(owner, spec),
    image: plan.pod?.image ?? observed.deployment?.facts.image,
    keysCopy: plan.rotation.proven,
    rotation: plan.rotation.rotation,
    regeneration: plan.regeneration.status,
    reactivation: plan.reactivation,
    staleSeats: plan.staleSeats.status,
    restore: restoreStatusOf(seen),
    backup: backupStatus(seen),
    nextDisruption: plan.nextDisruption,
    // What this pass has made roll counts even if the clock was set back since the last one.
    lastRoll:
      plan.reasons.length > 0 || isNewRoll(seen.rolled, before.lastRoll)
        ? (seen.rolled ?? before.lastRoll)
        : before.lastRoll,
    seatsObservedAt: before.seatsObservedAt,
  };
  const { status, dueAtMs } = heldBack(before, JSON.parse(JSON.stringify(next)) as Status, said, nowMs);
  // A wait that is over by then is told as a stall.
  const missing = missingOf(seen);
  const overAtMs = missing !== undefined && missing.sinceMs + graceMs > nowMs ? missing.sinceMs + graceMs : undefined;
  const lookAtMs = earliest(dueAtMs, overAtMs);
  return { status, ...(lookAtMs === undefined ? {} : { dueAtMs: lookAtMs }) };
}

/** The status as it would be if the server had told the same counts, in the same words, as before. */
function withOldCounts(before: Status, next: Status, said: readonly Said[]): Status {
  const { products, seats, seatsStale, seatsObservedAt, trouble, nextDisruption: wait } = before;
  const wordsOf = (type: string) => before.conditions?.find((condition) => condition.type === type)?.message;
  const isFleeting = (type: string) => said.some((condition) => condition.type === type && condition.fleeting);
  const isSameWait = wait?.at === next.nextDisruption?.at && `${wait?.reasons}` === `${next.nextDisruption?.reasons}`;
  return {
    ...next,
    ...{ products, seats, seatsStale, seatsObservedAt },
    trouble: trouble === undefined ? next.trouble : next.trouble && trouble,
    nextDisruption: isSameWait ? wait : next.nextDisruption,
    conditions: next.conditions?.map((condition) =>
      isFleeting(condition.type) ? { ...condition, message: wordsOf(condition.type) ?? condition.message } : condition,
    ),
  };
}

/**
 * The status to write, and when the counts that it holds back may be written.
 * @param before as read
 * @param next as it would be without holding back
 */
function heldBack(before: Status, next: Status, said: readonly Said[], nowMs: number): StatusToWrite {
  // By far the most frequent: no canonical text of either is made for it.
  if (isDeepStrictEqual(next, before)) return { status: before };
  const lastMs = msOf(before.seatsObservedAt) ?? 0;
  const isSame = () => canonical(withOldCounts(before, next, said)) === canonical(before);
  if (nowMs - lastMs < countsEveryMs && isSame()) {
    return { status: before, dueAtMs: lastMs + countsEveryMs };
  }
  return { status: { ...next, seatsObservedAt: momentOf(nowMs) } };
}

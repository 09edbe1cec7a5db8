import { passingFaults } from '../../../licence/keyFaults.ts';
import { differences } from '../../kube/difference.ts';
import { hashOf } from '../../kube/hashOf.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Defaults } from '../api/defaults.ts';
import type { Fault } from '../api/fault.ts';
import {
  appliedHash,
  askedDigests,
  contentDigest,
  lastRoll,
  pacedAt,
  podMarks,
  templateDigest,
} from '../api/metadata.ts';
import { namesOf } from '../api/names.ts';
import { momentOf, msOf, stillToCome } from '../api/times.ts';
import type { NextDisruption, Status } from '../api/types.ts';
import { type Children, childrenOf, kindOf, removable } from '../build/children.ts';
import { type Plan, plan } from '../decide/plan.ts';
import type { RestartReason } from '../decide/restart.ts';
import type { Roll } from '../decide/roll.ts';
import { rotationGate } from '../decide/rotationInput.ts';
import { targetOf } from '../decide/target.ts';
import type { Valid } from '../decide/validate.ts';
import type { Observed } from '../observe/observed.ts';
import { askedOf } from '../pod/asked.ts';
import { factsOf } from '../pod/facts.ts';
import { doubtsBrought, type RulesSeen } from './rulesBrought.ts';

/**
 * What this operator would do with a LicenceServer, told beforehand: what is made or changed, what restarts, why, and what
 * that waits for. Pure, and of the same validate → plan → build that does it later.
 */
export interface Preview {
  readonly namespace: string;
  readonly name: string;
  readonly outcome: 'Refused' | 'Restarts' | 'Created' | 'Changes' | 'Unchanged';
  /** Why nothing of it would be done. */
  readonly refusal?: Fault;
  /** Restarts of the pod, in their order. */
  readonly restarts: readonly Restart[];
  /** Objects that are made or changed; those that stay are left out. */
  readonly children: readonly ChildChange[];
  /** Seats, a product each, as they were last told. */
  readonly seats: readonly Seats[];
  /** What is known of rolls for other reasons. */
  readonly nextDisruption?: NextDisruption;
  /** What a person should know besides. */
  readonly notes: readonly string[];
}

export interface Restart {
  readonly reasons: readonly RestartReason[];
  /** One sentence. */
  readonly when: string;
  /** Earliest time, if it waits for one. */
  readonly at?: string;
  /** It is one of a fleet, paced over all servers: which turn it has, from 1. */
  readonly turn?: number;
}

export interface ChildChange {
  readonly kind: string;
  readonly name: string;
  readonly action: 'create' | 'change' | 'remove';
  /** Fields that become different; none may be known if a field is only taken away. */
  readonly fields: readonly string[];
}

export interface Seats {
  readonly product: string;
  readonly inUse: number;
  readonly limit: number;
}

export interface PreviewInput {
  readonly valid: Valid;
  readonly status: Status;
  readonly observed: Observed;
  readonly defaults: Defaults;
  /** A child as it is in the cluster; `unseen` if that cannot be known. */
  readonly live: (kind: string, name: string) => KubeObject | 'unseen' | undefined;
  /** Seat rules as they are in the cluster, if there is such a server, and as they are going to be. */
  readonly rules: { readonly before: RulesSeen | undefined; readonly after: RulesSeen };
}

/** A preview whose place among the other servers is still to be found. */
export interface Unpaced extends Preview {
  /** Index in `restarts` of the one that is paced over the fleet. */
  readonly paced: number | undefined;
}

export const seatsOf = (status: Status): readonly Seats[] =>
  (status.products ?? []).map(({ product, seatsInUse, seatLimit }) => ({
    product,
    inUse: seatsInUse,
    limit: seatLimit,
  }));

export function previewOf(input: PreviewInput): Unpaced {
  const { valid, status, observed, defaults, rules } = input;
  const { owner, requests, spec } = valid;
  const now = plan(valid, status, observed, defaults);
  const target = targetOf(valid, observed, defaults);
  const isNew = observed.deployment === undefined;
  const isBlocked = isNew && valid.missing.length > 0;
  const pod = isBlocked
    ? undefined
    : target.pod && { ...target.pod, pacedAt: now.pod?.pacedAt, lastRoll: now.pod?.lastRoll };
  const children = changesOf(childrenOf(valid, { ...now, pod }, observed, defaults), input);
  const copy = valid.desiredKeys.ok ? valid.desiredKeys.copy : undefined;
  const made = [
    ...(observed.identityExists || !valid.makesIdentity ? [] : [namesOf(owner.name).identity]),
    ...(copy === undefined || copy in observed.copies ? [] : [copy]),
  ].map((name): ChildChange => ({ kind: 'Secret', name, action: 'create', fields: [] }));
  const after = planAfter(input, now, target);
  const { restarts, paced, ...told } = requests.paused
    ? { restarts: [], paced: undefined, notes: [] }
    : restartsOf(input, now, target, after);
  const nextDisruption = (now.rotation.waiting === undefined ? after : now).nextDisruption;
  const keysFault = valid.desiredKeys.ok ? [] : [valid.desiredKeys.message];
  const notes = [
    ...(observed.deployment?.restartReason !== undefined && !observed.deployment.settled && !spec.suspend
      ? [`its pod is not up yet since its last roll, for ${observed.deployment.restartReason}`]
      : []),
    ...told.notes,
    ...(requests.paused && target.reasons.length > 0
      ? [`it is paused: ${target.reasons.join(', ')} would restart it once the pause annotation is removed`]
      : []),
    ...(now.regeneration.status?.phase === 'Asked' && status.regeneration?.request !== requests.regenerateAt
      ? [
          `a new key of ${now.regeneration.status.key} is going to be made, which spends one of the month's regenerations`,
        ]
      : []),
    ...keysFault.map((message) => `${message}; the running keys stay`),
    ...valid.missing.map(({ message }) => message),
    ...doubtsBrought(rules.before, rules.after, status.products).map((doubt) => `seat rules: ${doubt}`),
  ];
  const changes = [...made, ...children];
  return {
    namespace: owner.namespace,
    name: owner.name,
    outcome:
      restarts.length > 0 && !spec.suspend
        ? 'Restarts'
        : isNew
          ? 'Created'
          : changes.length > 0
            ? 'Changes'
            : 'Unchanged',
    restarts: spec.suspend ? [] : restarts,
    children: requests.paused ? [] : changes,
    seats: seatsOf(status),
    ...(nextDisruption === undefined ? {} : { nextDisruption }),
    notes,
    paced: spec.suspend ? undefined : paced,
  };
}

/** What restarts now, and what restarts in the passes after it: for keys, once they were checked, and for stale seats. */
function restartsOf(
  input: PreviewInput,
  now: Plan,
  target: Roll,
  after: Plan,
): { readonly restarts: readonly Restart[]; readonly paced: number | undefined; readonly notes: readonly string[] } {
  const restarts: Restart[] = [];
  let paced: number | undefined;
  const first = now.reasons;
  if (first.length > 0) {
    if (now.countsInFleet) paced = 0;
    restarts.push({ reasons: first, when: 'at once' });
  }
  const keys =
    target.reasons.includes('KeysChanged') && !first.includes('KeysChanged') ? keysOf(input, now) : undefined;
  if (keys?.restart !== undefined) restarts.push(keys.restart);
  const { clearing } = after.staleSeats.status ?? {};
  const next = after.staleSeats.waiting?.atMs;
  const { when } = input.valid.spec.staleSeats;
  if (clearing?.by === 'Roll' && !first.includes('StaleSeats')) {
    paced ??= restarts.length;
    restarts.push({ reasons: ['StaleSeats'], when: restarts.length === 0 ? 'at once' : 'after that' });
  } else if (
    next !== undefined &&
    input.valid.spec.staleSeats.policy === 'Roll' &&
    ['Always', 'Window'].includes(when)
  ) {
    const reason = after.staleSeats.waiting?.message ?? '';
    restarts.push({ reasons: ['StaleSeats'], when: `not before its time: ${reason}`, at: momentOf(next) });
  }
  return { restarts, paced, notes: keys?.notes ?? [] };
}

/** When the pod restarts for keys that differ, if it does as things stand. */
function keysOf(
  { valid: { spec, requests }, observed }: PreviewInput,
  { rotation: { rotation } }: Plan,
): { readonly restart?: Restart; readonly notes: readonly string[] } {
  const { attempts = 0, message = '', nextAttemptAt, reason = '', retriedAt } = rotation ?? {};
  const isRetried = requests.rotateRetryAt !== undefined && requests.rotateRetryAt !== retriedAt;
  const waitsUntil = isRetried ? undefined : stillToCome(observed.atMs, msOf(nextAttemptAt));
  if (waitsUntil !== undefined && !(passingFaults as readonly string[]).includes(reason)) {
    const times = `${attempts} ${attempts === 1 ? 'time' : 'times'}`;
    const note = `the keys were refused ${times} (${reason}: ${message}); they are tried again at ${nextAttemptAt}, and the pod restarts only if they are accepted then`;
    return { notes: [note] };
  }
  const gate = rotationGate(spec, observed.atMs);
  const atMs = gate.open ? waitsUntil : Math.max(waitsUntil ?? 0, gate.opensAtMs ?? 0) || undefined;
  const checked = 'after the running server has checked the new keys with the authority';
  const restart: Restart = {
    reasons: ['KeysChanged'],
    when: gate.open ? checked : `${checked}, inside the next window`,
    ...(atMs === undefined ? {} : { at: momentOf(atMs) }),
  };
  return { restart, notes: waitsUntil === undefined ? [] : [`${message}; it is tried again at ${nextAttemptAt}`] };
}

/** The plan of a later pass, when all that is asked for now has been done: what comes then comes by itself. */
function planAfter(input: PreviewInput, now: Plan, target: Roll): Plan {
  const { valid, status, observed, defaults } = input;
  const { deployment } = observed;
  if (deployment === undefined || target.pod === undefined || valid.requests.paused) return now;
  const { keys } = target.pod;
  const at = momentOf(observed.atMs);
  const facts = factsOf(valid.owner, valid.spec, target.pod);
  return plan(
    valid,
    {
      ...status,
      keysCopy: keys,
      rotation: { copy: keys, key: '', phase: 'Active', startedAt: at, phaseAt: at, attempts: 0 },
      ...(now.staleSeats.status === undefined ? {} : { staleSeats: now.staleSeats.status }),
    },
    {
      ...observed,
      copies: { ...observed.copies, [keys]: observed.copies[keys] ?? {} },
      deployment: { ...deployment, facts, asked: askedOf(valid.spec), settled: true, failure: undefined },
    },
    defaults,
  );
}

/** Annotations that say what was done, and so change with everything else. */
const bookkeeping: readonly string[] = [
  appliedHash,
  askedDigests,
  lastRoll,
  pacedAt,
  templateDigest,
  podMarks.facts,
  podMarks.restartReason,
];
const isTold = (path: string) => !bookkeeping.some((annotation) => path.endsWith(`annotations.${annotation}`));

function changesOf(children: Children, { observed, live, valid }: PreviewInput): readonly ChildChange[] {
  const changes: ChildChange[] = [];
  for (const child of Object.values(children) as (KubeObject | undefined)[]) {
    if (child === undefined) continue;
    const { name } = child.metadata;
    const kind = child.kind ?? '';
    const there = live(kind, name);
    if (there === undefined) {
      changes.push({ kind, name, action: 'create', fields: [] });
      continue;
    }
    // What is named by its content is the same as long as its name is.
    if (there === 'unseen' || child.immutable === true) continue;
    const digest = child.metadata.annotations?.[contentDigest];
    if (kind === 'ConfigMap' && digest !== undefined) {
      if (there.metadata.annotations?.[contentDigest] === digest) continue;
      changes.push({ kind, name, action: 'change', fields: ['data'] });
      continue;
    }
    if (there.metadata.annotations?.[appliedHash] === hashOf(child)) continue;
    const fields = differences(child, there)
      .map(({ path }) => path)
      .filter(isTold);
    if (fields.length > 0 || there.metadata.annotations?.[appliedHash] !== undefined) {
      changes.push({ kind, name, action: 'change', fields });
    }
  }
  for (const [child, nameOf] of Object.entries(removable) as [keyof typeof removable, (name: string) => string][]) {
    if (children[child] !== undefined) continue;
    const { kind } = kindOf[child];
    const name = nameOf(valid.owner.name);
    const there = live(kind, name);
    const isOurs =
      there !== 'unseen' && there?.metadata.ownerReferences?.some((owner) => owner.uid === valid.owner.uid);
    if (isOurs && observed.deployment !== undefined) changes.push({ kind, name, action: 'remove', fields: [] });
  }
  return changes;
}

/** Who rolls now, and who has failed, as the fleet's budget counts it. */
export interface Pace {
  readonly maxRollouts: number;
  /** Servers that hold a place now. */
  readonly rolling: readonly string[];
  /** A server whose roll has failed: all others wait. */
  readonly failed: string | undefined;
}

/** Gives each server of a fleet rollout its turn, in the order given. */
export function paceOf(previews: readonly Unpaced[], pace: Pace): readonly Preview[] {
  const { maxRollouts, rolling, failed } = pace;
  const keyOf = ({ namespace, name }: Preview) => `${namespace}/${name}`;
  const rollers = previews.filter(({ paced }) => paced !== undefined);
  const size = rollers.length;
  // Whoever is to roll again has its place already.
  let place = rolling.filter((key) => !rollers.some((preview) => keyOf(preview) === key)).length;
  return previews.map(({ paced, ...preview }): Preview => {
    if (paced === undefined) return preview;
    const turn = Math.floor(place++ / maxRollouts) + 1;
    const isBlocked = failed !== undefined && failed !== keyOf(preview as Preview);
    const when = isBlocked
      ? `not before LicenceServer ${failed} is put right, or paused: its roll has failed`
      : turn === 1
        ? size > maxRollouts
          ? `at once, before the others: ${maxRollouts} at a time`
          : 'at once'
        : `in turn ${turn}: ${maxRollouts} at a time, when those before it are ready again`;
    const restarts = preview.restarts.map((restart, at) => (at === paced ? { ...restart, when, turn } : restart));
    return { ...preview, restarts };
  });
}

import { differences } from '../../kube/difference.ts';
import { hashOf } from '../../kube/hashOf.ts';
import type { KubeObject } from '../../kube/object.ts';
import { namesOf } from '../api/names.ts';
import { momentOf } from '../api/times.ts';
import {
  appliedHash,
  contentDigest,
  type NextDisruption,
  podMarks,
  type Status,
  templateDigest,
} from '../api/types.ts';
import { type Children, childrenOf, kindOf, removable } from '../build/children.ts';
import { type Defaults, plan, rotationGate, targetOf } from '../decide/plan.ts';
import type { RestartReason } from '../decide/restart.ts';
import type { Fault, Valid } from '../decide/validate.ts';
import type { Observed } from '../observe/observed.ts';

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
  const { valid, status, observed, defaults } = input;
  const { owner, requests, spec } = valid;
  const now = plan(valid, status, observed, defaults);
  const target = targetOf(valid, observed, defaults);
  const isNew = observed.deployment === undefined;
  const isBlocked = isNew && valid.missing.length > 0;
  const pod = isBlocked ? undefined : target.pod;
  const children = changesOf(childrenOf(valid, { ...now, pod }, observed, defaults), input);
  const copy = valid.desiredKeys.ok ? valid.desiredKeys.copy : undefined;
  const made = [
    ...(observed.identityExists || !valid.makesIdentity ? [] : [namesOf(owner.name).identity]),
    ...(copy === undefined || copy in observed.copies ? [] : [copy]),
  ].map((name): ChildChange => ({ kind: 'Secret', name, action: 'create', fields: [] }));
  const { restarts, paced } = requests.paused ? { restarts: [], paced: undefined } : restartsOf(input, now, target);
  const keysFault = valid.desiredKeys.ok ? [] : [valid.desiredKeys.message];
  const notes = [
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
    ...(now.nextDisruption === undefined ? {} : { nextDisruption: now.nextDisruption }),
    notes,
    paced: spec.suspend ? undefined : paced,
  };
}

/** What restarts now, and what restarts once the new keys were checked and their window is open. */
function restartsOf(
  { valid: { spec }, observed }: PreviewInput,
  now: ReturnType<typeof plan>,
  target: ReturnType<typeof targetOf>,
): { readonly restarts: readonly Restart[]; readonly paced: number | undefined } {
  const restarts: Restart[] = [];
  const first = [...now.reasons, ...now.pending];
  if (first.length > 0) restarts.push({ reasons: first, when: 'at once' });
  if (target.reasons.includes('KeysChanged') && !first.includes('KeysChanged')) {
    const gate = rotationGate(spec, observed.atMs);
    const checked = 'after the running server has checked the new keys with the authority';
    restarts.push({
      reasons: ['KeysChanged'],
      when: gate.open ? checked : `${checked}, inside the next window`,
      ...(gate.open || gate.opensAtMs === undefined ? {} : { at: momentOf(gate.opensAtMs) }),
    });
  }
  const isPaced = first.length > 0 && (now.countsInFleet || now.waitsForFleet);
  return { restarts, paced: isPaced ? 0 : undefined };
}

/** Annotations that say what was done, and so change with everything else. */
const bookkeeping: readonly string[] = [appliedHash, templateDigest, podMarks.restartReason];
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
  /** Servers other than those that are previewed that roll now. */
  readonly rolling: number;
  /** A server whose roll has failed: all others wait. */
  readonly failed: string | undefined;
}

/** Gives each server of a fleet rollout its turn, in the order given. */
export function paceOf(previews: readonly Unpaced[], pace: Pace): readonly Preview[] {
  const { maxRollouts, rolling, failed } = pace;
  const size = previews.filter(({ paced }) => paced !== undefined).length;
  let place = rolling;
  return previews.map(({ paced, ...preview }): Preview => {
    if (paced === undefined) return preview;
    const turn = Math.floor(place++ / maxRollouts) + 1;
    const isBlocked = failed !== undefined && failed !== `${preview.namespace}/${preview.name}`;
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

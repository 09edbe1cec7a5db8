import { digestOf } from '../api/digest.ts';
import { namesOf } from '../api/names.ts';
import { durationMs, earliest, momentOf } from '../api/times.ts';
import type { NextDisruption, ReactivationStatus, Spec, Status } from '../api/types.ts';
import { configMap, settingsOf } from '../build/configMap.ts';
import type { Marks, PodParts } from '../build/deployment.ts';
import { factsOf, restOf } from '../build/deployment.ts';
import type { Observed } from '../observe/observed.ts';
import { decideReactivation } from './reactivation.ts';
import { decideRegeneration, type RegenerationDecision, regenerationInputOf } from './regeneration.ts';
import { type RestartReason, restartReasonsOf } from './restart.ts';
import { decideRotation, type RotationDecision, type RotationInput } from './rotation.ts';
import { decideStaleSeats, type StaleSeatsDecision } from './staleSeats.ts';
import type { Valid } from './validate.ts';
import { type Gate, gateOfWindows } from './windows.ts';

/** What the operator's own configuration adds. */
export interface Defaults {
  /** Image of servers whose spec names none. */
  readonly image: string;
  readonly operatorNamespace?: string | undefined;
  readonly monitoringNamespace?: string | undefined;
  /** New keys may be asked for, with a customer's token. */
  readonly regeneration?: boolean;
  /** Where the runbooks are, for alerts. */
  readonly runbooks: string;
}

/** What is to be done in this pass: decided here, done by `build` and `apply`, told by `status`. Pure. */
export interface Plan {
  /** What the pod is made from; undefined: the Deployment is left as it is, or not made yet. */
  readonly pod: PodParts | undefined;
  /** Why the pod rolls in this pass. */
  readonly reasons: readonly RestartReason[];
  /** Why it would roll if it were allowed to. */
  readonly pending: readonly RestartReason[];
  readonly rotation: RotationDecision;
  readonly regeneration: RegenerationDecision;
  readonly reactivation: ReactivationStatus | undefined;
  readonly staleSeats: StaleSeatsDecision;
  readonly nextDisruption: NextDisruption | undefined;
  /** It rolls by the operator's own decision, so it counts in the fleet's budget. */
  readonly countsInFleet: boolean;
  /** It wants to, and other servers are in its way. */
  readonly waitsForFleet: boolean;
  /** Nothing but status is written. */
  readonly paused: boolean;
  /** When to look again at the latest. */
  readonly wakeAtMs: number | undefined;
}

/** What can come from the operator's own upgrade, so that it is paced over the fleet. */
const paced: readonly RestartReason[] = ['ImageChanged', 'ConfigChanged', 'TemplateChanged'];

/** When the pod may roll for new keys. */
export const rotationGate = (spec: Spec, nowMs: number): Gate =>
  spec.keyRotation.when === 'Always' ? { open: true } : gateOfWindows(spec.staleSeats.windows ?? [], nowMs);

/** What the rotation is decided from; `observe` uses it too, to know whether a check is due. */
export function rotationInputOf(valid: Valid, status: Status, observed: Omit<Observed, 'check'>): RotationInput {
  const { spec } = valid;
  const deployment = observed.deployment;
  return {
    nowMs: observed.atMs,
    desired: valid.desiredKeys,
    copies: observed.copies,
    ...(deployment === undefined ? {} : { deployed: { copy: deployment.facts.keys, settled: deployment.settled } }),
    rotation: status.rotation,
    proven: status.keysCopy,
    suspended: spec.suspend,
    checkable: true,
    server: observed.server,
    gate: rotationGate(spec, observed.atMs),
    verifyTimeoutMs: durationMs(spec.keyRotation.verifyTimeout),
    retryAt: valid.requests.rotateRetryAt,
  };
}

export function plan(valid: Valid, status: Status, observed: Observed, defaults: Defaults): Plan {
  const { owner, spec } = valid;
  const before = observed.deployment;
  if (valid.requests.paused) return pausedPlan(valid, status, observed, defaults);

  const rotation = decideRotation({ ...rotationInputOf(valid, status, observed), check: observed.check });
  const isEnabled = defaults.regeneration === true;
  const asking = { ...regenerationInputOf(valid, status, observed.atMs, isEnabled), answer: observed.regeneration };
  const regeneration = decideRegeneration(asking);
  const parts = partsOf(valid, observed, defaults, rotation.run);
  const asked =
    before === undefined || parts === undefined ? [] : restartReasonsOf(before.facts, factsOf(owner, spec, parts));
  const isRotating = rotation.rotation !== undefined && ['Rolling', 'Proving'].includes(rotation.rotation.phase);
  const staleSeats = decideStaleSeats({
    nowMs: observed.atMs,
    spec: spec.staleSeats,
    suspended: spec.suspend,
    before: status.staleSeats,
    server: observed.server,
    deployed: before && { settled: before.settled, clearing: before.facts.clearing },
    busy: isRotating || asked.length > 0,
    budget: observed.fleet.budget,
  });
  const marked = parts && withMarks(parts, { clearing: staleSeats.clearing ?? parts.marks.clearing });
  const wanted =
    before === undefined || marked === undefined ? [] : restartReasonsOf(before.facts, factsOf(owner, spec, marked));

  // Nothing that a person asked for in this pass: the operator itself has changed, and its whole fleet with it.
  const isFleetRollout =
    wanted.length > 0 && valid.generation === status.observedGeneration && wanted.every((r) => paced.includes(r));
  const held = isFleetRollout && !observed.fleet.budget && !spec.suspend;
  const blocked = before === undefined && valid.missing.length > 0;
  const reasons = held || blocked ? [] : wanted;
  const pod = held || blocked || marked === undefined ? undefined : withReason(marked, before?.restartReason, reasons);
  return {
    pod,
    reasons,
    pending: held ? wanted : [],
    rotation,
    regeneration,
    reactivation: decideReactivation({
      nowMs: observed.atMs,
      request: valid.requests.reactivateAt,
      before: status.reactivation,
      keys: status.keys,
      names: (spec.keys ?? []).map((key) => key.name),
      server: observed.server,
      deployed: before && { settled: before.settled, reactivation: before.facts.reactivation },
    }),
    staleSeats,
    nextDisruption: nextDisruptionOf(observed, rotation, staleSeats, held ? wanted : []),
    countsInFleet:
      (isFleetRollout && reasons.length > 0) ||
      (status.staleSeats?.clearing === undefined && staleSeats.status?.clearing?.by === 'Roll'),
    waitsForFleet: held || staleSeats.waitsForFleet === true,
    paused: false,
    wakeAtMs: earliest(
      rotation.wakeAtMs,
      regeneration.wakeAtMs,
      staleSeats.wakeAtMs,
      held ? observed.atMs + 5_000 : undefined,
    ),
  };
}

/** Where all of this leads once nothing is in its way any more: what the pod is made from then, and why it rolls for it. */
export function targetOf(
  valid: Valid,
  observed: Observed,
  defaults: Defaults,
): { readonly pod: PodParts | undefined; readonly reasons: readonly RestartReason[] } {
  const { owner, spec, desiredKeys } = valid;
  const before = observed.deployment;
  const parts = partsOf(valid, observed, defaults, desiredKeys.ok ? desiredKeys.copy : before?.facts.keys);
  const reasons =
    before === undefined || parts === undefined ? [] : restartReasonsOf(before.facts, factsOf(owner, spec, parts));
  return { pod: parts && withReason(parts, before?.restartReason, reasons), reasons };
}

/** Nothing moves; what would is told. */
function pausedPlan(valid: Valid, status: Status, observed: Observed, defaults: Defaults): Plan {
  return {
    pod: undefined,
    reasons: [],
    pending: targetOf(valid, observed, defaults).reasons,
    rotation: { rotation: status.rotation, proven: status.keysCopy, run: undefined },
    regeneration: { status: status.regeneration },
    reactivation: status.reactivation,
    staleSeats: { status: status.staleSeats },
    nextDisruption: undefined,
    countsInFleet: false,
    waitsForFleet: false,
    paused: true,
    wakeAtMs: undefined,
  };
}

/** What the pod is made from. Something that has gone missing since is kept as the running pod has it. */
function partsOf(valid: Valid, observed: Observed, defaults: Defaults, keys: string | undefined): PodParts | undefined {
  if (keys === undefined) return undefined;
  const { owner, spec } = valid;
  const names = namesOf(owner.name);
  const before = observed.deployment?.facts;
  const [, trustBefore, databaseBefore] = before?.config.split('/') ?? [];
  const kept = (text: string | undefined) => (text === '' ? undefined : text);
  const { database } = observed;
  const trust =
    observed.trust.kind === 'unasked'
      ? undefined
      : observed.trust.kind === 'found'
        ? names.trust(observed.trust.digest)
        : kept(trustBefore);
  const claim = spec.storage.existingClaim ?? names.claim;
  return {
    image: spec.image ?? defaults.image,
    keys,
    config: configMap(owner, settingsOf(owner, spec)).metadata.name,
    trust,
    claim,
    databaseDigest:
      database.kind === 'unasked' ? undefined : database.kind === 'found' ? database.digest : kept(databaseBefore),
    marks: {
      clearing: before?.clearing,
      rolledAt: valid.requests.rollAt ?? before?.rolledAt,
      reactivation: valid.requests.reactivateAt ?? before?.reactivation,
      restartReason: observed.deployment?.restartReason,
    },
    rest: restOf(owner, spec, { trust, claim }),
  };
}

const withMarks = (parts: PodParts, marks: Marks): PodParts => ({ ...parts, marks: { ...parts.marks, ...marks } });

const withReason = (parts: PodParts, before: string | undefined, reasons: readonly RestartReason[]): PodParts =>
  withMarks(parts, { restartReason: reasons.length === 0 ? before : reasons.join(',') });

function nextDisruptionOf(
  observed: Observed,
  rotation: RotationDecision,
  staleSeats: StaleSeatsDecision,
  held: readonly RestartReason[],
): NextDisruption | undefined {
  const waits = [
    rotation.waiting && { reasons: ['KeysChanged'], ...rotation.waiting },
    staleSeats.waiting && { reasons: ['StaleSeats'], ...staleSeats.waiting },
    held.length === 0 ? undefined : { reasons: held, atMs: undefined, message: observed.fleet.message },
  ].filter((w) => w !== undefined);
  if (waits.length === 0) return undefined;
  const atMs = earliest(...waits.map((w) => w.atMs));
  return {
    ...(atMs === undefined ? {} : { at: momentOf(atMs) }),
    reasons: waits.flatMap((w) => [...w.reasons]),
    message: waits.map((w) => w.message).join('; '),
  };
}

/** Name of the trusted keys' copy from its text, as `trustConfigMap` gives it. */
export const trustDigestOf = (jwks: string): string => digestOf(jwks);

import type { Defaults } from '../api/defaults.ts';
import { earliest, momentOf } from '../api/times.ts';
import type { NextDisruption, ReactivationStatus, Status } from '../api/types.ts';
import { runs } from '../observe/deploymentView.ts';
import type { Observed } from '../observe/observed.ts';
import { lastRollText } from '../pod/lastRoll.ts';
import type { PodParts } from '../pod/template.ts';
import { decideReactivation } from './reactivation.ts';
import { decideRegeneration, type RegenerationDecision, regenerationInputOf } from './regeneration.ts';
import type { RestartReason } from './restart.ts';
import { type Roll, rollOf } from './roll.ts';
import { decideRotation, type RotationDecision } from './rotation.ts';
import { claimGoing, rotationInputOf } from './rotationInput.ts';
import { decideStaleSeats, type StaleSeatsDecision } from './staleSeats.ts';
import { partsOf, targetOf } from './target.ts';
import type { Valid } from './validate.ts';

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
  /** The operator's own decision to roll is acted on, so it counts in the fleet's budget. */
  readonly countsInFleet: boolean;
  /** It wants to, and other servers are in its way. */
  readonly waitsForFleet: boolean;
  /** What those that are pending wait for. */
  readonly pendingMessage: string;
  /** Nothing but status is written. */
  readonly paused: boolean;
  /** When to look again at the latest. */
  readonly wakeAtMs: number | undefined;
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
  const isClaimGoing = observed.claim?.deleting === true;
  const fleet = isClaimGoing ? { budget: false, message: claimGoing } : observed.fleet;
  const isTurn = spec.suspend || fleet.budget;
  const rolls = (made: PodParts | undefined) =>
    rollOf({ owner, spec, before, parts: made, isTurn, credentialsWait: isClaimGoing && !spec.suspend });
  const isRotating = rotation.rotation !== undefined && ['Rolling', 'Proving'].includes(rotation.rotation.phase);
  const staleSeats = decideStaleSeats({
    nowMs: observed.atMs,
    spec: spec.staleSeats,
    suspended: spec.suspend,
    before: status.staleSeats,
    server: observed.server,
    deployed: before && { settled: runs(before), clearing: before.facts.clearing },
    busy: isRotating || rolls(parts).reasons.length > 0,
    fleet,
  });
  const clearing = staleSeats.clearing ?? parts?.marks.clearing;
  const roll = rolls(parts && { ...parts, marks: { ...parts.marks, clearing } });
  const isBlocked = before === undefined && valid.missing.length > 0;
  const beginsClearing = status.staleSeats?.clearing === undefined && staleSeats.status?.clearing?.by === 'Roll';
  return {
    pod: isBlocked
      ? undefined
      : roll.pod && {
          ...roll.pod,
          pacedAt: pacedAtOf(roll, valid, observed),
          lastRoll: roll.reasons.length > 0 ? lastRollText(observed.atMs, roll.reasons) : before?.lastRoll,
        },
    reasons: isBlocked ? [] : roll.reasons,
    pending: roll.held,
    rotation,
    regeneration,
    reactivation: decideReactivation({
      nowMs: observed.atMs,
      request: valid.requests.reactivateAt,
      before: status.reactivation,
      keys: status.keys,
      names: (spec.keys ?? []).map((key) => key.name),
      server: observed.server,
      deployed: before && { settled: runs(before), reactivation: before.facts.reactivation },
    }),
    staleSeats,
    nextDisruption: nextDisruptionOf(rotation, staleSeats, { reasons: roll.held, message: fleet.message }),
    countsInFleet: (roll.isOwn && !spec.suspend) || beginsClearing,
    waitsForFleet: !isClaimGoing && (roll.held.length > 0 || staleSeats.isHeld === true),
    pendingMessage: fleet.message,
    paused: false,
    wakeAtMs: earliest(rotation.wakeAtMs, regeneration.wakeAtMs, staleSeats.wakeAtMs),
  };
}

/** From a roll that the operator decided by itself until its end, or until a person's roll takes its place. */
function pacedAtOf(roll: Roll, { spec }: Valid, { atMs, deployment }: Observed): string | undefined {
  if (roll.isOwn) return spec.suspend ? undefined : momentOf(atMs);
  return roll.reasons.length > 0 || deployment?.settled ? undefined : deployment?.pacedAt;
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
    pendingMessage: '',
    paused: true,
    wakeAtMs: undefined,
  };
}

function nextDisruptionOf(
  rotation: RotationDecision,
  staleSeats: StaleSeatsDecision,
  held: { readonly reasons: readonly RestartReason[]; readonly message: string },
): NextDisruption | undefined {
  const waits = [
    rotation.waiting && { reasons: ['KeysChanged'], ...rotation.waiting },
    staleSeats.waiting && { reasons: ['StaleSeats'], ...staleSeats.waiting },
    held.reasons.length === 0 ? undefined : { ...held, atMs: undefined },
  ].filter((w) => w !== undefined);
  if (waits.length === 0) return undefined;
  const atMs = earliest(...waits.map((w) => w.atMs));
  return {
    ...(atMs === undefined ? {} : { at: momentOf(atMs) }),
    reasons: waits.flatMap((w) => [...w.reasons]),
    message: [...new Set(waits.map((w) => w.message))].join('; '),
  };
}

import { durationMs } from '../../../licence/duration.ts';
import type { Spec, Status } from '../api/types.ts';
import { runs } from '../observe/deploymentView.ts';
import type { Observed } from '../observe/observed.ts';
import type { RotationInput } from './rotation.ts';
import type { Valid } from './validate.ts';
import { type Gate, gateOfWindows } from './windows.ts';

/** A claim in deletion goes when its pod does: no roll of the operator's own completes what may be an accident. */
export const claimGoing =
  'the volume is lost as soon as no pod uses it, since its PersistentVolumeClaim has been deleted';

/** When the pod may roll for new keys. */
export const rotationGate = (spec: Spec, nowMs: number): Gate =>
  spec.keyRotation.when === 'Always' ? { open: true } : gateOfWindows(spec.staleSeats.windows ?? [], nowMs);

/** What the rotation is decided from; also before a check of the keys, to know whether one is due. Pure. */
export function rotationInputOf(valid: Valid, status: Status, observed: Omit<Observed, 'check'>): RotationInput {
  const { spec } = valid;
  const deployment = observed.deployment;
  return {
    nowMs: observed.atMs,
    desired: valid.desiredKeys,
    copies: observed.copies,
    ...(deployment === undefined ? {} : { deployed: { copy: deployment.facts.keys, settled: runs(deployment) } }),
    rotation: status.rotation,
    proven: status.keysCopy,
    suspended: spec.suspend,
    checkable: true,
    server: observed.server,
    gate: observed.claim?.deleting ? { open: false, message: claimGoing } : rotationGate(spec, observed.atMs),
    verifyTimeoutMs: durationMs(spec.keyRotation.verifyTimeout),
    retryAt: valid.requests.rotateRetryAt,
  };
}

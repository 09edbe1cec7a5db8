import { canonical } from '../api/digest.ts';
import { askedDigests, lastRoll, pacedAt, templateDigest } from '../api/metadata.ts';
import { namesOf } from '../api/names.ts';
import { type Owner, selectorOf } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { askedOf } from '../pod/asked.ts';
import { type PodParts, templateOf } from '../pod/template.ts';
import { type Child, ownedMeta } from './object.ts';

/** Older ReplicaSets that are kept, for `kubectl rollout undo`; their copies of keys and settings stay as long. */
export const revisionHistoryLimit = 2;

/**
 * The Deployment. At one replica it is recreated: the volume is mounted by one pod at a time, so a rolling update would
 * wait for ever. `kubectl rollout restart` writes an annotation that is not ours, so it stays.
 */
export const deployment = (owner: Owner, spec: Spec, parts: PodParts): Child => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: ownedMeta(owner, namesOf(owner.name).deployment, {
    annotations: {
      [templateDigest]: parts.rest,
      [askedDigests]: canonical(askedOf(spec)),
      ...(parts.pacedAt === undefined ? {} : { [pacedAt]: parts.pacedAt }),
      ...(parts.lastRoll === undefined ? {} : { [lastRoll]: parts.lastRoll }),
    },
  }),
  spec: {
    replicas: spec.suspend ? 0 : spec.replicas,
    revisionHistoryLimit,
    progressDeadlineSeconds: 600,
    // No part of the template: a change of it alone restarts nothing.
    strategy:
      spec.replicas <= 1
        ? { type: 'Recreate' }
        : { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    selector: { matchLabels: selectorOf(owner) },
    template: templateOf(owner, spec, parts),
  },
});

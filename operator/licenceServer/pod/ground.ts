import type { PodDefaults } from '../api/defaults.ts';
import type { Spec } from '../api/types.ts';

/**
 * What a pod gets from the cluster that it stands in: ids, secrets for images, resources. What the resource asks for goes before
 * what the operator was told for all. Pure.
 */
export interface Ground {
  /** The pod names uid, gid and fsGroup itself; else the cluster gives them, as OpenShift does to each namespace. */
  readonly fixedIds: boolean;
  readonly imagePullSecrets: PodDefaults['imagePullSecrets'];
  readonly resources: PodDefaults['resources'];
}

export const groundOf = (spec: Spec, defaults: PodDefaults = {}): Ground => ({
  fixedIds: spec.fixedIds === undefined ? defaults.fixedIds !== false : spec.fixedIds === 'Enabled',
  imagePullSecrets: spec.imagePullSecrets ?? defaults.imagePullSecrets,
  resources: spec.resources ?? defaults.resources,
});

/** User and group of the images. */
const imageId = 10_001;

/** The pod's security context. The images need no entry for their user, so any will do. */
export const podSecurityOf = ({ fixedIds }: Ground) => ({
  runAsNonRoot: true,
  ...(fixedIds ? { runAsUser: imageId, runAsGroup: imageId, fsGroup: imageId } : {}),
  // Walking through a large volume at each start would take minutes, and PostgreSQL minds its modes.
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
});

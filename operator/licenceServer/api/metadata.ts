import { group } from './coordinates.ts';

/** What the operator writes into the metadata of objects, for itself and for its successors: annotations, labels, the finalizer. */

/** Annotations on the pod template: what the pod was made for. Carried over unchanged until the next reason. */
export const podMarks = {
  /** All that a restart can have its reason in, as it was rendered; JSON. */
  facts: `${group}/restart-facts`,
  clearing: `${group}/clearing`,
  restartReason: `${group}/restart-reason`,
  rolledAt: `${group}/rolled-at`,
  reactivation: `${group}/reactivation`,
} as const;

/** Annotation of the pod template: digest of the database's connection: a change of its Secret's content has to restart the server. */
export const databaseDigest = `${group}/database-digest`;

/** Annotation on every child: hash of what was applied last. */
export const appliedHash = `${group}/applied`;

/** Annotation on the Deployment: digest of the pod template as the operator last rendered it, without the marks. */
export const templateDigest = `${group}/template-digest`;

/** Annotation on the Deployment: digests of what of the spec its pod was last rendered from, by `askedOf`; JSON. */
export const askedDigests = `${group}/asked`;

/** Annotation on the Deployment, from a roll that the operator decided by itself until its end: when that was. */
export const pacedAt = `${group}/paced-at`;

/** Annotation on the Deployment: when its pod was last made to roll, and why, as `lastRollText` has it. */
export const lastRoll = `${group}/last-roll`;

/** Annotation on a ConfigMap that is watched by metadata only: digest of its content. */
export const contentDigest = `${group}/content-digest`;

/**
 * Annotation of an identity: its fingerprint, so that the private key need not be read for it. The Secret is immutable, so
 * both say the same for ever; one that a person made has none.
 */
export const identityFingerprint = `${group}/fingerprint`;

/** Annotation of a keys copy: digest of each key, so that what differs is known without reading the content. */
export const keyDigests = `${group}/key-digests`;

/** Annotation of a keys copy: where each key was read from, and what it was. A restart needs to read none of them again. */
export const keyOrigins = `${group}/key-origins`;

/** How a Secret with a regenerated key tells what it holds, to whoever sees only its metadata. */
export const regeneratedKey = {
  /** Label: the keyId that it stands in for. */
  replaces: `${group}/replaces`,
  /** Annotations: name in spec.keys, keyId, digest. */
  name: `${group}/key-name`,
  keyId: `${group}/key-id`,
  digest: `${group}/key-digest`,
} as const;

/** Annotation of what is made once: names of the labels and annotations that somebody wanted on it, so that they can be taken off again. */
export const commonNames = `${group}/common`;

export const labels = {
  managedBy: 'app.kubernetes.io/managed-by',
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  component: 'app.kubernetes.io/component',
  /** The LicenceServer that a retained object belongs to; `instance` stands on what goes with the LicenceServer only. */
  server: `${group}/licence-server`,
  /** What a copy holds: `keys`, `config` or `trust`; copies are collected by it. */
  copy: `${group}/copy`,
} as const;

/** Of a LicenceServer whose volume and identity are to go with it. */
export const finalizer = `${group}/storage`;

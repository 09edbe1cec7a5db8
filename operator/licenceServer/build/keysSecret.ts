import type { KubeObject } from '../../kube/object.ts';
import { group, labels } from '../api/types.ts';
import type { KeySource } from '../observe/keySources.ts';
import { type Child, type Owner, ownedMeta } from './object.ts';

/** Annotation of a keys copy: digest of each key, so that what differs is known without reading the content. */
export const keyDigests = `${group}/key-digests`;

/** Annotation of a keys copy: where each key was read from, and what it was. A restart needs to read none of them again. */
const keyOrigins = `${group}/key-origins`;

/** What was read of one key, and of which version of its Secret. */
export interface KeyOrigin {
  /** Secret, its key, and all else that the reading depends on. */
  readonly from: string;
  /** The very version of the Secret: a uid never comes again, and a resource version not within it. */
  readonly version: string;
  readonly digest: string;
  readonly keyId: string;
}

/** Whether a Secret is a keys copy. */
export const isKeysCopy = ({ metadata }: KubeObject): boolean => metadata.labels?.[labels.copy] === 'keys';

/** The version of an object for a `KeyOrigin`; undefined: it never was in the cluster. */
export function versionOf({ metadata }: KubeObject): string | undefined {
  const { uid, resourceVersion } = metadata;
  return uid === undefined || resourceVersion === undefined ? undefined : `${uid}/${resourceVersion}`;
}

/**
 * An immutable copy of the keys, named by its content: what a pod runs with never changes under it, and a roll-back has
 * something exact to go back to.
 * @param files text by file name
 * @param digests digest by key name
 * @param origins by key name, as far as they are known
 */
export const keysSecret = (
  owner: Owner,
  name: string,
  files: Readonly<Record<string, string>>,
  digests: Readonly<Record<string, string>>,
  origins: Readonly<Record<string, KeyOrigin>>,
): Child => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: ownedMeta(owner, name, {
    labels: { [labels.copy]: 'keys' },
    annotations: { [keyDigests]: JSON.stringify(digests), [keyOrigins]: JSON.stringify(origins) },
  }),
  type: 'Opaque',
  immutable: true,
  stringData: files,
});

/** The digests that a keys copy's annotations tell; empty if they are missing or damaged. */
export const digestsOfCopy = (annotations: Annotations): Record<string, string> =>
  Object.fromEntries(Object.entries(told(annotations, keyDigests)).map(([name, digest]) => [name, String(digest)]));

/** The key of that name as one of the copies tells it, if it was read from the very version that stands there now. */
export function keySourceToldBy(
  copies: readonly KubeObject[],
  name: string,
  from: string,
  version: string | undefined,
): KeySource | undefined {
  for (const { metadata } of copies) {
    const origin = told(metadata.annotations, keyOrigins)[name] as Partial<KeyOrigin> | null | undefined;
    if (version === undefined || origin?.from !== from || origin.version !== version) continue;
    const { digest, keyId } = origin;
    if (typeof digest === 'string' && typeof keyId === 'string') return { name, kind: 'found', digest, keyId };
  }
  return undefined;
}

type Annotations = Readonly<Record<string, string>> | undefined;

function told(annotations: Annotations, annotation: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(annotations?.[annotation] ?? '{}');
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

import type { KubeObject } from '../../kube/object.ts';
import { keyDigests, keyOrigins, labels } from '../api/metadata.ts';
import type { KeySource } from './keySources.ts';

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

import { group, labels } from '../types.ts';
import { type Child, type Owner, ownedMeta } from './object.ts';

/** Annotation of a keys copy: digest of each key, so that what differs is known without reading the content. */
export const keyDigests = `${group}/key-digests`;

/**
 * An immutable copy of the keys, named by its content: what a pod runs with never changes under it, and a roll-back has
 * something exact to go back to.
 * @param files text by file name
 * @param digests digest by key name
 */
export const keysSecret = (
  owner: Owner,
  name: string,
  files: Readonly<Record<string, string>>,
  digests: Readonly<Record<string, string>>,
): Child => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: ownedMeta(owner, name, {
    labels: { [labels.copy]: 'keys' },
    annotations: { [keyDigests]: JSON.stringify(digests) },
  }),
  type: 'Opaque',
  immutable: true,
  stringData: files,
});

/** The digests that a keys copy's annotations tell; empty if they are missing or damaged. */
export function digestsOfCopy(annotations: Readonly<Record<string, string>> | undefined): Record<string, string> {
  try {
    const told: unknown = JSON.parse(annotations?.[keyDigests] ?? '{}');
    if (typeof told !== 'object' || told === null || Array.isArray(told)) return {};
    return Object.fromEntries(Object.entries(told).map(([name, digest]) => [name, String(digest)]));
  } catch {
    return {};
  }
}

import { keyDigests, keyOrigins, labels } from '../api/metadata.ts';
import type { Owner } from '../api/owner.ts';
import type { KeyOrigin } from '../observe/keysCopy.ts';
import { type Child, ownedMeta } from './object.ts';

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

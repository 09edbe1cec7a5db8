import { namesOf } from '../api/names.ts';
import { group } from '../api/types.ts';
import { type Child, type Owner, retainedMeta } from './object.ts';

/** How a Secret with a regenerated key tells what it holds, to whoever sees only its metadata. */
export const regeneratedKey = {
  /** Label: the keyId that it stands in for. */
  replaces: `${group}/replaces`,
  /** Annotations: name in spec.keys, keyId, digest. */
  name: `${group}/key-name`,
  keyId: `${group}/key-id`,
  digest: `${group}/key-digest`,
} as const;

/**
 * A key that the operator had made. Nobody else has its text, so it outlives the LicenceServer as the identity does.
 * @param key its text
 */
export const regeneratedSecret = (
  owner: Owner,
  made: { readonly name: string; readonly replaces: string; readonly keyId: string; readonly digest: string },
  key: string,
): Child => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: retainedMeta(owner, namesOf(owner.name).regenerated(made.keyId), {
    labels: { [regeneratedKey.replaces]: made.replaces },
    annotations: {
      [regeneratedKey.name]: made.name,
      [regeneratedKey.keyId]: made.keyId,
      [regeneratedKey.digest]: made.digest,
    },
  }),
  type: 'Opaque',
  immutable: true,
  stringData: { [made.name]: key },
});

import { regeneratedKey } from '../api/metadata.ts';
import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import { type Child, retainedMeta } from './object.ts';

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

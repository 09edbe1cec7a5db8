import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import { type Child, retainedMeta } from './object.ts';

/**
 * The tokens of the three roles, made once; a person rotates one by adding a line, then removing the older. Programs hold
 * them, so they live as long as the identity does: a LicenceServer of the same name has the same ones.
 * @param tokens a token a role: client, admin, metrics
 */
export const tokensSecret = (owner: Owner, tokens: Readonly<Record<string, string>>): Child => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: retainedMeta(owner, namesOf(owner.name).tokens),
  type: 'Opaque',
  stringData: tokens,
});

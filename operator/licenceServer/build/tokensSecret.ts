import { namesOf } from '../api/names.ts';
import { type Child, type Owner, ownedMeta } from './object.ts';

/**
 * The tokens of the three roles, made once; a person rotates one by adding a line, then removing the older.
 * @param tokens a token a role: client, admin, metrics
 */
export const tokensSecret = (owner: Owner, tokens: Readonly<Record<string, string>>): Child => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: ownedMeta(owner, namesOf(owner.name).tokens),
  type: 'Opaque',
  stringData: tokens,
});

import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import { type Child, ownedMeta } from './object.ts';

/** The pod's own identity; its token is mounted only where the pod template asks for it. */
export const serviceAccount = (owner: Owner): Child => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: ownedMeta(owner, namesOf(owner.name).serviceAccount),
  automountServiceAccountToken: false,
});

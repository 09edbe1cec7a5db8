import { isMore } from '../../kube/quantity.ts';
import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import type { ExistingClaim } from '../observe/claimView.ts';
import { type Child, retainedMeta } from './object.ts';

/**
 * The volume's claim: no owner, so that it stays, and taken over by a LicenceServer of the same name. What an existing
 * claim cannot change is repeated as it is, and its size never shrinks.
 */
export function persistentVolumeClaim(owner: Owner, spec: Spec, existing?: ExistingClaim): Child {
  const wanted = spec.storage.size ?? '1Gi';
  const size = existing?.size !== undefined && isMore(existing.size, wanted) ? existing.size : wanted;
  // Unasked, it is the cluster's default class: not ours to state, which would cost a write when the claim has got it.
  const asked = spec.storage.storageClassName;
  const className = asked === undefined || existing === undefined ? asked : existing.storageClassName;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: retainedMeta(owner, namesOf(owner.name).claim),
    spec: {
      accessModes: existing?.accessModes ?? spec.storage.accessModes ?? ['ReadWriteOnce'],
      ...(className === undefined ? {} : { storageClassName: className }),
      resources: { requests: { storage: size } },
    },
  };
}

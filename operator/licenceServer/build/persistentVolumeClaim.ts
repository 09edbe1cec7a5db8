import { namesOf } from '../api/names.ts';
import type { Spec } from '../api/types.ts';
import { type Child, type Owner, retainedMeta } from './object.ts';

/** What an existing claim has that cannot be changed any more. */
export interface ExistingClaim {
  readonly storageClassName?: string | undefined;
  readonly accessModes?: readonly string[] | undefined;
  readonly volumeName?: string | undefined;
  readonly volumeMode?: string | undefined;
  /** Requested size. */
  readonly size?: string | undefined;
}

const factors: Readonly<Record<string, number>> = {
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
};

/** A quantity in bytes; 0 if it is not one. */
export function bytesOf(size: string): number {
  const match = /^([0-9.]+)([KMGTP]i|[kMGTP])?$/.exec(size);
  return match === null ? 0 : Number(match[1]) * (factors[match[2] ?? ''] ?? 1);
}

/**
 * The volume's claim: no owner, so that it stays, and taken over by a LicenceServer of the same name. What an existing
 * claim cannot change is repeated as it is, and its size never shrinks.
 */
export function persistentVolumeClaim(owner: Owner, spec: Spec, existing?: ExistingClaim): Child {
  const wanted = spec.storage.size ?? '1Gi';
  const size = existing?.size !== undefined && bytesOf(existing.size) > bytesOf(wanted) ? existing.size : wanted;
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

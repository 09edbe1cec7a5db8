import type { Spec } from './types.ts';

/**
 * Whether there may be more than one replica, as the rules of the API have it. What the pod of such a server needs for that
 * it has at one replica too, so that scaling it restarts nothing.
 */
export const isScalable = ({ database, storage }: Spec): boolean =>
  database !== undefined &&
  (storage.existingClaim !== undefined || storage.accessModes?.includes('ReadWriteMany') === true);

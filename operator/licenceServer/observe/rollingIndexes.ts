import type { KubeObject } from '../../kube/object.ts';
import { pacedAt } from '../api/metadata.ts';
import type { LicenceServer } from '../api/types.ts';

/** Index of Deployments: those whose last roll the operator decided by itself, and has not seen the end of. */
export const pacedIndex = (deployment: KubeObject): readonly string[] =>
  deployment.metadata.annotations?.[pacedAt] === undefined ? [] : ['paced'];

/** Index of LicenceServers: those whose pod is to roll, or rolls, to clear stale seats. */
export const clearingIndex = ({ status }: LicenceServer): readonly string[] =>
  status?.staleSeats?.clearing?.by === 'Roll' ? ['Roll'] : [];

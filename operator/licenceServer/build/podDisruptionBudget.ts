import { namesOf } from '../api/names.ts';
import { type Owner, selectorOf } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { type Child, ownedMeta } from './object.ts';

/** Keeps a drain from taking all pods at once; at one replica it would block every drain, so there is none. */
export const podDisruptionBudget = (owner: Owner, spec: Spec): Child | undefined =>
  spec.replicas <= 1
    ? undefined
    : {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: ownedMeta(owner, namesOf(owner.name).podDisruptionBudget),
        spec: { maxUnavailable: 1, selector: { matchLabels: selectorOf(owner) } },
      };

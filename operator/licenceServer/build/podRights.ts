import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { type Child, ownedMeta } from './object.ts';

/**
 * Whether the server judges the tokens of pods. It verifies them with the keys that every service account may read; to give
 * back the seats of a pod that is gone it has to look whether a pod of its namespace, which it knows by name, is there.
 */
const looksAtPods = (spec: Spec): boolean => spec.access.clients === 'ServiceAccount';

export const podRole = (owner: Owner, spec: Spec): Child | undefined =>
  looksAtPods(spec)
    ? {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: ownedMeta(owner, namesOf(owner.name).podRights),
        rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
      }
    : undefined;

export const podRoleBinding = (owner: Owner, spec: Spec): Child | undefined =>
  looksAtPods(spec)
    ? {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: ownedMeta(owner, namesOf(owner.name).podRights),
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: namesOf(owner.name).podRights },
        subjects: [{ kind: 'ServiceAccount', name: namesOf(owner.name).serviceAccount, namespace: owner.namespace }],
      }
    : undefined;

import type { KubeObject, ObjectMeta, OwnerReference } from '../../kube/object.ts';
import { apiVersion, fieldManager, kind } from '../api/coordinates.ts';
import { labels } from '../api/metadata.ts';
import { type Owner, selectorOf } from '../api/owner.ts';

/** A child as it is built: always with its kind, and always in the owner's namespace. */
export interface Child extends KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta & { readonly namespace: string };
}

/** The labels of every child. */
export const labelsOf = (owner: Owner): Readonly<Record<string, string>> => ({
  ...selectorOf(owner),
  [labels.component]: 'server',
  [labels.managedBy]: fieldManager,
});

export const ownerReferenceOf = (owner: Owner): OwnerReference => ({
  apiVersion,
  kind,
  name: owner.name,
  uid: owner.uid,
  controller: true,
  blockOwnerDeletion: true,
});

/** Metadata of a child that goes when the LicenceServer goes. */
export const ownedMeta = (
  owner: Owner,
  name: string,
  extra: { readonly labels?: Record<string, string>; readonly annotations?: Readonly<Record<string, string>> } = {},
): Child['metadata'] => ({
  name,
  namespace: owner.namespace,
  labels: { ...labelsOf(owner), ...extra.labels },
  ...(extra.annotations === undefined || Object.keys(extra.annotations).length === 0
    ? {}
    : { annotations: extra.annotations }),
  ownerReferences: [ownerReferenceOf(owner)],
});

/**
 * What keeps tools that deploy from a repository from removing what no repository has: Argo CD neither prunes it nor calls
 * it out of sync, Flux does not prune it.
 */
export const keptByDeployers: Readonly<Record<string, string>> = {
  'argocd.argoproj.io/sync-options': 'Prune=false',
  'argocd.argoproj.io/compare-options': 'IgnoreExtraneous',
  'kustomize.toolkit.fluxcd.io/prune': 'disabled',
};

/**
 * Metadata of a child that stays: no owner, so that garbage collection leaves it for a LicenceServer of the same name. Nor
 * the label `instance`: where Argo CD tracks by that label, an application named as the LicenceServer would count it as its
 * own, and prune it.
 */
export const retainedMeta = (
  owner: Owner,
  name: string,
  extra: { readonly labels?: Record<string, string>; readonly annotations?: Readonly<Record<string, string>> } = {},
): Child['metadata'] => {
  const { [labels.instance]: _, ...rest } = labelsOf(owner);
  return {
    name,
    namespace: owner.namespace,
    labels: { ...rest, [labels.server]: owner.name, ...extra.labels },
    annotations: { ...keptByDeployers, ...extra.annotations },
  };
};

import { fieldManager, labels } from '../types.ts';

/** A Kubernetes object to be applied: raw JSON, no client types. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller: true;
  readonly blockOwnerDeletion: true;
}

/** The LicenceServer that children are built for. */
export interface Owner {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

/** What selects the pods; it never changes, since a Deployment's selector cannot. */
export const selectorOf = (owner: Owner): Readonly<Record<string, string>> => ({
  [labels.name]: 'licence-server',
  [labels.instance]: owner.name,
});

/** The labels of every child. */
export const labelsOf = (owner: Owner): Readonly<Record<string, string>> => ({
  ...selectorOf(owner),
  [labels.component]: 'server',
  [labels.managedBy]: fieldManager,
});

export const ownerReferenceOf = (owner: Owner): OwnerReference => ({
  apiVersion: 'licensing.softonit.ru/v1beta1',
  kind: 'LicenceServer',
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
): ObjectMeta => ({
  name,
  namespace: owner.namespace,
  labels: { ...labelsOf(owner), ...extra.labels },
  ...(extra.annotations === undefined || Object.keys(extra.annotations).length === 0
    ? {}
    : { annotations: extra.annotations }),
  ownerReferences: [ownerReferenceOf(owner)],
});

/** Metadata of a child that stays: no owner, so that garbage collection leaves it for a LicenceServer of the same name. */
export const retainedMeta = (owner: Owner, name: string): ObjectMeta => ({
  name,
  namespace: owner.namespace,
  labels: labelsOf(owner),
});

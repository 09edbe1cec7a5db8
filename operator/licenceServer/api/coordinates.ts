import type { ResourceKind } from '../../kube/resourceKind.ts';

/** The resource's coordinates, in one place. */
export const group = 'licensing.softonit.ru';
export const version = 'v1beta1';
export const kind = 'LicenceServer';
export const plural = 'licenceservers';
export const apiVersion = `${group}/${version}`;

/** As the operator's stores and clients know it. */
export const licenceServerKind: ResourceKind = { group, version, kind, plural, namespaced: true };

/** The field manager of every write, so that server-side apply knows what is ours. */
export const fieldManager = 'licence-operator';

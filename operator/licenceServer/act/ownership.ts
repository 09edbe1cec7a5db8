import { controllerOf, type KubeObject } from '../../kube/object.ts';
import { fieldManager, group, kind } from '../api/coordinates.ts';
import { labels } from '../api/metadata.ts';
import type { Owner } from '../api/owner.ts';

/**
 * Whose an object is that stands under a name of a LicenceServer's child. Pure. A LicenceServer takes over nothing that it did
 * not make, and deletes nothing else. Its own is what
 * - it controls, or what a LicenceServer of the same name controls that is no more (deleted and created again); or
 * - nobody controls, and has the operator's labels with its name: what stays when a LicenceServer goes, what was left by
 *   `kubectl delete --cascade=orphan`, and what a backup brought back without owners.
 * @returns whose it is, for a message; undefined: the LicenceServer's own
 */
export function strangerTo(owner: Owner, object: KubeObject): string | undefined {
  const { labels: all = {}, annotations = {} } = object.metadata;
  const controller = controllerOf(object);
  if (controller !== undefined) {
    const isLicenceServer = controller.kind === kind && controller.apiVersion.split('/')[0] === group;
    if (isLicenceServer && controller.name === owner.name) return undefined;
    return `it belongs to ${controller.kind} ${controller.name}`;
  }
  const manager = all[labels.managedBy];
  if (manager === fieldManager) {
    const name = all[labels.server] ?? all[labels.instance];
    return name === owner.name ? undefined : `it belongs to LicenceServer ${name ?? 'of no name'}`;
  }
  const release = annotations['meta.helm.sh/release-name'];
  if (release !== undefined) return `it belongs to the Helm release ${release}`;
  return manager === undefined ? 'somebody else made it' : `it is managed by ${manager}`;
}

export const isOwn = (owner: Owner, object: KubeObject): boolean => strangerTo(owner, object) === undefined;

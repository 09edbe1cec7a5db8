import type { KubeClient } from '../../kube/client.ts';
import { kinds } from '../../kube/resourceKind.ts';
import { namesOf } from '../api/names.ts';
import { finalizer, type LicenceServer, licenceServerKind } from '../api/types.ts';
import { instanceOf, type Stores } from '../observe/stores.ts';
import { regeneratedIn } from '../observe/successors.ts';

/**
 * What has to be done before a LicenceServer with reclaimPolicy Delete may go: stop the server, then remove the volume and
 * the identity. Everything else is garbage-collected by its owner references.
 * @returns `waiting` while the pod is still there, `done` when the finalizer is gone
 */
export async function finishDeletion(
  client: KubeClient,
  stores: Stores,
  server: LicenceServer,
): Promise<'waiting' | 'done'> {
  const { namespace, name, resourceVersion, finalizers = [] } = server.metadata;
  if (!finalizers.includes(finalizer)) return 'done';
  const names = namesOf(name);
  const deployment = stores.get(kinds.Deployment, namespace, names.deployment);
  if (deployment !== undefined) {
    // Foreground: it is gone only after its pods are, and with them the last writes to the volume.
    if (deployment.metadata.deletionTimestamp === undefined) {
      const options = { uid: deployment.metadata.uid, propagation: 'Foreground' } as const;
      await client.delete(kinds.Deployment, namespace, names.deployment, options);
    }
    return 'waiting';
  }
  const regenerated = regeneratedIn(stores.ownSecrets(`${namespace}/${name}`));
  for (const [kind, of] of [
    [kinds.PersistentVolumeClaim, names.claim],
    [kinds.Secret, names.identity],
    // Keys of a computer that is no more.
    ...regenerated.map(({ secret }) => [kinds.Secret, secret] as const),
  ] as const) {
    const child = stores.get(kind, namespace, of);
    // A claim that somebody else made is not ours to remove.
    if (child === undefined || instanceOf(child) !== `${namespace}/${name}`) continue;
    await client.delete(kind, namespace, of, { uid: child.metadata.uid });
  }
  const rest = finalizers.filter((f) => f !== finalizer);
  await client.mergePatch(licenceServerKind, namespace, name, { metadata: { finalizers: rest, resourceVersion } });
  return 'done';
}

import { ApiError } from '../../kube/apiError.ts';
import type { KubeClient } from '../../kube/client.ts';
import { keyOf } from '../../kube/object.ts';
import { kinds } from '../../kube/resourceKind.ts';
import { licenceServerKind } from '../api/coordinates.ts';
import { finalizer } from '../api/metadata.ts';
import { namesOf } from '../api/names.ts';
import type { LicenceServer } from '../api/types.ts';
import { claimMountedBy } from '../observe/claimHolder.ts';
import type { Stores } from '../observe/stores.ts';
import { regeneratedIn } from '../observe/successors.ts';
import { isOwn } from './ownership.ts';

/** What it takes to let a LicenceServer go. */
export interface DeletionOptions {
  readonly client: KubeClient;
  readonly stores: Stores;
}

/** Whether volume and identity are to go with it. Read as it stands: it counts even where the rest of the spec is not valid. */
const isReclaimed = ({ spec }: LicenceServer): boolean =>
  (spec as { readonly storage?: { readonly reclaimPolicy?: unknown } } | undefined)?.storage?.reclaimPolicy ===
  'Delete';

/**
 * Keeps the finalizer while something has to be removed that garbage collection would leave. The first write of every pass,
 * of a paused or refused LicenceServer too: what stands in `spec` at the deletion counts in every state.
 * @returns the LicenceServer as it is now
 */
export async function keepFinalizer(
  { client, stores }: DeletionOptions,
  server: LicenceServer,
): Promise<LicenceServer> {
  const isWanted = isReclaimed(server);
  if ((server.metadata.finalizers ?? []).includes(finalizer) === isWanted) return server;
  const written = await setFinalizer(client, server, isWanted);
  stores.licenceServers.assume(written);
  return written;
}

/**
 * Does what has to be done before a LicenceServer with the finalizer may go. If its spec says Delete by now: stops the
 * server, then removes the volume, the identity and the tokens. Everything else is garbage-collected by its owner references.
 * @returns what it waits for; undefined when the finalizer is gone
 */
export async function finishDeletion(
  { client, stores }: DeletionOptions,
  seen: LicenceServer,
): Promise<string | undefined> {
  if (!(seen.metadata.finalizers ?? []).includes(finalizer)) return undefined;
  const { namespace, name } = seen.metadata;
  // What is removed here is removed for good, so the spec is not taken from a watch that may be a moment behind.
  const server = await client.get<LicenceServer>(licenceServerKind, namespace, name);
  if (server?.metadata.uid !== seen.metadata.uid || server === undefined) return undefined;
  if (isReclaimed(server) && !(await isEnding(client, namespace))) {
    const waitsFor = await stop({ client }, server);
    if (waitsFor !== undefined) return waitsFor;
    await removeRetained({ client, stores }, server);
  }
  await setFinalizer(client, server, false);
  return undefined;
}

async function setFinalizer(client: KubeClient, server: LicenceServer, isWanted: boolean): Promise<LicenceServer> {
  const { namespace, name, resourceVersion, finalizers = [] } = server.metadata;
  const rest = finalizers.filter((f) => f !== finalizer);
  const patch = { metadata: { finalizers: isWanted ? [...rest, finalizer] : rest, resourceVersion } };
  return client.mergePatch<LicenceServer>(licenceServerKind, namespace, name, patch);
}

/**
 * Whether the namespace itself is being deleted: everything in it goes anyway, in an order that may take this process's
 * rights before the pod has stopped. Asked by a write that would change nothing: a namespace is not its to read.
 */
async function isEnding(client: KubeClient, namespace: string): Promise<boolean> {
  try {
    await client.dryRun().create(kinds.ConfigMap, { metadata: { name: 'licence-operator-asks', namespace } });
    return false;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const causes = error.details?.causes;
    return Array.isArray(causes) && causes.some((cause) => cause?.reason === 'NamespaceTerminating');
  }
}

/** @returns what it waits for, as long as the server's pods are there */
async function stop({ client }: Pick<DeletionOptions, 'client'>, server: LicenceServer): Promise<string | undefined> {
  const { namespace, name } = server.metadata;
  // As it stands, too: what a cache does not know may run.
  const deployment = await client.get(kinds.Deployment, namespace, namesOf(name).deployment);
  if (deployment === undefined || !isOwn(server.metadata, deployment)) return undefined;
  // Foreground: it is gone only after its pods are, and with them the last writes to the volume.
  if (deployment.metadata.deletionTimestamp === undefined) {
    const options = { uid: deployment.metadata.uid, propagation: 'Foreground' } as const;
    await client.delete(kinds.Deployment, namespace, deployment.metadata.name, options);
  }
  return `the pods of Deployment ${deployment.metadata.name} are to end; then volume, identity and tokens are removed (reclaimPolicy Delete)`;
}

async function removeRetained({ client, stores }: DeletionOptions, server: LicenceServer): Promise<void> {
  const { namespace, name } = server.metadata;
  const names = namesOf(name);
  const regenerated = regeneratedIn(stores.ownSecrets(keyOf(server)));
  for (const [kind, of] of [
    [kinds.PersistentVolumeClaim, names.claim],
    [kinds.Secret, names.identity],
    [kinds.Secret, names.tokens],
    // Keys of a computer that is no more.
    ...regenerated.map(({ secret }) => [kinds.Secret, secret] as const),
  ] as const) {
    const child = stores.get(kind, namespace, of);
    if (child === undefined || !isOwn(server.metadata, child)) continue;
    if (kind === kinds.PersistentVolumeClaim && (isGiven(server, of) || isUsedByAnother(stores, server, of))) continue;
    await client.delete(kind, namespace, of, { uid: child.metadata.uid });
  }
}

/** A claim that a person named is that person's. */
const isGiven = ({ spec }: LicenceServer, claim: string): boolean =>
  (spec as { readonly storage?: { readonly existingClaim?: unknown } }).storage?.existingClaim === claim;

/** Another LicenceServer may have been given this one's claim as `existingClaim`. */
const isUsedByAnother = (
  stores: Stores,
  { metadata: { namespace, name, uid } }: LicenceServer,
  claim: string,
): boolean =>
  stores.licenceServers
    .byIndex('reference', `Claim/${namespace}/${claim}`)
    .some((other) => other.metadata.uid !== uid && other.metadata.deletionTimestamp === undefined) ||
  // Whatever is wrong with its spec by now: its pod has the volume.
  stores.deployments
    .list(namespace)
    .some((other) => other.metadata.name !== namesOf(name).deployment && claimMountedBy(other) === claim);

import type { KubeObject } from '../../kube/object.ts';
import { readSpec } from '../api/readSpec.ts';
import type { LicenceServer, Spec } from '../api/types.ts';

/**
 * The LicenceServer that a claim belongs to, if it is another one of the namespace: the one whose pods mount it while this
 * one's do not; where neither's do (a Deployment that somebody has deleted) the one that ran with it, while the other was refused;
 * else the one that was first: the older, or the first by name. A server's own claim counts as used from the moment that the
 * server exists.
 * @param others at least all that ask for the claim
 * @param mountedBy name of the claim in a server's Deployment
 */
export function claimHolderOf(
  server: LicenceServer,
  spec: Spec,
  others: readonly LicenceServer[],
  mountedBy: (server: LicenceServer) => string | undefined = () => undefined,
): string | undefined {
  const claimOf = (s: LicenceServer, existing: string | undefined) => existing ?? `${s.metadata.name}-data`;
  const wanted = claimOf(server, spec.storage.existingClaim);
  const asksFor = (other: LicenceServer) => {
    const read = readSpec(other);
    return claimOf(other, read.ok ? read.spec.storage.existingClaim : undefined) === wanted;
  };
  const mounts = (s: LicenceServer) => mountedBy(s) === wanted;
  const runs = (s: LicenceServer) =>
    s.status?.fingerprint !== undefined && !s.status.conditions?.some((c) => c.reason === 'ClaimInUse');
  const rank = (s: LicenceServer) =>
    `${mounts(s) ? 0 : 1}/${runs(s) ? 0 : 1}/${s.metadata.creationTimestamp ?? ''}/${s.metadata.name}`;
  return others
    .filter((other) => other.metadata.uid !== server.metadata.uid && rank(other) < rank(server))
    .filter(asksFor)
    .map((other) => other.metadata.name)
    .sort()[0];
}

/** Name of the claim that the pods of a Deployment have as their data. */
export function claimMountedBy(deployment: KubeObject | undefined): string | undefined {
  const { spec } = (deployment ?? {}) as { readonly spec?: { readonly template?: { readonly spec?: PodVolumes } } };
  return spec?.template?.spec?.volumes?.find(({ name }) => name === 'data')?.persistentVolumeClaim?.claimName;
}

interface PodVolumes {
  readonly volumes?: readonly {
    readonly name: string;
    readonly persistentVolumeClaim?: { readonly claimName?: string };
  }[];
}

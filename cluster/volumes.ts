import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeApi, WatchEvent } from './kubeApi.ts';
import { progress } from './prerequisite.ts';

/** The default storage class of the cluster. */
export const storageClass = 'local-dir';
const provisioner = 'licence-cluster/local-dir';
const selectedNode = 'volume.kubernetes.io/selected-node';

interface Claim {
  readonly metadata: { name: string; namespace: string; uid: string; annotations?: Record<string, string> };
  readonly spec: { storageClassName?: string; accessModes: string[]; resources: { requests: { storage: string } } };
  readonly status?: { phase?: string };
}
interface Volume {
  readonly metadata: { name: string };
  readonly spec: { storageClassName?: string };
  readonly status?: { phase?: string };
}

/**
 * A dynamic volume provisioner: answers each claim of the class with a `local` volume, a directory under `dir` (not hostPath:
 * only `local` honours fsGroup, which a pod without root needs), and deletes released ones. Sizes are not enforced.
 * Runs until `signal` aborts.
 */
export async function startProvisioner(api: KubeApi, dir: string, node: string, signal: AbortSignal): Promise<void> {
  mkdirSync(dir, { recursive: true });
  await api.apply(`/apis/storage.k8s.io/v1/storageclasses/${storageClass}`, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: storageClass, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner,
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
  const complain = (error: unknown) => {
    if (!signal.aborted) progress(`volumes: ${error instanceof Error ? error.message : String(error)}`);
  };
  const onClaim = ({ object }: WatchEvent) => {
    const claim = object as unknown as Claim;
    const waits = claim.status?.phase === 'Pending' && claim.metadata.annotations?.[selectedNode] !== undefined;
    if (waits && claim.spec.storageClassName === storageClass) provision(api, dir, node, claim).catch(complain);
  };
  const onVolume = ({ object, type }: WatchEvent) => {
    const volume = object as unknown as Volume;
    const free = type !== 'DELETED' && volume.status?.phase === 'Released';
    if (free && volume.spec.storageClassName === storageClass) remove(api, dir, volume.metadata.name).catch(complain);
  };
  void api.watch('/api/v1/persistentvolumeclaims', onClaim, signal);
  void api.watch('/api/v1/persistentvolumes', onVolume, signal);
}

async function provision(api: KubeApi, dir: string, node: string, { metadata, spec }: Claim): Promise<void> {
  const name = `pvc-${metadata.uid}`;
  mkdirSync(join(dir, name), { recursive: true });
  const { status, body } = await api.request('POST', '/api/v1/persistentvolumes', {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': provisioner } },
    spec: {
      storageClassName: storageClass,
      persistentVolumeReclaimPolicy: 'Delete',
      capacity: { storage: spec.resources.requests.storage },
      accessModes: spec.accessModes,
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', ...pick(metadata) },
      local: { path: join(dir, name) },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] },
          ],
        },
      },
    },
  });
  if (status >= 300 && status !== 409)
    throw new Error(`volume for ${metadata.namespace}/${metadata.name}: ${status} ${JSON.stringify(body)}`);
}

const pick = ({ name, namespace, uid }: Claim['metadata']) => ({ name, namespace, uid });

async function remove(api: KubeApi, dir: string, name: string): Promise<void> {
  rmSync(join(dir, name), { recursive: true, force: true });
  await api.request('DELETE', `/api/v1/persistentvolumes/${name}`);
}

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeApi, WatchEvent } from './kubeApi.ts';
import { progress } from './prerequisite.ts';

/** The default storage class of the cluster. */
export const storageClass = 'local-dir';
const provisioner = 'licence-cluster/local-dir';
const firstWaitMs = 250;
const longestWaitMs = 5_000;
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
  // An event is seen once: what it asks for is tried until it is done, as the API server or the file system may be busy.
  const underWay = new Set<string>();
  const see = async (name: string, work: () => Promise<void>) => {
    if (underWay.has(name)) return;
    underWay.add(name);
    for (let waitMs = firstWaitMs; !signal.aborted; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
      try {
        await work();
        break;
      } catch (error) {
        progress(`volumes: ${error instanceof Error ? error.message : String(error)}; tried again`);
        await delay(waitMs, undefined, { signal }).catch(() => {});
      }
    }
    underWay.delete(name);
  };
  const onClaim = ({ object }: WatchEvent) => {
    const claim = object as unknown as Claim;
    const waits = claim.status?.phase === 'Pending' && claim.metadata.annotations?.[selectedNode] !== undefined;
    if (waits && claim.spec.storageClassName === storageClass)
      void see(claim.metadata.uid, () => provision(api, dir, node, claim));
  };
  const onVolume = ({ object, type }: WatchEvent) => {
    const volume = object as unknown as Volume;
    const free = type !== 'DELETED' && volume.status?.phase === 'Released';
    const { name } = volume.metadata;
    if (free && volume.spec.storageClassName === storageClass) void see(name, () => remove(api, dir, name));
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
  const { status, body } = await api.request('DELETE', `/api/v1/persistentvolumes/${name}`);
  if (status >= 300 && status !== 404)
    throw new Error(`volume ${name} is not deleted: ${status} ${JSON.stringify(body)}`);
}

import { expect, test } from 'vitest';
import type { KubeObject } from '../../../../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../../../../operator/kube/resourceKind.ts';
import { finishDeletion } from '../../../../../operator/licenceServer/act/deletion.ts';
import { licenceServerKind } from '../../../../../operator/licenceServer/api/coordinates.ts';
import { finalizer } from '../../../../../operator/licenceServer/api/metadata.ts';
import { Stores } from '../../../../../operator/licenceServer/observe/stores.ts';
import { licenceServer } from '../world.ts';

/** A LicenceServer that goes with its volume, and a cluster that has its Deployment only if it is told so. */
function going(deployment?: KubeObject) {
  const stores = new Stores();
  const server = licenceServer(
    { storage: { reclaimPolicy: 'Delete' } },
    { finalizers: [finalizer], deletionTimestamp: '2030-01-01T00:00:00Z' },
  );
  const { name, namespace } = server.metadata;
  const labels = { 'app.kubernetes.io/managed-by': 'licence-operator', 'licensing.softonit.ru/licence-server': name };
  const metadata = { name: `${name}-data`, namespace, uid: 'claim', resourceVersion: '1', labels };
  stores.claims.put({ metadata });
  const deleted: string[] = [];
  const client = {
    get: async (kind: ResourceKind) => (kind === licenceServerKind ? server : deployment),
    dryRun: () => ({ create: async () => ({}) }),
    mergePatch: async () => server,
    delete: async (kind: ResourceKind, _: string, of: string) => deleted.push(`${kind.kind}/${of}`),
  };
  return { stores, server, deleted, finish: () => finishDeletion({ client: client as never, stores }, server) };
}

const workload = (name: string, claimName: string): KubeObject => ({
  metadata: {
    ...{ name, namespace: 'accounting', uid: `d-${name}`, resourceVersion: '2' },
    labels: { 'app.kubernetes.io/managed-by': 'licence-operator', 'app.kubernetes.io/instance': name },
  },
  spec: { template: { spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }] } } },
});

test('the volume goes with its LicenceServer', async () => {
  const { finish, deleted } = going();
  expect(await finish()).toBeUndefined();
  expect(deleted).toEqual(['PersistentVolumeClaim/office-data']);
});

test('a volume that another server’s pod has stays, also where that server’s spec cannot be read any more', async () => {
  const { stores, finish, deleted } = going();
  stores.deployments.put(workload('branch', 'office-data'));
  expect(await finish()).toBeUndefined();
  expect(deleted).toEqual([]);
});

test('pods of a Deployment that no cache knows are waited for as well', async () => {
  const { finish, deleted } = going(workload('office', 'office-data'));
  expect(await finish()).toContain('the pods of Deployment office are to end');
  expect(deleted).toEqual([`${kinds.Deployment.kind}/office`]);
});

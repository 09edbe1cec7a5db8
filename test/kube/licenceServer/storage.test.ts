import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../../operator/kube/resourceKind.ts';
import type { LicenceServer, SpecInput } from '../../../operator/licenceServer/api/types.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

const storageClasses: ResourceKind = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  namespaced: false,
};
const volumes: ResourceKind = {
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  namespaced: false,
};
type Claim = KubeObject & {
  readonly spec: { readonly resources: { readonly requests: { readonly storage: string } } };
};
const claim = async () => {
  const found = await stage.get<Claim>(kinds.PersistentVolumeClaim, 'office-data');
  return found?.spec.resources.requests.storage;
};
const storage = (server: LicenceServer) => condition(server, 'StorageBound');
const untilStorage = (reason: string) =>
  stage.until('office', `says ${reason} of its storage`, (s) => storage(s)?.reason === reason, 60_000);
/** What the storage system and the node say while a volume grows: there are none here. */
const play = (status: unknown) =>
  stage.client.mergePatch(kinds.PersistentVolumeClaim, stage.namespace, 'office-data', { status }, 'status');

/** A server named office whose claim of 1Gi is bound to a volume of a class that lets volumes grow, or does not. */
async function bound(allowVolumeExpansion: boolean): Promise<string> {
  const name = `${stage.namespace}-class`;
  await stage.client.create(storageClasses, {
    metadata: { name },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'Immediate',
    allowVolumeExpansion,
  });
  await stage.client.create(volumes, {
    metadata: { name: `${stage.namespace}-volume` },
    spec: {
      storageClassName: name,
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path: '/nowhere' },
    },
  });
  await settled({ storage: { size: '1Gi', storageClassName: name } });
  await untilStorage('Bound');
  return name;
}
async function settled(more: Partial<SpecInput>): Promise<LicenceServer> {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.create('office', specWithKey(more));
  return stage.until('office', 'is ready', isReady, 60_000);
}
async function removeCluster(): Promise<void> {
  await stage.client.delete(volumes, undefined, `${stage.namespace}-volume`);
  await stage.client.delete(storageClasses, undefined, `${stage.namespace}-class`);
}

describe('the volume', () => {
  test('grows when the spec says so, and the resource tells how far it is', { timeout: 180_000 }, async () => {
    await bound(true);
    const { starts } = stage.server('office');
    await stage.patch('office', { spec: { storage: { size: '2Gi' } } });
    await eventually('the claim asks for more', async () => (await claim()) === '2Gi', 60_000);
    await untilStorage('Resizing');
    const at = new Date().toISOString();
    const waits = {
      type: 'FileSystemResizePending',
      status: 'True',
      lastTransitionTime: at,
      message: 'waits for a pod',
    };
    await play({ conditions: [waits] });
    expect(storage(await untilStorage('FileSystemResizePending'))?.message).toContain('waits for a pod');
    await play({ conditions: [], capacity: { storage: '2Gi' } });
    await untilStorage('Bound');
    expect(stage.server('office').starts).toBe(starts);

    // It never shrinks: the API server refuses a smaller size, and a size that was left out meanwhile changes nothing.
    await expect(stage.patch('office', { spec: { storage: { size: '1Gi' } } })).rejects.toThrow('size cannot shrink');
    await stage.patch('office', { spec: { storage: { size: null } } });
    await stage.patch('office', { spec: { storage: { size: '1Gi' } } });
    expect(storage(await untilStorage('CannotShrink'))?.message).toContain('stays at 2Gi');
    expect(await claim()).toBe('2Gi');
    await removeCluster();
  });

  test('that its class does not let grow is told of as refused, and the server runs on', {
    timeout: 180_000,
  }, async () => {
    await bound(false);
    await stage.patch('office', { spec: { storage: { size: '2Gi' } } });
    const refused = await stage.until(
      'office',
      'is stalled',
      (s) => condition(s, 'Stalled')?.status === 'True',
      60_000,
    );
    expect(condition(refused, 'Stalled')).toMatchObject({
      reason: 'PersistentVolumeClaimRefused',
      message: expect.stringContaining('must support resize'),
    });
    expect(condition(refused, 'Available')).toMatchObject({ status: 'True' });
    expect(await claim()).toBe('1Gi');
    await removeCluster();
  });
});

describe('an external database', () => {
  const putDatabase = (data: Record<string, string>) =>
    stage.client.apply(
      kinds.Secret,
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'licences-app', namespace: stage.namespace },
        stringData: data,
      },
      { fieldManager: 'cloudnative-pg' },
    );
  const environment = async () => {
    const found = await stage.get<KubeObject & { spec: PodOwner }>(kinds.Deployment, 'office');
    const variables = found?.spec.template.spec.containers[0]?.env ?? [];
    return Object.fromEntries(variables.map((v) => [v.name, v.valueFrom?.secretKeyRef.key ?? v.value]));
  };
  const rolledFor = (starts: number) =>
    stage.until(
      'office',
      `has started ${starts} times`,
      (s) => isReady(s) && stage.server('office').starts === starts,
      60_000,
    );

  test('is named by its parts or by its URI; a change of either rolls the pod once', { timeout: 180_000 }, async () => {
    const parts = { username: 'app', user: 'app', password: 'one', dbname: 'app', host: 'licences-rw', port: '5432' };
    await stage.start();
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.create('office', specWithKey({ database: { secretRef: { name: 'licences-app' } } }));
    const isMissed = (s: LicenceServer) => condition(s, 'Reconciling')?.reason === 'DatabaseSecretMissing';
    const waits = await stage.until('office', 'waits', isMissed, 60_000);
    expect(condition(waits, 'Ready')?.message).toBe('Secret licences-app does not exist; create it');
    await putDatabase(parts);
    await rolledFor(1);
    expect(await environment()).toMatchObject({
      DATABASE_URL: 'postgres://',
      PGHOST: 'host',
      PGPORT: 'port',
      PGUSER: 'user',
      PGPASSWORD: 'password',
      PGDATABASE: 'dbname',
    });
    await putDatabase({ ...parts, password: 'two' });
    const rolled = await rolledFor(2);
    expect(rolled.status?.lastRoll?.reasons).toEqual(['ConfigChanged']);
    await putDatabase({ ...parts, password: 'two', uri: 'postgresql://app:two@licences-rw:5432/app' });
    await rolledFor(3);
    expect(await environment()).toMatchObject({ DATABASE_URL: 'uri' });
    expect(await environment()).not.toHaveProperty('PGHOST');
    // What is not used changes nothing, and a Secret that is gone leaves the pod in peace.
    await putDatabase({ ...parts, password: 'three', uri: 'postgresql://app:two@licences-rw:5432/app' });
    await stage.client.delete(kinds.Secret, stage.namespace, 'licences-app');
    await stage.until(
      'office',
      'misses it',
      (s) => condition(s, 'Reconciling')?.reason === 'DatabaseSecretMissing',
      60_000,
    );
    expect(await environment()).toMatchObject({ DATABASE_URL: 'uri' });
    expect(stage.server('office').starts).toBe(3);
    expect(JSON.stringify(await stage.get(kinds.Deployment, 'office'))).not.toMatch(/"(one|two|three)"/);
  });
});

interface PodOwner {
  readonly template: {
    readonly spec: {
      readonly containers: readonly {
        readonly env?: readonly {
          readonly name: string;
          readonly value?: string;
          readonly valueFrom?: { readonly secretKeyRef: { readonly key: string } };
        }[];
      }[];
    };
  };
}

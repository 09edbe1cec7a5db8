import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { auditPosition, readAudit, writeVerbs } from '../../../cluster/auditLog.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

/** The garbage collector looks for new kinds every 30 s; until then it does not know a LicenceServer as an owner. */
const collectionLimitMs = 50_000;

/** A settled server named office. */
async function settled(more: Parameters<typeof specWithKey>[0] = {}) {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.create('office', specWithKey(more));
  return stage.until('office', 'is ready', isReady);
}

type Loose = KubeObject & { spec: Record<string, never>; data?: Record<string, string> };

describe('the operator', () => {
  test('makes every child of a LicenceServer, and says that it is ready', async () => {
    const server = await settled({ ingress: { host: 'lic.example.org' } });
    for (const [kind, name] of [
      [kinds.ServiceAccount, 'office'],
      [kinds.Secret, 'office-identity'],
      [kinds.Secret, 'office-tokens'],
      [kinds.PersistentVolumeClaim, 'office-data'],
      [kinds.Service, 'office'],
      [kinds.NetworkPolicy, 'office'],
      [kinds.Ingress, 'office'],
      [kinds.Deployment, 'office'],
    ] as const) {
      expect(await stage.get(kind, name), `${kind.kind} ${name}`).toBeDefined();
    }
    expect(await stage.get(kinds.PodDisruptionBudget, 'office')).toBeUndefined();
    expect(server.status).toMatchObject({
      seats: '0/10',
      seatsStale: 0,
      address: `http://office.${stage.namespace}.svc:8080`,
      fingerprint: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      rotation: { phase: 'Active' },
      selector: 'app.kubernetes.io/name=licence-server,app.kubernetes.io/instance=office',
    });
    expect(condition(server, 'KeysActive')).toMatchObject({ status: 'True' });
    expect(condition(server, 'Stalled')).toMatchObject({ status: 'False' });
    expect(server.status?.conditions?.every((c) => c.observedGeneration === server.metadata.generation)).toBe(true);
  });

  test('writes nothing while all is settled, nor after it is started anew, and reads no key again', async () => {
    const server = await settled();
    const from = auditPosition(inject('auditLog'));
    // The line of the write that was just seen may come after its answer.
    const since = Date.now();
    await stage.restart();
    // Several polls, and a reconcile that is asked for by a change which means nothing.
    await stage.patch('office', { metadata: { annotations: { 'example.org/note': 'read' } } });
    const polls = stage.server('office').polls;
    await eventually('the server was polled', () => stage.server('office').polls > polls + 6);
    const calls = readAudit(inject('auditLog'), from).filter(
      (entry) => Date.parse(entry.at) >= since && entry.namespace === stage.namespace,
    );
    // The keys' copy tells what the key was; only what the server is asked with has to be read again.
    const reads = calls.filter(({ verb, resource }) => verb === 'get' && resource === 'secrets');
    expect(reads.map(({ name }) => name)).toEqual(['office-tokens']);
    const writes = calls
      .filter((entry) => writeVerbs.has(entry.verb))
      // The control plane itself writes Events of the volume claim, and the play of the pods writes pods.
      .filter((entry) => !/^(pods|events)(\/|$)|^events\.k8s\.io\//.test(entry.resource));
    expect(writes.map(({ verb, resource, name }) => `${verb} ${resource} ${name}`)).toEqual([
      'patch licensing.softonit.ru/licenceservers office',
    ]);
    expect((await stage.licenceServer('office')).status).toEqual(server.status);
  });

  test('puts back what somebody edits or deletes, and leaves alone what is not its own', async () => {
    await settled();
    const service = await stage.get(kinds.Service, 'office');
    await stage.client.mergePatch(kinds.Service, stage.namespace, 'office', {
      metadata: { annotations: { 'example.org/mine': 'stays' } },
      spec: { ports: [{ name: 'http', port: 9999, targetPort: 'http' }] },
    });
    await eventually('the port is put back', async () => {
      const now = await stage.get<Loose & { spec: { ports: { port: number }[] } }>(kinds.Service, 'office');
      return now?.spec.ports.length === 1 && now.spec.ports[0]?.port === 8080;
    });
    expect((await stage.get(kinds.Service, 'office'))?.metadata.annotations).toMatchObject({
      'example.org/mine': 'stays',
    });
    for (const kind of [kinds.Service, kinds.NetworkPolicy, kinds.ServiceAccount] as ResourceKind[]) {
      await stage.client.delete(kind, stage.namespace, 'office');
      await eventually(`${kind.kind} is made again`, async () => {
        const now = await stage.get(kind, 'office');
        return now !== undefined && now.metadata.uid !== service?.metadata.uid;
      });
    }
    const copy = (await stage.licenceServer('office')).status?.keysCopy ?? '';
    await stage.client.delete(kinds.Secret, stage.namespace, copy);
    await eventually('the keys copy is made again', () => stage.get(kinds.Secret, copy));
    await stage.client.delete(kinds.Deployment, stage.namespace, 'office', { propagation: 'Foreground' });
    await eventually('the Deployment is made again', async () => {
      const now = await stage.get(kinds.Deployment, 'office');
      return now !== undefined && now.metadata.deletionTimestamp === undefined;
    });
    await stage.until('office', 'is ready again', isReady);
  });

  test('puts back what is valid by itself but not together with its own, and leaves all else of the other', async () => {
    await settled();
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 2, maxUnavailable: 0 } };
    await stage.client.mergePatch(kinds.Deployment, stage.namespace, 'office', {
      spec: { strategy, minReadySeconds: 1 },
    });
    const deployment = await eventually('the strategy is put back', async () => {
      const now = await stage.get<Loose & { spec: { strategy: { type?: string } } }>(kinds.Deployment, 'office');
      return now?.spec.strategy.type === 'Recreate' && now;
    });
    expect(deployment.spec).toMatchObject({ strategy: { type: 'Recreate' }, minReadySeconds: 1 });
    expect(deployment.spec.strategy).not.toHaveProperty('rollingUpdate');
    await stage.until('office', 'is ready again', isReady);
  });

  test('says which Secret is missing, and goes on as soon as it appears', async () => {
    await stage.start();
    await stage.create('office', specWithKey());
    const waits = await stage.until('office', 'waits', (s) => condition(s, 'Reconciling')?.reason === 'SecretMissing');
    // It may be on its way: a matter for a person only after some minutes.
    expect(condition(waits, 'Stalled')).toMatchObject({ status: 'False' });
    expect(condition(waits, 'KeysActive')).toMatchObject({
      status: 'False',
      reason: 'SecretMissing',
      message: 'key erp: Secret keys does not exist; create it',
    });
    expect(condition(waits, 'Ready')).toMatchObject({ status: 'False', reason: 'SecretMissing' });
    expect(await stage.get(kinds.Deployment, 'office')).toBeUndefined();
    await stage.putKeys('keys', { other: freshKey() });
    await stage.until(
      'office',
      'says what is missing in it',
      (s) => condition(s, 'Reconciling')?.reason === 'SecretKeyMissing',
    );
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.until('office', 'is ready', isReady);
  });

  test('refuses a claim that an older LicenceServer uses, with its name, and goes on when it is free', async () => {
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
    const metadata = { name: 'shared', namespace: stage.namespace };
    await stage.client.create(kinds.PersistentVolumeClaim, {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata,
      spec,
    });
    await settled({ storage: { existingClaim: 'shared' } });
    await stage.create('branch', specWithKey({ storage: { existingClaim: 'shared' } }));
    const refused = await stage.until('branch', 'is refused', (s) => condition(s, 'Stalled')?.status === 'True');
    expect(condition(refused, 'Ready')).toMatchObject({
      reason: 'ClaimInUse',
      message: expect.stringContaining('is used by LicenceServer office'),
    });
    expect(await stage.get(kinds.Deployment, 'branch')).toBeUndefined();
    await stage.client.delete(licenceServerKind, stage.namespace, 'office');
    await eventually('branch goes on', () => stage.get(kinds.Deployment, 'branch'));
  });

  test('refuses the edit of an older LicenceServer that would take the claim from under a running one', async () => {
    const metadata = { name: 'shared', namespace: stage.namespace };
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
    await stage.client.create(kinds.PersistentVolumeClaim, { metadata, spec });
    await settled();
    // Of two of one second the names would decide; here it is the age.
    const { creationTimestamp = '' } = (await stage.licenceServer('office')).metadata;
    await eventually('another second', () => Date.now() - Date.parse(creationTimestamp) > 2_000);
    await stage.create('branch', specWithKey({ storage: { existingClaim: 'shared' } }));
    await stage.until('branch', 'is ready', isReady);
    await stage.patch('office', { spec: { storage: { existingClaim: 'shared' } } });
    const refused = await stage.until('office', 'is refused', (s) => condition(s, 'Ready')?.reason === 'ClaimInUse');
    expect(condition(refused, 'Ready')?.message).toContain('is used by LicenceServer branch');
    await stage.patch('branch', { metadata: { annotations: { 'example.org/note': 'looked at again' } } });
    await stage.until('branch', 'is ready as before', isReady);
    expect(stage.server('office').starts).toBe(1);
    expect(stage.server('branch').starts).toBe(1);
  });

  test('says that its claim was deleted while it is in use', async () => {
    await settled();
    // There is no node whose pod would hold it.
    const hold = (finalizers: readonly string[]) =>
      stage.client.mergePatch(kinds.PersistentVolumeClaim, stage.namespace, 'office-data', {
        metadata: { finalizers },
      });
    await hold(['example.org/held']);
    await stage.client.delete(kinds.PersistentVolumeClaim, stage.namespace, 'office-data');
    const warned = await stage.until(
      'office',
      'says so',
      (s) => condition(s, 'StorageBound')?.reason === 'ClaimTerminating',
    );
    expect(condition(warned, 'StorageBound')).toMatchObject({ status: 'False' });
    await hold([]);
    expect(stage.server('office').starts).toBe(1);
  });

  test('makes and removes nothing while the keys are missing, whatever it has made already', async () => {
    const jwks = { apiVersion: 'v1', kind: 'ConfigMap', data: { 'jwks.json': '{"keys":[]}' } };
    await stage.client.create(kinds.ConfigMap, {
      ...jwks,
      metadata: { name: 'vendor-keys', namespace: stage.namespace },
    });
    await stage.start();
    const authority = { url: 'https://a.example.org', trustedKeys: { configMapRef: { name: 'vendor-keys' } } };
    await stage.create('office', specWithKey({ activation: { authority } }));
    await stage.until('office', 'waits', (s) => condition(s, 'KeysActive')?.reason === 'SecretMissing');
    await eventually('the first pass is over', () => stage.get(kinds.Service, 'office'));
    const from = auditPosition(inject('auditLog'));
    const since = Date.now();
    // Passes without a change, and time in which a loop would show.
    await eventually('ten seconds', async () => {
      await stage.patch('office', { metadata: { annotations: { 'example.org/note': String(Date.now()) } } });
      return Date.now() - since > 10_000;
    });
    const writes = readAudit(inject('auditLog'), from).filter(
      (entry) =>
        entry.namespace === stage.namespace &&
        Date.parse(entry.at) > since &&
        writeVerbs.has(entry.verb) &&
        /^(configmaps|secrets|services|deployments)/.test(entry.resource),
    );
    expect(writes).toEqual([]);
  });

  test('takes over the volume and the identity of a LicenceServer of the same name: the same computer', async () => {
    const before = await settled();
    const claim = await stage.get(kinds.PersistentVolumeClaim, 'office-data');
    await stage.client.delete(licenceServerKind, stage.namespace, 'office');
    await eventually(
      'its Deployment is gone',
      async () => (await stage.get(kinds.Deployment, 'office')) === undefined,
      collectionLimitMs,
    );
    await stage.create('office', specWithKey({ storage: { size: '512Mi' } }));
    const after = await stage.until('office', 'is ready', isReady);
    expect(after.status?.fingerprint).toBe(before.status?.fingerprint);
    const taken = await stage.get<Loose>(kinds.PersistentVolumeClaim, 'office-data');
    expect(taken?.metadata.uid).toBe(claim?.metadata.uid);
    expect(taken?.spec).toMatchObject({ resources: { requests: { storage: '1Gi' } } });
  });

  test('removes the volume and the identity with the LicenceServer, if reclaimPolicy says so', async () => {
    await settled({ storage: { reclaimPolicy: 'Delete' } });
    await stage.client.delete(licenceServerKind, stage.namespace, 'office');
    await eventually(
      'all is gone',
      async () => {
        const rest = await Promise.all([
          stage.get(licenceServerKind, 'office'),
          stage.get(kinds.PersistentVolumeClaim, 'office-data'),
          stage.get(kinds.Secret, 'office-identity'),
        ]);
        return rest.every((object) => object === undefined);
      },
      collectionLimitMs,
    );
  });

  test('never becomes another computer by itself when its identity is lost', async () => {
    await settled();
    await stage.client.delete(kinds.Secret, stage.namespace, 'office-identity');
    const lost = await stage.until('office', 'says so', (s) => condition(s, 'Stalled')?.reason === 'IdentityLost');
    expect(condition(lost, 'Stalled')?.message).toContain('restore it');
    await stage.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/new-identity': 'accept' } } });
    const other = await stage.until(
      'office',
      'is another computer',
      (s) => s.status?.fingerprint !== lost.status?.fingerprint,
    );
    expect(other.status?.fingerprint).toMatch(/^sha256:/);
  });

  test('stops and keeps everything while suspended', async () => {
    const before = await settled();
    await stage.patch('office', { spec: { suspend: true } });
    const asleep = await stage.until(
      'office',
      'sleeps',
      (s) => condition(s, 'Suspended')?.status === 'True' && s.status?.replicas === 0,
    );
    expect(condition(asleep, 'Available')).toMatchObject({ status: 'False', reason: 'Suspended' });
    expect(condition(asleep, 'Stalled')).toMatchObject({ status: 'False' });
    await stage.patch('office', { spec: { suspend: false } });
    const awake = await stage.until('office', 'is ready again', (s) => isReady(s) && s.status?.replicas === 1);
    expect(awake.status?.fingerprint).toBe(before.status?.fingerprint);
  });

  test('touches nothing while paused, and says what is pending', async () => {
    await settled();
    const before = await stage.get(kinds.Deployment, 'office');
    await stage.patch('office', {
      metadata: { annotations: { 'licensing.softonit.ru/pause': 'true' } },
      spec: { seats: { leaseSeconds: 60 } },
    });
    const paused = await stage.until(
      'office',
      'says what is pending',
      (s) => condition(s, 'Reconciling')?.reason === 'Paused',
    );
    expect(condition(paused, 'Reconciling')?.message).toContain('ConfigChanged');
    expect((await stage.get(kinds.Deployment, 'office'))?.metadata.generation).toBe(before?.metadata.generation);
    await stage.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/pause': null } } });
    const rolled = await stage.until('office', 'rolls', (s) => isReady(s) && s.status?.lastRoll !== undefined);
    expect(rolled.status?.lastRoll?.reasons).toEqual(['ConfigChanged']);
  });

  test('keeps what kubectl rollout restart writes', async () => {
    await settled();
    const starts = stage.server('office').starts;
    await stage.client.mergePatch(kinds.Deployment, stage.namespace, 'office', {
      spec: {
        template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': '2030-01-01T00:00:00Z' } } },
      },
    });
    await eventually('the pod starts anew', () => stage.server('office').starts > starts);
    await stage.until('office', 'is ready', isReady);
    await stage.patch('office', { spec: { service: { port: 8090 } } });
    await stage.until(
      'office',
      'acts on another change',
      (s) => isReady(s) && s.status?.address?.endsWith(':8090') === true,
    );
    const deployment = await stage.get<Loose & { spec: { template: KubeObject } }>(kinds.Deployment, 'office');
    expect(deployment?.spec.template.metadata.annotations).toMatchObject({
      'kubectl.kubernetes.io/restartedAt': '2030-01-01T00:00:00Z',
    });
    expect(stage.server('office').starts).toBe(starts + 1);
  });

  test('rolls the pod once for each request of a person', async () => {
    await settled();
    const roll = (at: string) =>
      stage.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/roll-at': at } } });
    await roll('2030-01-01T00:00:00Z');
    const first = await stage.until(
      'office',
      'rolled',
      (s) => isReady(s) && s.status?.lastRoll?.reasons[0] === 'RestartRequested',
    );
    expect(first.status?.lastRoll?.reasons).toEqual(['RestartRequested']);
    expect(stage.server('office').starts).toBe(2);
    await roll('2030-01-01T00:00:00Z');
    await stage.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/roll-at': null } } });
    await stage.restart();
    await stage.patch('office', { spec: { service: { port: 8091 } } });
    await stage.until(
      'office',
      'acted on a later change',
      (s) => isReady(s) && s.status?.address?.endsWith(':8091') === true,
    );
    expect(stage.server('office').starts).toBe(2);
  });

  test('says what the API server refuses of the pod template, and recovers when it is put right', async () => {
    await settled();
    await stage.patch('office', {
      spec: { podTemplate: { spec: { containers: [{ name: 'Not A Name', image: 'x' }] } } },
    });
    const refused = await stage.until(
      'office',
      'says so',
      (s) => condition(s, 'Stalled')?.reason === 'DeploymentRefused',
    );
    expect(condition(refused, 'Stalled')?.message).toContain('Not A Name');
    await stage.patch('office', { spec: { podTemplate: null } });
    await stage.until('office', 'is ready', isReady);
    expect(stage.server('office').starts).toBe(1);
  });

  test('makes a ServiceMonitor as soon as the cluster knows the kind', async () => {
    await stage.start({ discoveryMs: 200 });
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.create('office', specWithKey());
    await stage.until('office', 'is ready', isReady);
    const names = {
      kind: 'ServiceMonitor',
      listKind: 'ServiceMonitorList',
      plural: 'servicemonitors',
      singular: 'servicemonitor',
    };
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const crd = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: {
        name: 'servicemonitors.monitoring.coreos.com',
        annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' },
      },
      spec: {
        group: 'monitoring.coreos.com',
        scope: 'Namespaced',
        names,
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    };
    await stage.client.apply(kinds.CustomResourceDefinition, crd, { fieldManager: 'test' });
    await eventually('it is made', () => stage.get(kinds.ServiceMonitor, 'office').catch(() => undefined));
    await stage.patch('office', { spec: { monitoring: { serviceMonitor: 'Disabled' } } });
    await eventually('it is removed', async () => (await stage.get(kinds.ServiceMonitor, 'office')) === undefined);
  });
});

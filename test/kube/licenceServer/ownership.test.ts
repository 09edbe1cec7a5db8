import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { auditPosition, readAudit, writeVerbs } from '../../../cluster/auditLog.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

/** The garbage collector looks for new kinds every 30 s; until then it does not know a LicenceServer as an owner. */
const collectionLimitMs = 60_000;
type Held = KubeObject & { readonly data?: Readonly<Record<string, string>> };

async function settled(more: Parameters<typeof specWithKey>[0] = {}) {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.create('office', specWithKey(more));
  return stage.until('office', 'is ready', isReady);
}
const isTaken = (server: LicenceServer) => condition(server, 'Stalled')?.reason === 'NameTaken';

const selector = { app: 'theirs' };
const template = { metadata: { labels: selector }, spec: { containers: [{ name: 'app', image: 'example.org/app' }] } };
const backend = { service: { name: 'theirs', port: { number: 80 } } };
const http = { paths: [{ path: '/', pathType: 'Prefix', backend }] };
/** What somebody else has in the namespace under a name that a LicenceServer would use. */
const theirs: readonly (readonly [kind: ResourceKind, name: string, body: Record<string, unknown>])[] = [
  [kinds.Service, 'office', { spec: { selector, ports: [{ port: 80 }] } }],
  // Nothing in it that an apply without force would come into conflict with.
  [kinds.ServiceAccount, 'office', {}],
  [kinds.Deployment, 'office', { spec: { selector: { matchLabels: selector }, template } }],
  [kinds.NetworkPolicy, 'office', { spec: { podSelector: {}, policyTypes: ['Ingress'] } }],
  [kinds.Ingress, 'office', { spec: { rules: [{ host: 'a.example.org', http }] } }],
  [kinds.PodDisruptionBudget, 'office', { spec: { maxUnavailable: 1, selector: { matchLabels: selector } } }],
  [kinds.Role, 'office-pods', { rules: [] }],
  [
    kinds.RoleBinding,
    'office-pods',
    { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'theirs' }, subjects: [] },
  ],
  [kinds.ConfigMap, 'office-dashboard', { data: { a: 'b' } }],
  [kinds.Secret, 'office-tokens', { stringData: { theirs: 'a' } }],
  [kinds.Secret, 'office-identity', { stringData: { theirs: 'a' } }],
  [
    kinds.PersistentVolumeClaim,
    'office-data',
    { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
  ],
];
/** A spec with which a LicenceServer has a child of every kind that the cluster knows. */
const everything = () =>
  specWithKey({
    ingress: { host: 'lic.example.org' },
    access: { clients: 'ServiceAccount' },
    replicas: 2,
    database: { secretRef: { name: 'db' } },
    storage: { accessModes: ['ReadWriteMany'] },
    monitoring: { dashboard: 'Enabled' },
  });

describe('a name that somebody else has', { timeout: 120_000 }, () => {
  test.each(theirs.map(([kind, name, body]) => ({ kind: kind.kind, name, of: kind, body })))(
    '$kind $name: is said before anything is written, and their object stays as it was',
    async ({ of, name, body }) => {
      await stage.start();
      await stage.putKeys('keys', { erp: freshKey() });
      await stage.putKeys('db', { uri: 'postgres://db' });
      await stage.client.create(of, { metadata: { name, namespace: stage.namespace }, ...body });
      const before = (await stage.get(of, name))?.metadata;
      const from = auditPosition(inject('auditLog'));
      // The line of the write that was just answered may come later.
      const since = Date.now();
      await stage.create('office', everything());
      const taken = await stage.until('office', 'says so', isTaken);
      expect(condition(taken, 'Ready')).toMatchObject({ status: 'False', reason: 'NameTaken' });
      expect(condition(taken, 'Stalled')?.message).toContain(`${of.kind} ${name} is not of this LicenceServer`);
      const writes = readAudit(inject('auditLog'), from).filter(
        (entry) =>
          entry.namespace === stage.namespace &&
          writeVerbs.has(entry.verb) &&
          !/^events\.k8s\.io|licenceservers/.test(entry.resource) &&
          // Controllers of the cluster act on their object.
          !/^system:(kube|serviceaccount)/.test(entry.user) &&
          Date.parse(entry.at) >= since,
      );
      expect(writes.map(({ verb, resource, name: on }) => `${verb} ${resource} ${on}`)).toEqual([]);
      expect((await stage.get(of, name))?.metadata).toMatchObject({ uid: before?.uid });
      expect((await stage.get(of, name))?.metadata.ownerReferences).toBeUndefined();

      await stage.client.delete(of, stage.namespace, name);
      // By then the operator may have made its own.
      await eventually('theirs is gone', async () => (await stage.get(of, name))?.metadata.uid !== before?.uid);
      await stage.patch('office', { metadata: { annotations: { 'example.org/note': 'again' } } });
      await eventually('its own are made', () => stage.get(kinds.Deployment, 'office'));
    },
  );

  test('says whose it is', async () => {
    await stage.start();
    await stage.putKeys('keys', { erp: freshKey() });
    const annotations = { 'meta.helm.sh/release-name': 'shop', 'meta.helm.sh/release-namespace': stage.namespace };
    await stage.client.create(kinds.Service, {
      metadata: {
        name: 'office',
        namespace: stage.namespace,
        annotations,
        labels: { 'app.kubernetes.io/managed-by': 'Helm' },
      },
      spec: { selector, ports: [{ port: 80 }] },
    });
    await stage.create('office', specWithKey());
    const taken = await stage.until('office', 'says so', isTaken);
    expect(condition(taken, 'Stalled')?.message).toContain('it belongs to the Helm release shop');
  });

  test('does not keep a running server from all else, and theirs outlives the LicenceServer', async () => {
    await settled();
    await stage.client.create(kinds.Ingress, {
      metadata: { name: 'office', namespace: stage.namespace },
      spec: { rules: [{ host: 'a.example.org', http }] },
    });
    await stage.patch('office', { spec: { ingress: { host: 'lic.example.org' }, seats: { leaseSeconds: 60 } } });
    await stage.until('office', 'says so', isTaken);
    await eventually('it rolled', () => stage.server('office').starts === 2);
    await stage.patch('office', { spec: { ingress: null } });
    await stage.until('office', 'is ready', isReady);
    await stage.client.delete(licenceServerKind, stage.namespace, 'office');
    await eventually(
      'its Deployment is gone',
      async () => (await stage.get(kinds.Deployment, 'office')) === undefined,
      collectionLimitMs,
    );
    expect(await stage.get(kinds.Ingress, 'office')).toBeDefined();
  });

  test('of a Secret with usable tokens: they are used, not taken over, and stay', async () => {
    await stage.start();
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.putKeys('office-tokens', { client: 'c'.repeat(40), admin: 'a'.repeat(40), metrics: 'm'.repeat(40) });
    const before = await stage.get<Held>(kinds.Secret, 'office-tokens');
    await stage.create('office', specWithKey({ storage: { reclaimPolicy: 'Delete' } }));
    await stage.until('office', 'is ready', isReady);
    await stage.client.delete(licenceServerKind, stage.namespace, 'office');
    await eventually('it is gone', async () => (await stage.get(licenceServerKind, 'office')) === undefined);
    expect(await stage.get<Held>(kinds.Secret, 'office-tokens')).toEqual(before);
  });
});

describe('what is its own', { timeout: 180_000 }, () => {
  const own = async () => {
    const found: string[] = [];
    for (const kind of [
      kinds.Secret,
      kinds.ConfigMap,
      kinds.PersistentVolumeClaim,
      kinds.Service,
      kinds.ServiceAccount,
      kinds.NetworkPolicy,
      kinds.Ingress,
      kinds.Deployment,
    ]) {
      const labelSelector = 'app.kubernetes.io/managed-by=licence-operator';
      const { items } = await stage.client.list(kind, { namespace: stage.namespace, labelSelector });
      found.push(...items.map((item) => `${kind.kind} ${item.metadata.name}`));
    }
    return found.sort();
  };
  const retained = ['PersistentVolumeClaim office-data', 'Secret office-identity', 'Secret office-tokens'];

  test('is taken back after an orphaning deletion, and nothing is left behind after the next one', async () => {
    await settled({ ingress: { host: 'lic.example.org' } });
    const before = await own();
    await stage.client.delete(licenceServerKind, stage.namespace, 'office', { propagation: 'Orphan' });
    await eventually(
      'it is gone',
      async () => (await stage.get(licenceServerKind, 'office')) === undefined,
      collectionLimitMs,
    );
    expect(await own()).toEqual(before);
    // Another key and no Ingress: what was left of these is of no use any more.
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.create('office', specWithKey());
    const server = await stage.until('office', 'is ready', isReady);
    await eventually('the Ingress went', async () => (await stage.get(kinds.Ingress, 'office')) === undefined);
    await eventually('all have their owner', async () => {
      for (const kind of [kinds.Secret, kinds.ConfigMap, kinds.Service, kinds.Deployment]) {
        const labelSelector = 'app.kubernetes.io/instance=office,app.kubernetes.io/managed-by=licence-operator';
        const { items } = await stage.client.list(kind, { namespace: stage.namespace, labelSelector });
        for (const { metadata } of items) {
          expect(
            metadata.ownerReferences?.map(({ uid }) => uid),
            metadata.name,
          ).toEqual([server.metadata.uid]);
        }
      }
      return true;
    });
    await stage.client.delete(licenceServerKind, stage.namespace, 'office');
    await eventually(
      'only what is retained is left',
      async () => {
        expect(await own()).toEqual(retained);
        return true;
      },
      collectionLimitMs,
    );
  });

  test('is known again when a backup has brought it back without owners', async () => {
    await settled();
    const uids = async () => {
      const service = await stage.get(kinds.Service, 'office');
      const tokens = await stage.get<Held>(kinds.Secret, 'office-tokens');
      return { service: service?.metadata.uid, tokens: tokens?.data };
    };
    const before = await uids();
    await stage.operator?.stop();
    for (const kind of [kinds.Service, kinds.ServiceAccount, kinds.NetworkPolicy, kinds.Deployment]) {
      await stage.client.mergePatch(kind, stage.namespace, 'office', { metadata: { ownerReferences: null } });
    }
    await stage.start();
    await eventually('it is owned again', async () => {
      return (await stage.get(kinds.Service, 'office'))?.metadata.ownerReferences?.length === 1;
    });
    const server = await stage.until('office', 'is ready', isReady);
    expect(condition(server, 'Stalled')?.status).toBe('False');
    expect(await uids()).toEqual(before);
    expect(stage.server('office').starts).toBe(1);
  });

  test('is kept from tools that prune, also where an older operator made it', async () => {
    const server = await settled();
    const { uid } = server.metadata;
    const tokens = await stage.get<Held>(kinds.Secret, 'office-tokens');
    await stage.operator?.stop();
    // As it was made before: the label by which Argo CD tracks, and tokens with an owner.
    const owner = {
      apiVersion: 'licensing.softonit.ru/v1beta1',
      kind: 'LicenceServer',
      name: 'office',
      uid,
      controller: true,
      blockOwnerDeletion: true,
    };
    const older = (ownerReferences: readonly unknown[]) => ({
      metadata: {
        ownerReferences,
        labels: { 'app.kubernetes.io/instance': 'office', 'licensing.softonit.ru/licence-server': null },
        annotations: {
          'argocd.argoproj.io/sync-options': null,
          'argocd.argoproj.io/compare-options': null,
          'kustomize.toolkit.fluxcd.io/prune': null,
        },
      },
    });
    await stage.client.mergePatch(kinds.Secret, stage.namespace, 'office-tokens', older([owner]));
    await stage.client.mergePatch(kinds.Secret, stage.namespace, 'office-identity', older([]));
    await stage.client.mergePatch(kinds.PersistentVolumeClaim, stage.namespace, 'office-data', older([]));
    await stage.start();
    for (const [kind, name] of [
      [kinds.Secret, 'office-tokens'],
      [kinds.Secret, 'office-identity'],
      [kinds.PersistentVolumeClaim, 'office-data'],
    ] as const) {
      await eventually(`${name} is marked`, async () => {
        const { metadata } = (await stage.get(kind, name)) ?? {};
        expect(metadata?.ownerReferences ?? []).toEqual([]);
        expect(metadata?.labels).not.toHaveProperty(['app.kubernetes.io/instance']);
        expect(metadata?.annotations).toMatchObject({
          'argocd.argoproj.io/sync-options': 'Prune=false',
          'argocd.argoproj.io/compare-options': 'IgnoreExtraneous',
          'kustomize.toolkit.fluxcd.io/prune': 'disabled',
        });
        return true;
      });
    }
    expect((await stage.get<Held>(kinds.Secret, 'office-tokens'))?.data).toEqual(tokens?.data);
    await stage.until('office', 'is ready', isReady);
    expect(stage.server('office').starts).toBe(1);
    await stage.client.delete(licenceServerKind, stage.namespace, 'office');
    await eventually(
      'only what is retained is left',
      async () => {
        expect(await own()).toEqual(retained);
        return true;
      },
      collectionLimitMs,
    );
  });
});

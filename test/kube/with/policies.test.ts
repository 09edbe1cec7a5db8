import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { ensureTools } from '../../../cluster/tools.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import type { Defaults } from '../../../operator/licenceServer/api/defaults.ts';
import { type Rendered, render } from '../../support/chart.ts';
import { eventually } from '../licenceServer/harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from '../licenceServer/operator.ts';
import { enforce } from './policySet.ts';

/** docs/with/policies.md says with which values nobody finds anything. */
const { helm } = await ensureTools(['helm'], 'to render the charts');
const team = { team: 'office' };
const told: Partial<Defaults> = {
  image: 'registry.corp.example/licence-server:1',
  common: { labels: team },
  pods: {
    fixedIds: false,
    resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } },
    imagePullSecrets: [{ name: 'mirror' }],
  },
};

let stage: Stage;
let relax: (() => Promise<void>) | undefined;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(async () => {
  await relax?.();
  relax = undefined;
  await stage.close();
});

const made: readonly ResourceKind[] = [
  kinds.ServiceAccount,
  kinds.Role,
  kinds.RoleBinding,
  kinds.Secret,
  kinds.ConfigMap,
  kinds.PersistentVolumeClaim,
  kinds.Service,
  kinds.NetworkPolicy,
  kinds.Ingress,
  kinds.PodDisruptionBudget,
  kinds.Job,
  kinds.Deployment,
];
/** Everything that the operator made, by kind and name. */
async function children(): Promise<ReadonlyMap<string, KubeObject>> {
  const found = new Map<string, KubeObject>();
  const labelSelector = 'app.kubernetes.io/managed-by=licence-operator';
  for (const kind of made) {
    const { items } = await stage.client.list(kind, { namespace: stage.namespace, labelSelector });
    for (const item of items) found.set(`${kind.kind} ${item.metadata.name}`, item);
  }
  return found;
}
const putLabelled = (kind: ResourceKind, name: string, content: object) =>
  stage.client.create(kind, {
    apiVersion: 'v1',
    kind: kind.kind,
    metadata: { name, namespace: stage.namespace, labels: team },
    ...content,
  });

describe('the usual policies, Pod Security restricted, and ids that are the cluster’s', () => {
  test('refuse no child and no pod of a licence server', { timeout: 300_000 }, async () => {
    relax = await enforce(stage.client, stage.namespace);
    await putLabelled(kinds.Secret, 'keys', { stringData: { erp: freshKey() } });
    await putLabelled(kinds.Secret, 'database', { stringData: { uri: 'postgres://licence@db.example/licence' } });
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
    await putLabelled(kinds.PersistentVolumeClaim, 'backups', { spec });
    await stage.start({ defaults: told });
    const ingress = { host: 'licences.example.org', tlsSecretName: 'certificate' };
    await stage.create('office', specWithKey({ ingress, access: { clients: 'ServiceAccount' } }));
    await stage.create('many', {
      replicas: 2,
      database: { secretRef: { name: 'database' } },
      storage: { accessModes: ['ReadWriteMany'] },
    });
    await stage.create('copy', { restoreFrom: { destination: { claim: { claimName: 'backups' } } } });
    for (const name of ['office', 'many']) await stage.until(name, 'is ready', isReady, 120_000);
    const labelSelector = 'app.kubernetes.io/name=licence-server-restore';
    await eventually('the pod of the restore is let in', async () => {
      const { items } = await stage.client.list(kinds.Pod, { namespace: stage.namespace, labelSelector });
      return items.length === 1;
    });
    const all = await children();
    const kindsMade = new Set([...all.keys()].map((key) => key.split(' ')[0]));
    expect(kindsMade).toEqual(new Set(made.map(({ kind }) => kind)));
    for (const name of ['office-identity', 'office-tokens', 'copy-restored']) {
      expect(all.get(`Secret ${name}`)?.metadata.labels, name).toMatchObject(team);
    }
    const { items } = await stage.client.list(kinds.Pod, { namespace: stage.namespace });
    expect(items).toHaveLength(4);
    for (const pod of items as (KubeObject & { spec: { imagePullSecrets: unknown } })[]) {
      expect(pod.spec.imagePullSecrets).toEqual([{ name: 'mirror' }]);
    }
    expect((await stage.events()).filter(({ type }) => type === 'Warning').map(({ note }) => note)).toEqual([]);
  });

  test('refuse nothing that the charts make', { timeout: 240_000 }, async () => {
    relax = await enforce(stage.client, stage.namespace);
    const { client, namespace } = stage;
    const values = ['fixedIds=Disabled', 'commonLabels.team=office', 'image.repository=registry.corp.example/licence'];
    const set = (...all: string[]) => all.flatMap((value) => ['--set', value]);
    const charts = {
      'licence-operator': set(...values, 'replicas=2', 'rbac.clusterWide=false'),
      'licence-authority': set(...values, 'ingress.enabled=true', 'ingress.host=a.example', 'ingress.tlsSecretName=t'),
    };
    for (const [chart, args] of Object.entries(charts)) {
      const objects = await render(helm, chart, args);
      const judged: string[] = [];
      for (const object of objects) {
        const kind = Object.values(kinds).find((of) => of.kind === object.kind && of.namespaced);
        if (kind === undefined) continue;
        const here = { ...object, metadata: { ...object.metadata, namespace } } as unknown as KubeObject;
        await client.dryRun().create(kind, here);
        judged.push(object.kind);
        if (kind !== kinds.Deployment) continue;
        // Of what makes pods Pod Security only warns; the pods are what it refuses.
        const { metadata, spec } = object.spec.template as Rendered;
        const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'pod', namespace }, spec };
        await client.create(kinds.ServiceAccount, {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { name: spec.serviceAccountName, namespace, labels: team },
        });
        await client.dryRun().create(kinds.Pod, pod as unknown as KubeObject);
      }
      expect(judged, chart).toEqual(
        expect.arrayContaining(['Deployment', 'Service', 'ServiceAccount', 'NetworkPolicy']),
      );
    }
  });

  test('are told in their own words where they refuse, for a child and for a pod, and no longer when they are content', {
    timeout: 300_000,
  }, async () => {
    relax = await enforce(stage.client, stage.namespace);
    await putLabelled(kinds.Secret, 'keys', { stringData: { erp: freshKey() } });
    await stage.start({ defaults: { ...told, common: {} } });
    await stage.create('office', specWithKey());
    const refused = await stage.until(
      'office',
      'is refused',
      (s) => condition(s, 'Stalled')?.status === 'True',
      90_000,
    );
    expect(condition(refused, 'Ready')?.message).toContain('every object has the label team');
    await stage.patch('office', { spec: { commonLabels: team } });
    await stage.until('office', 'is ready', isReady, 120_000);
    // What the cluster refuses of a running server changes nothing of it.
    const before = await stage.get(kinds.Deployment, 'office');
    await stage.patch('office', { spec: { fixedIds: 'Enabled' } });
    const told2 = await stage.until(
      'office',
      'says why',
      (s) => condition(s, 'Ready')?.message?.includes('the cluster gives ids: no runAsUser') === true,
      90_000,
    );
    expect(condition(told2, 'Available')?.status).toBe('True');
    expect((await stage.get<KubeObject>(kinds.Deployment, 'office'))?.metadata.generation).toBe(
      before?.metadata.generation,
    );
    await stage.patch('office', { spec: { fixedIds: null } });
    await stage.until('office', 'is ready', isReady, 90_000);
    expect(stage.server('office').starts).toBe(1);
  });
});

describe('common labels and annotations', () => {
  test('come, change and go on every child, of which none is missed and no pod rolls', {
    timeout: 240_000,
  }, async () => {
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.start();
    await stage.create('office', specWithKey({ ingress: { host: 'licences.example.org' } }));
    await stage.until('office', 'is ready', isReady, 90_000);
    // Of an earlier roll, for "kubectl rollout undo".
    await stage.patch('office', { spec: { seats: { leaseSeconds: 90 } } });
    await stage.until('office', 'is ready again', (s) => isReady(s) && stage.server('office').starts === 2, 90_000);
    const template = async () =>
      (await stage.get<KubeObject & { spec: { template: unknown } }>(kinds.Deployment, 'office'))?.spec.template;
    const before = { template: await template(), names: [...(await children()).keys()] };
    expect(before.names).toEqual(expect.arrayContaining(['Secret office-identity', 'Secret office-tokens']));
    expect(before.names.filter((name) => name.startsWith('ConfigMap')).length).toBeGreaterThan(1);

    const readySince = async () => condition(await stage.licenceServer('office'), 'Ready')?.lastTransitionTime;
    const since = await readySince();
    const all = async (what: string, holds: (object: KubeObject) => boolean) => {
      await eventually(what, async () => {
        for (const [name, object] of await children()) if (!holds(object)) throw new Error(`not ${name}`);
        return true;
      });
    };
    await stage.restart({ defaults: { common: { labels: { team: 'platform' }, annotations: { cost: '7' } } } });
    await all(
      'all have what the operator was told',
      ({ metadata }) => metadata.labels?.team === 'platform' && metadata.annotations?.cost === '7',
    );
    await stage.patch('office', { spec: { commonLabels: { team: 'office' } } });
    await all('all have what the resource says', ({ metadata }) => metadata.labels?.team === 'office');
    await stage.restart();
    await stage.patch('office', { spec: { commonLabels: null } });
    await all(
      'nothing has any of it',
      ({ metadata }) => metadata.labels?.team === undefined && metadata.annotations?.cost === undefined,
    );
    expect([...(await children()).keys()]).toEqual(before.names);
    expect(await template()).toEqual(before.template);
    expect(stage.server('office').starts).toBe(2);
    expect(await readySince()).toBe(since);
  });

  test.each([
    [{ team: 'two words' }, 'each value must be one of a label'],
    [{ 'a b': 'x' }, 'each name must be one of a label or annotation'],
    [
      { 'app.kubernetes.io/instance': 'x' },
      'labels and annotations that the operator sets itself cannot be set otherwise',
    ],
  ])(
    'that are none (%j) are refused in a sentence, and a running server stays as it is',
    async (commonLabels, says) => {
      await stage.create('office', {});
      await expect(stage.patch('office', { spec: { commonLabels } })).rejects.toThrow(says);
      expect((await stage.get<KubeObject>(licenceServerKind, 'office'))?.metadata.generation).toBe(1);
    },
  );
});

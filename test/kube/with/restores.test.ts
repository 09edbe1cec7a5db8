import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { KubeClient } from '../../../operator/kube/client.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { eventually } from '../licenceServer/harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from '../licenceServer/operator.ts';

/** What tools that others wrote make of a namespace when they put it back; docs/with/velero.md says what has to be in the backup. */
let stages: Stage[] = [];
beforeEach(() => {
  stages = [];
});
afterEach(async () => {
  for (const stage of stages) await stage.close();
});
const aStage = async () => {
  const stage = await Stage.open(inject('kubeconfig'));
  stages.push(stage);
  return stage;
};

/** In the order in which Velero restores them; what it does not name comes last, by the alphabet. */
const restoredKinds: readonly ResourceKind[] = [
  kinds.PersistentVolumeClaim,
  kinds.ServiceAccount,
  kinds.Secret,
  kinds.ConfigMap,
  kinds.Deployment,
  licenceServerKind,
  kinds.NetworkPolicy,
  kinds.Service,
];
type Whole = KubeObject & { readonly spec?: Record<string, unknown>; readonly data?: Record<string, string> };
type Backup = readonly (readonly [ResourceKind, Whole])[];

async function takeAll(client: KubeClient, namespace: string): Promise<Backup> {
  const all: [ResourceKind, Whole][] = [];
  for (const kind of restoredKinds) {
    const { items } = await client.list(kind, { namespace });
    all.push(...items.map((item): [ResourceKind, Whole] => [kind, item as Whole]));
  }
  // The cluster makes these in each namespace.
  return all.filter(([, { metadata }]) => !['default', 'kube-root-ca.crt'].includes(metadata.name));
}

/** Without status, owners, uid and all else that is of the old cluster; with a label of its own. */
function asVelero(object: Whole, namespace: string): Whole {
  const { name, labels, annotations } = object.metadata;
  const { status: _, ...rest } = object as Whole & { status?: unknown };
  const spec = { ...rest.spec };
  for (const field of ['clusterIP', 'clusterIPs', 'volumeName']) delete spec[field];
  return {
    ...rest,
    ...(rest.spec === undefined ? {} : { spec }),
    metadata: {
      name,
      namespace,
      labels: { ...labels, 'velero.io/restore-name': 'nightly' },
      ...(annotations === undefined ? {} : { annotations }),
    },
  } as Whole;
}

async function settled(stage: Stage) {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.create('office', specWithKey());
  return stage.until('office', 'is ready', isReady);
}
const secretOf = (stage: Stage, name: string) => stage.get<Whole>(kinds.Secret, name);
async function sameComputer(before: LicenceServer, from: Backup, stage: Stage) {
  const after = await stage.until('office', 'is ready', isReady);
  expect(after.status?.fingerprint).toBe(before.status?.fingerprint);
  for (const name of ['office-identity', 'office-tokens']) {
    const was = from.find(([kind, { metadata }]) => kind === kinds.Secret && metadata.name === name)?.[1];
    expect((await secretOf(stage, name))?.data).toEqual(was?.data);
  }
  expect(after.status?.regeneration).toBeUndefined();
  expect(condition(after, 'KeysActive')?.status).toBe('True');
  return after;
}

describe('a namespace that Velero puts back', { timeout: 240_000 }, () => {
  test.each([
    ['while the operator is away', false],
    ['under a running operator', true],
  ])('into another namespace, %s: the same computer with the same tokens, and no roll', async (_, isRunning) => {
    const [from, to] = [await aStage(), await aStage()];
    const before = await settled(from);
    const backup = await takeAll(from.client, from.namespace);
    await from.operator?.stop();
    from.operator = undefined;

    to.server('office');
    if (isRunning) await to.start();
    for (const [kind, object] of backup) await to.client.create(kind, asVelero(object, to.namespace));
    if (!isRunning) await to.start();
    const after = await sameComputer(before, backup, to);
    expect(to.server('office').starts).toBe(1);

    // What is to stay has no owner, what is to go has its new one.
    const owners = async (kind: ResourceKind, name: string) =>
      (await to.get(kind, name))?.metadata.ownerReferences?.map(({ uid }) => uid);
    expect(await owners(kinds.Secret, 'office-identity')).toBeUndefined();
    expect(await owners(kinds.PersistentVolumeClaim, 'office-data')).toBeUndefined();
    await eventually('the Deployment has its owner', async () =>
      (await owners(kinds.Deployment, 'office'))?.includes(after.metadata.uid),
    );
  });

  test('without the Deployment and all that the operator makes anew: identity, tokens, claim, keys and the resource suffice', async () => {
    const [from, to] = [await aStage(), await aStage()];
    const before = await settled(from);
    const backup = await takeAll(from.client, from.namespace);
    const needed = ['office', 'office-identity', 'office-tokens', 'office-data', 'keys'];
    const kept = [licenceServerKind, kinds.Secret, kinds.PersistentVolumeClaim];
    to.server('office');
    for (const [kind, object] of backup) {
      if (!kept.includes(kind) || !needed.includes(object.metadata.name)) continue;
      await to.client.create(kind, asVelero(object, to.namespace));
    }
    await to.start();
    await sameComputer(before, backup, to);
  });
});

describe('a cluster whose etcd is put back to an older time', { timeout: 240_000 }, () => {
  test('the resource and all of its own as they were an edit, a rotation and a roll ago: the same computer, which runs as was asked then', async () => {
    const stage = await aStage();
    const before = await settled(stage);
    const older = await takeAll(stage.client, stage.namespace);
    await stage.patch('office', { spec: { seats: { leaseSeconds: 60 } } });
    await eventually('it rolled', () => stage.server('office').starts === 2);
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.until('office', 'has rotated', (s) => isReady(s) && s.status?.rotation?.phase === 'Active');
    await stage.operator?.stop();
    stage.operator = undefined;

    // Everything as it was, with its uids and its status: what came later is gone.
    const now = await takeAll(stage.client, stage.namespace);
    for (const [kind, { metadata }] of now) {
      const isOlder = older.some(([k, o]) => k === kind && o.metadata.name === metadata.name);
      if (!isOlder) await stage.client.delete(kind, stage.namespace, metadata.name);
    }
    for (const [kind, object] of older) {
      const there = await stage.get<Whole>(kind, object.metadata.name);
      const { resourceVersion: _, managedFields: __, ...metadata } = object.metadata as Record<string, unknown>;
      if (there === undefined) await stage.client.create(kind, { ...object, metadata } as Whole);
      else {
        const body = { ...object, metadata: { ...metadata, resourceVersion: there.metadata.resourceVersion } };
        if (
          kind === licenceServerKind ||
          kind === kinds.Deployment ||
          (kind === kinds.Secret && object.metadata.name === 'keys')
        )
          await replace(stage, kind, body as Whole);
      }
    }
    await stage.start();
    const after = await stage.until('office', 'runs as then', (s) => isReady(s) && s.metadata.generation !== undefined);
    await sameComputer(before, older, stage);
    expect(after.status?.keysCopy).toBe(before.status?.keysCopy);
    expect((after.spec as { seats?: { leaseSeconds?: number } }).seats?.leaseSeconds).not.toBe(60);
  });
});

/** Put back as a whole, status included. */
async function replace(stage: Stage, kind: ResourceKind, object: Whole): Promise<void> {
  const { spec, data, status } = object as Whole & { status?: unknown };
  const { name } = object.metadata;
  const { seats } = (spec ?? {}) as { seats?: unknown };
  const patch = {
    ...(spec === undefined
      ? {}
      : { spec: { ...spec, ...(kind === licenceServerKind ? { seats: seats ?? null } : {}) } }),
    ...(data === undefined ? {} : { data }),
  };
  await stage.client.mergePatch(kind, stage.namespace, name, patch);
  if (kind === licenceServerKind) await stage.client.mergePatch(kind, stage.namespace, name, { status }, 'status');
}

import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
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
const collectionLimitMs = 60_000;
const paused = { metadata: { annotations: { 'licensing.softonit.ru/pause': 'true' } } };
const policy = (reclaimPolicy: 'Retain' | 'Delete') => ({ spec: { storage: { reclaimPolicy } } });
/** Nobody can tell when this window is open. */
const refused = { spec: { staleSeats: { windows: [{ schedule: '99 99 * * *', duration: '1h' }] } } };

type Held = KubeObject & { readonly data?: Readonly<Record<string, string>> };

async function settled(reclaimPolicy: 'Retain' | 'Delete') {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.create('office', specWithKey({ storage: { reclaimPolicy } }));
  return stage.until('office', 'is ready', isReady);
}
const remove = () => stage.client.delete(licenceServerKind, stage.namespace, 'office');
const untilGone = () =>
  eventually('it is gone', async () => (await stage.get(licenceServerKind, 'office')) === undefined, collectionLimitMs);
const untilRefused = () =>
  stage.until('office', 'is refused', (s) => condition(s, 'Stalled')?.reason === 'WindowInvalid');

/** What is to outlive a LicenceServer. */
const kept = async () => ({
  claim: await stage.get(kinds.PersistentVolumeClaim, 'office-data'),
  identity: await stage.get<Held>(kinds.Secret, 'office-identity'),
  tokens: await stage.get<Held>(kinds.Secret, 'office-tokens'),
});
async function expectKept(): Promise<void> {
  await untilGone();
  for (const [name, object] of Object.entries(await kept())) {
    expect(object, name).toBeDefined();
    expect(object?.metadata.deletionTimestamp, name).toBeUndefined();
    expect(object?.metadata.ownerReferences ?? [], name).toEqual([]);
  }
}
async function expectRemoved(): Promise<void> {
  await untilGone();
  await eventually('all is gone', async () => Object.values(await kept()).every((object) => object === undefined));
}

describe('what spec says when a LicenceServer is deleted', { timeout: 120_000 }, () => {
  test('counts right after it was written: Retain', async () => {
    await settled('Delete');
    await stage.patch('office', policy('Retain'));
    await remove();
    await expectKept();
  });

  test('counts while it is paused: Retain', async () => {
    await settled('Delete');
    await stage.patch('office', { ...paused, ...policy('Retain') });
    await stage.until(
      'office',
      'says that it is paused',
      (s) => s.status?.observedGeneration === s.metadata.generation,
    );
    await remove();
    await expectKept();
  });

  test('counts while it is paused: Delete', async () => {
    await settled('Retain');
    await stage.patch('office', paused);
    await stage.patch('office', policy('Delete'));
    await stage.until(
      'office',
      'says that it is paused',
      (s) => s.status?.observedGeneration === s.metadata.generation,
    );
    await remove();
    await expectRemoved();
  });

  test('counts while it is refused: Retain', async () => {
    await settled('Delete');
    await stage.patch('office', refused);
    await untilRefused();
    await stage.patch('office', policy('Retain'));
    await remove();
    await expectKept();
  });

  test('counts while it is refused: Delete', async () => {
    await settled('Retain');
    await stage.patch('office', refused);
    await untilRefused();
    await stage.patch('office', policy('Delete'));
    await stage.until('office', 'was seen', (s) => s.status?.observedGeneration === s.metadata.generation);
    await remove();
    await expectRemoved();
  });

  test('counts when the operator was away for both calls: Retain', async () => {
    await settled('Delete');
    await stage.operator?.stop();
    await stage.patch('office', policy('Retain'));
    await remove();
    await stage.start();
    await expectKept();
  });

  test.each(['Retain', 'Delete'] as const)('counts while every pass ends in an error: %s', async (last) => {
    await settled(last === 'Retain' ? 'Delete' : 'Retain');
    await stage.restart({
      wrap: (client) =>
        new Proxy(client, {
          get(target, name) {
            const value = Reflect.get(target, name, target) as unknown;
            if (name !== 'get') return typeof value === 'function' ? value.bind(target) : value;
            return (kind: ResourceKind, ...rest: [string, string]) =>
              kind === kinds.Secret ? Promise.reject(new Error('planted')) : target.get(kind, ...rest);
          },
        }),
    });
    // New content of the keys has to be read, and cannot be.
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.patch('office', policy(last));
    await eventually('the finalizer follows', async () => {
      const { finalizers = [] } = (await stage.licenceServer('office')).metadata;
      return finalizers.length === (last === 'Delete' ? 1 : 0);
    });
    await remove();
    await (last === 'Retain' ? expectKept() : expectRemoved());
  });
});

describe('a LicenceServer that is being deleted', { timeout: 120_000 }, () => {
  const pods = async () => {
    const labelSelector = 'app.kubernetes.io/instance=office';
    return (await stage.client.list(kinds.Pod, { namespace: stage.namespace, labelSelector })).items;
  };
  /** Pods that do not end until they are told. */
  const hold = async (finalizers: readonly string[]) => {
    for (const { metadata } of await pods()) {
      await stage.client.mergePatch(kinds.Pod, stage.namespace, metadata.name, { metadata: { finalizers } });
    }
  };

  test('says what it waits for, and keeps the volume until the pod has ended', async () => {
    await settled('Delete');
    await hold(['example.org/held']);
    await remove();
    const leaving = await stage.until('office', 'waits', (s) => condition(s, 'Ready')?.reason === 'Terminating');
    expect(condition(leaving, 'Ready')?.message).toContain('the pods of Deployment office are to end');
    expect((await kept()).claim?.metadata.deletionTimestamp).toBeUndefined();
    await hold([]);
    await expectRemoved();
  });

  test('does not hold up the deletion of its namespace', async () => {
    await settled('Delete');
    await stage.patch('office', { spec: { suspend: true } });
    await eventually('its pods have ended', async () => (await pods()).length === 0);
    const holdDeployment = (finalizers: readonly string[]) =>
      stage.client.mergePatch(kinds.Deployment, stage.namespace, 'office', { metadata: { finalizers } });
    await holdDeployment(['example.org/held']);
    await stage.client.delete(kinds.Namespace, undefined, stage.namespace);
    await untilGone();
    await holdDeployment([]);
  });

  test('leaves its claim to another one that was given it', async () => {
    await settled('Delete');
    await stage.patch('office', { spec: { suspend: true } });
    await stage.create('branch', specWithKey({ storage: { existingClaim: 'office-data' } }));
    await stage.until('branch', 'was seen', (s) => s.status?.conditions !== undefined);
    await remove();
    await untilGone();
    expect((await kept()).claim?.metadata.deletionTimestamp).toBeUndefined();
    expect((await kept()).identity).toBeUndefined();
    await stage.until('branch', 'is ready', isReady);
  });

  test('hands its tokens to the next one of its name, as it does its identity', async () => {
    await settled('Retain');
    const before = await kept();
    await remove();
    await eventually(
      'its Deployment is gone',
      async () => (await stage.get(kinds.Deployment, 'office')) === undefined,
      collectionLimitMs,
    );
    await stage.create('office', specWithKey());
    await stage.until('office', 'is ready', isReady);
    const after = await kept();
    expect(after.tokens?.data).toEqual(before.tokens?.data);
    expect(after.identity?.metadata.uid).toBe(before.identity?.metadata.uid);
  });
});

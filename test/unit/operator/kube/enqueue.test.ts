import { describe, expect, it } from 'vitest';
import { enqueueMapped, enqueueObject, enqueueOwner } from '../../../../operator/kube/enqueue.ts';
import { controllerReference, isControlledBy, type KubeObject, splitKey } from '../../../../operator/kube/object.ts';
import { kinds } from '../../../../operator/kube/resourceKind.ts';

const object = (metadata: Partial<KubeObject['metadata']>, name = 'a'): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { namespace: 'ns', name, uid: `uid-${name}`, generation: 1, ...metadata },
});
function recorder() {
  const keys: string[] = [];
  return { keys, enqueue: (key: string, priority: string) => void keys.push(`${key} ${priority}`) };
}

describe('an object’s own key', () => {
  it('is enqueued when it is more than its status that changed', () => {
    const { keys, enqueue } = recorder();
    const handlers = enqueueObject(enqueue);
    handlers.add?.(object({}), 'list');
    handlers.update?.(object({}), object({ resourceVersion: '2' }), 'watch');
    expect(keys).toEqual(['ns/a resync']);
    handlers.update?.(object({}), object({ generation: 2 }), 'watch');
    handlers.update?.(object({}), object({ annotations: { a: 'b' } }), 'watch');
    handlers.update?.(object({}), object({ deletionTimestamp: 'now' }), 'watch');
    handlers.delete?.(object({}), 'watch');
    expect(keys.slice(1)).toEqual(['ns/a edit', 'ns/a edit', 'ns/a edit', 'ns/a fresh']);
  });

  it('is not enqueued for own writes', () => {
    const { keys, enqueue } = recorder();
    const handlers = enqueueObject(enqueue);
    handlers.add?.(object({}), 'own');
    handlers.update?.(object({}), object({ generation: 2 }), 'own');
    handlers.delete?.(object({}), 'own');
    expect(keys).toEqual([]);
  });

  it('is enqueued at any update of a kind without generations', () => {
    const { keys, enqueue } = recorder();
    const plain: KubeObject = { metadata: { namespace: 'ns', name: 'a' } };
    enqueueObject(enqueue).update?.(plain, plain, 'watch');
    expect(keys).toEqual(['ns/a edit']);
  });
});

describe('an owner’s key', () => {
  const owned = (name: string) => object({ ownerReferences: [controllerReference(object({}, name))] }, 'child');

  it('is enqueued at changes of what it controls, the former owner’s too', () => {
    const { keys, enqueue } = recorder();
    const handlers = enqueueOwner(kinds.Deployment, enqueue);
    handlers.add?.(owned('x'), 'watch');
    handlers.update?.(owned('x'), owned('y'), 'watch');
    expect(keys).toEqual(['ns/x fresh', 'ns/x fresh', 'ns/y fresh']);
  });

  it('is not enqueued for other kinds, other groups, no owner or own writes', () => {
    const { keys, enqueue } = recorder();
    const handlers = enqueueOwner(kinds.Deployment, enqueue);
    handlers.add?.(object({}), 'watch');
    handlers.add?.(owned('x'), 'own');
    for (const wrong of [{ kind: 'ReplicaSet' }, { apiVersion: 'other/v1' }, { controller: false }]) {
      const reference = { ...controllerReference(object({}, 'x')), ...wrong };
      handlers.add?.(object({ ownerReferences: [reference] }), 'watch');
    }
    expect(keys).toEqual([]);
  });
});

it('mapped keys are enqueued once each, for before and after', () => {
  const { keys, enqueue } = recorder();
  const handlers = enqueueMapped((o) => Object.keys(o.metadata.labels ?? {}), enqueue);
  handlers.update?.(object({ labels: { a: '', b: '' } }), object({ labels: { b: '', c: '' } }), 'own');
  expect(keys).toEqual(['a fresh', 'b fresh', 'c fresh']);
});

describe('objects', () => {
  it('are owned by uid', () => {
    const child = object({ ownerReferences: [controllerReference(object({}, 'x'))] });
    expect(isControlledBy(child, object({}, 'x'))).toBe(true);
    expect(isControlledBy(child, object({ uid: 'another' }, 'x'))).toBe(false);
    expect(() => controllerReference({ metadata: { name: 'x' } })).toThrow('x cannot own anything');
  });
  it('have keys that come apart again', () => {
    expect(splitKey('ns/a')).toEqual({ namespace: 'ns', name: 'a' });
    expect(splitKey('a')).toEqual({ namespace: undefined, name: 'a' });
  });
});

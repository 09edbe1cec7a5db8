import { controllerOf, type KubeObject, keyFor, keyOf } from './object.ts';
import type { ResourceKind } from './resourceKind.ts';
import type { Origin, StoreHandlers } from './store.ts';
import type { Priority } from './workQueue.ts';

/** How events become keys of a queue. What a full list says goes behind what just happened. */
type Enqueue = (key: string, priority: Priority) => void;

const priorityOf = (origin: Origin, live: Priority = 'fresh'): Priority => (origin === 'list' ? 'resync' : live);

/**
 * Each change of an object enqueues the object itself, an edit of one that was there before in front of all else. What this
 * process wrote is left out: the reconcile that wrote it knows.
 * @param isChange which updates count; default: all but those of `status` alone
 */
export const enqueueObject = (
  enqueue: Enqueue,
  isChange: (before: KubeObject, after: KubeObject) => boolean = isMoreThanStatus,
): StoreHandlers => ({
  add: (object, origin) => origin !== 'own' && enqueue(keyOf(object), priorityOf(origin)),
  update: (before, after, origin) =>
    origin !== 'own' && isChange(before, after) && enqueue(keyOf(after), priorityOf(origin, 'edit')),
  delete: (object, origin) => origin !== 'own' && enqueue(keyOf(object), priorityOf(origin)),
});

/** Each change of an object enqueues its controller, if that is of kind `owner`. Own writes are left out. */
export function enqueueOwner(owner: ResourceKind, enqueue: Enqueue): StoreHandlers {
  const group = owner.group;
  const tell = (object: KubeObject, origin: Origin) => {
    const reference = controllerOf(object);
    if (origin === 'own' || reference === undefined || reference.kind !== owner.kind) return;
    // Any version of the group: a stored reference may name an older one.
    if ((reference.apiVersion.includes('/') ? reference.apiVersion.split('/')[0] : '') !== group) return;
    enqueue(keyFor(owner.namespaced ? object.metadata.namespace : undefined, reference.name), priorityOf(origin));
  };
  return {
    add: tell,
    update: (before, after, origin) => {
      if (controllerOf(before)?.uid !== controllerOf(after)?.uid) tell(before, origin);
      tell(after, origin);
    },
    delete: tell,
  };
}

/** Each change of an object enqueues the keys that `keysOf` answers, for its state before and after; own writes too. */
export function enqueueMapped(keysOf: (object: KubeObject) => Iterable<string>, enqueue: Enqueue): StoreHandlers {
  const tell = (origin: Origin, ...objects: readonly KubeObject[]) => {
    for (const key of new Set(objects.flatMap((object) => [...keysOf(object)]))) enqueue(key, priorityOf(origin));
  };
  return {
    add: (object, origin) => tell(origin, object),
    update: (before, after, origin) => tell(origin, before, after),
    delete: (object, origin) => tell(origin, object),
  };
}

/**
 * Whether anything but `status` changed, as far as metadata tells: spec, labels, annotations, finalizers, deletion. A kind
 * without generations (ConfigMap, Secret) has no status: every update counts.
 */
export function isMoreThanStatus(before: KubeObject, after: KubeObject): boolean {
  const { metadata: a } = before;
  const { metadata: b } = after;
  if (a.generation === undefined || b.generation === undefined) return true;
  return (
    a.uid !== b.uid ||
    a.generation !== b.generation ||
    a.deletionTimestamp !== b.deletionTimestamp ||
    JSON.stringify([a.labels, a.annotations, a.finalizers, a.ownerReferences]) !==
      JSON.stringify([b.labels, b.annotations, b.finalizers, b.ownerReferences])
  );
}

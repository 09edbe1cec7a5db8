import { partOnce, textOnce } from './keptOnce.ts';
import { type KubeObject, keyOf } from './object.ts';
import { sharing } from './sharing.ts';

/**
 * What is known of the objects of one kind, by `namespace/name`.
 *
 * Two writers feed it: a reflector, with what the API server lists and watches, and `assume`, with the answers to own
 * writes. An own write is seen at once and never undone by an older event on its way, so nobody who reads the store acts
 * on a state older than what they wrote themselves. The resource versions of one kind are compared as numbers for that,
 * which the API server promises.
 *
 * Handlers are told of every change after the store shows it, and where it came from; the event of an own write that
 * follows is no change any more. A handler that throws does not keep the others from being told.
 */
/** `list`: a full list (a start, a resync after a fault); `watch`: it just happened; `own`: this process wrote it. */
export type Origin = 'list' | 'watch' | 'own';

export interface StoreHandlers<T extends KubeObject = KubeObject> {
  readonly add?: (object: T, origin: Origin) => void;
  readonly update?: (before: T, after: T, origin: Origin) => void;
  readonly delete?: (object: T, origin: Origin) => void;
}

export interface StoreOptions<T extends KubeObject> {
  /** What is kept of an object, from the object without its `managedFields`; default: all. */
  readonly transform?: (object: KubeObject) => T;
  /** Index name → the values under which an object is found. */
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
  /** Told of what a handler threw (a bug); default: thrown outside of everything, which ends the process. */
  readonly onHandlerError?: (error: unknown) => void;
}

export class Store<T extends KubeObject = KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #byNamespace = new Map<string, Set<string>>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #handlers = new Set<StoreHandlers<T>>();
  /** uid → key of objects that own deletes removed, until the watch says so too. */
  readonly #deletedUids = new Map<string, string>();
  readonly #assumed = new Map<string, Assumed<T>>();
  /** Namespace (`''` for all) → the version up to which the watch has told everything. */
  readonly #seen = new Map<string, string>();
  /** The one that was kept last: the next one is much like it. */
  #last: T | undefined;
  readonly #transform: (object: KubeObject) => T;
  readonly #onHandlerError: (error: unknown) => void;

  constructor(options: StoreOptions<T> = {}) {
    this.#onHandlerError = options.onHandlerError ?? throwOutside;
    this.#transform = options.transform ?? ((object) => object as T);
    for (const [name, values] of Object.entries(options.indexes ?? {})) this.#indexes.set(name, new Index(values));
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  /** All objects, or those of one namespace. */
  list(namespace?: string): T[] {
    return namespace === undefined ? [...this.#objects.values()] : this.#found(this.#byNamespace.get(namespace));
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  /** @throws when there is no index of that name */
  byIndex(index: string, value: string): T[] {
    const found = this.#indexes.get(index);
    if (found === undefined) throw new Error(`the store has no index "${index}"`);
    return this.#found(found.keys(value));
  }

  /** Tells `handlers` of every change from now on, and of what is there already as added. The answer ends it. */
  onChange(handlers: StoreHandlers<T>): () => void {
    this.#handlers.add(handlers);
    for (const object of this.#objects.values()) handlers.add?.(object, 'list');
    return () => this.#handlers.delete(handlers);
  }

  /** An object as the API server answered an own write. */
  assume(object: KubeObject): void {
    const { namespace = '', resourceVersion: version } = object.metadata;
    const key = keyOf(object);
    if (version === undefined || !decimal.test(version)) return;
    // The watch may be ahead of the answer: what it told, the removal of this very object included, stands.
    if ([this.#seen.get(namespace), this.#seen.get('')].some((seen) => seen === version || isNewer(seen, version)))
      return;
    if (isNewer(this.#objects.get(key)?.metadata.resourceVersion, version)) return;
    const assumed = this.#assumed.get(key);
    const base = assumed === undefined ? this.#objects.get(key) : assumed.base;
    this.#assumed.set(key, { version, versions: new Set(assumed?.versions).add(version), base, lists: 0 });
    this.#put(object, 'own');
  }

  /** An object that an own delete removed for good. */
  assumeDeleted(key: string, uid: string): void {
    if (this.#objects.get(key)?.metadata.uid !== uid) return;
    this.#deletedUids.set(uid, key);
    this.#remove(key, 'own');
  }

  /** An object that the watch says was added or modified. */
  put(object: KubeObject): void {
    const { namespace = '', resourceVersion } = object.metadata;
    if (resourceVersion !== undefined) this.#seen.set(namespace, resourceVersion);
    this.#confirm(object, 'watch');
  }

  /** An object that the watch says was deleted; `object` is its last state. */
  remove(object: KubeObject): void {
    const { namespace = '', resourceVersion } = object.metadata;
    if (resourceVersion !== undefined) this.#seen.set(namespace, resourceVersion);
    this.#deletedUids.delete(object.metadata.uid ?? '');
    const key = keyOf(object);
    const known = this.#objects.get(key);
    // A successor of that name that was assumed already is not what was deleted.
    if (known !== undefined && sameUid(known, object)) this.#remove(key, 'watch');
  }

  /**
   * As much of an object as is kept of it: for a list that comes in pages, so that none of it has to be held as it came until
   * all of it is there.
   */
  kept(raw: KubeObject): T {
    this.#last = this.#small(this.#objects.get(keyOf(raw)), raw);
    return this.#last;
  }

  /**
   * A full list as of `resourceVersion`, of one namespace or of all: what it lacks is gone. Only an own write that is newer
   * than the list survives it, and only once: a second list that lacks it comes from a server whose history was set back.
   */
  replace(objects: readonly KubeObject[], resourceVersion: string, namespace?: string): void {
    const listed = new Set(objects.map(keyOf));
    const inScope = namespace === undefined ? this.keys() : [...(this.#byNamespace.get(namespace) ?? [])];
    for (const key of inScope) {
      const assumed = this.#assumed.get(key);
      if (assumed !== undefined) {
        const isAhead = isNewer(assumed.version, resourceVersion);
        if (isAhead ? assumed.lists++ > 0 : !listed.has(key)) this.#assumed.delete(key);
      }
      if (!listed.has(key) && !this.#assumed.has(key)) this.#remove(key, 'list');
    }
    const listedUids = new Set(objects.map((object) => object.metadata.uid));
    for (const [uid, key] of this.#deletedUids) {
      const within = namespace === undefined || key.startsWith(`${namespace}/`);
      if (within && !listedUids.has(uid)) this.#deletedUids.delete(uid);
    }
    for (const object of objects) this.#confirm(object, 'list');
    if (namespace === undefined) this.#seen.clear();
    this.#seen.set(namespace ?? '', resourceVersion);
  }

  /** Forgets a namespace that is no longer looked at, or everything. */
  clear(namespace?: string): void {
    for (const key of namespace === undefined ? this.keys() : [...(this.#byNamespace.get(namespace) ?? [])]) {
      this.#remove(key, 'list');
    }
  }

  /**
   * Takes what the watch says. If an own write is newer, the store is ahead already; but a change by somebody else that
   * lies before the own write came in with that write's answer, and its followers have yet to hear of it.
   */
  #confirm(object: KubeObject, origin: Origin): void {
    const key = keyOf(object);
    const version = object.metadata.resourceVersion;
    const assumed = this.#assumed.get(key);
    if (assumed === undefined) {
      this.#put(object, origin);
      return;
    }
    const isBehind = isNewer(assumed.version, version);
    if (!isBehind) this.#assumed.delete(key);
    const isOwn = version !== undefined && assumed.versions.has(version);
    // A list swallows what happened before it: others' changes may hide behind the own version that it shows.
    const mayHide = isBehind
      ? !isOwn && version !== assumed.base?.metadata.resourceVersion
      : origin === 'list' && isOwn;
    if (!isBehind && !isOwn) this.#put(object, origin);
    else if (mayHide) this.#tellChange(assumed.base, this.#objects.get(key), origin);
  }

  #put(raw: KubeObject, origin: Origin): void {
    const key = keyOf(raw);
    if (this.#deletedUids.has(raw.metadata.uid ?? '')) return;
    const before = this.#objects.get(key);
    if (before?.metadata.resourceVersion === raw.metadata.resourceVersion && before && sameUid(before, raw)) return;
    const after = this.#small(before, raw);
    this.#last = after;
    if (before !== undefined && !sameUid(before, after)) {
      // Deleted and created again between two looks: whoever follows the old one must see it go.
      const assumed = this.#assumed.get(key);
      this.#remove(key, origin);
      if (origin === 'own' && assumed !== undefined) this.#assumed.set(key, assumed);
      this.#set(key, after, undefined);
      this.#tell((handlers) => handlers.add?.(after, origin));
      return;
    }
    this.#set(key, after, before);
    this.#tellChange(before, after, origin);
  }

  /** What is kept of an object, in as little memory as there is a way to. */
  #small(before: T | undefined, raw: KubeObject): T {
    const next = this.#transform(withoutManagedFields(raw));
    const metadata = next.metadata as {
      -readonly [name in keyof KubeObject['metadata']]: KubeObject['metadata'][name];
    };
    if (metadata.labels !== undefined) metadata.labels = partOnce(metadata.labels);
    if (metadata.ownerReferences !== undefined) metadata.ownerReferences = partOnce(metadata.ownerReferences);
    return sharing(before ?? this.#last, next);
  }

  #set(given: string, object: T, before: T | undefined): void {
    const key = before === undefined ? textOnce(given) : given;
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) index.replace(key, before, object);
    if (before !== undefined) return;
    const namespace = object.metadata.namespace ?? '';
    const keys = this.#byNamespace.get(namespace);
    if (keys === undefined) this.#byNamespace.set(namespace, new Set([key]));
    else keys.add(key);
  }

  #remove(key: string, origin: Origin): void {
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    this.#assumed.delete(key);
    for (const index of this.#indexes.values()) index.replace(key, object, undefined);
    const namespace = object.metadata.namespace ?? '';
    const keys = this.#byNamespace.get(namespace);
    keys?.delete(key);
    if (keys?.size === 0) this.#byNamespace.delete(namespace);
    this.#tell((handlers) => handlers.delete?.(object, origin));
  }

  #tellChange(before: T | undefined, after: T | undefined, origin: Origin): void {
    if (after === undefined) return;
    this.#tell((handlers) =>
      before === undefined ? handlers.add?.(after, origin) : handlers.update?.(before, after, origin),
    );
  }

  #tell(tell: (handlers: StoreHandlers<T>) => void): void {
    for (const handlers of [...this.#handlers]) {
      try {
        tell(handlers);
      } catch (error) {
        this.#onHandlerError(error);
      }
    }
  }

  #found(keys: Iterable<string> | undefined): T[] {
    const found: T[] = [];
    for (const key of keys ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }
}

/** Own writes to one object that the watch has not shown yet. */
interface Assumed<T> {
  /** Of the last one. */
  readonly version: string;
  /** Of all of them. */
  readonly versions: ReadonlySet<string>;
  /** The object before them, as the watch told it. */
  readonly base: T | undefined;
  /** How many full lists lacked it. */
  lists: number;
}

/** Which keys stand under a value: nearly always one, for which no set is made. */
class Index<T> {
  readonly #keys = new Map<string, string | Set<string>>();
  readonly #values: (object: T) => readonly string[];

  constructor(values: (object: T) => readonly string[]) {
    this.#values = values;
  }

  keys(value: string): Iterable<string> | undefined {
    const keys = this.#keys.get(value);
    return typeof keys === 'string' ? [keys] : keys;
  }

  replace(key: string, before: T | undefined, after: T | undefined): void {
    for (const value of before === undefined ? [] : this.#values(before)) {
      const keys = this.#keys.get(value);
      if (keys === key) this.#keys.delete(value);
      else if (typeof keys === 'object' && keys.delete(key) && keys.size === 0) this.#keys.delete(value);
    }
    for (const value of after === undefined ? [] : this.#values(after)) {
      const keys = this.#keys.get(value);
      if (keys === undefined) this.#keys.set(textOnce(value), key);
      else if (typeof keys === 'object') keys.add(key);
      else if (keys !== key) this.#keys.set(value, new Set([keys, key]));
    }
  }
}

const throwOutside = (error: unknown): void =>
  queueMicrotask(() => {
    throw error;
  });

const sameUid = (a: KubeObject, b: KubeObject): boolean => a.metadata.uid === b.metadata.uid;

const decimal = /^[1-9]\d*$/;

/** Whether resource version `a` is newer than `b`; never, if either is not a number. */
export function isNewer(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined || !decimal.test(a) || !decimal.test(b)) return false;
  return a.length === b.length ? a > b : a.length > b.length;
}

function withoutManagedFields(object: KubeObject): KubeObject {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata: metadata as KubeObject['metadata'] };
}

/** A transform that keeps an object's identity and metadata only: nothing of a Secret's content stays in memory. */
export const metadataOnly = (object: KubeObject): KubeObject => {
  const { apiVersion, kind, metadata } = object;
  return { ...(apiVersion === undefined ? {} : { apiVersion }), ...(kind === undefined ? {} : { kind }), metadata };
};

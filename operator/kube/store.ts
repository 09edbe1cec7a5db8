import type { KubeObject } from './object.ts';

/** `own` is true for a change that this process wrote itself (see Store.assume). */
export interface StoreHandlers<T extends KubeObject = KubeObject> {
  readonly add?: (object: T, own: boolean) => void;
  readonly update?: (before: T, after: T, own: boolean) => void;
  readonly delete?: (object: T, own: boolean) => void;
}
export interface StoreOptions<T extends KubeObject> {
  /** What is kept of an object; `managedFields` are gone already. */
  readonly transform?: (object: KubeObject) => T;
  /** Name → the values under which an object is found. */
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
}
export declare class Store<T extends KubeObject = KubeObject> {
  constructor(options?: StoreOptions<T>);
  readonly size: number;
  get(key: string): T | undefined;
  list(namespace?: string): T[];
  keys(): string[];
  byIndex(index: string, value: string): T[];
  onChange(handlers: StoreHandlers<T>): () => void;
  /** An object as the API server answered an own write: the store never shows anything older afterwards. */
  assume(object: KubeObject): void;
  assumeDeleted(key: string, uid: string): void;
}

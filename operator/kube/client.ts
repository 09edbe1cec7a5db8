import type { KubeObject } from './object.ts';
import type { ResourceKind } from './resourceKind.ts';

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** Of the body; default `application/json`. */
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal;
  /** For one try, default 30 s. */
  readonly timeoutMs?: number;
}
export interface KubeAnswer {
  readonly status: number;
  readonly body: unknown;
}
export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly metadataOnly?: boolean;
  readonly signal?: AbortSignal;
}
export interface KubeList {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
}
export interface ApplyOptions {
  readonly fieldManager: string;
  /** Take over fields that another manager owns; default true. */
  readonly force?: boolean;
  readonly subresource?: 'status';
  readonly signal?: AbortSignal;
}
export interface DeleteOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
  readonly gracePeriodSeconds?: number;
  readonly signal?: AbortSignal;
}

/** All calls throw ApiError when refused. `ns` is undefined for cluster-wide kinds. */
export interface KubeClient {
  /** Host (and port) of the API server, as in metrics. */
  readonly host: string;
  request(request: KubeRequest): Promise<KubeAnswer>;
  /** Lines of a streamed answer (a watch); ends when the server ends it. */
  lines(request: KubeRequest): Promise<AsyncIterable<string>>;
  get<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    ns: string | undefined,
    name: string,
    signal?: AbortSignal,
  ): Promise<T | undefined>;
  /** All objects, page by page of 500. */
  list(kind: ResourceKind, options?: ListOptions): Promise<KubeList>;
  create<T extends KubeObject = KubeObject>(kind: ResourceKind, object: KubeObject): Promise<T>;
  /** Replaces; `metadata.resourceVersion` makes it conditional. */
  update<T extends KubeObject = KubeObject>(kind: ResourceKind, object: KubeObject, subresource?: string): Promise<T>;
  apply<T extends KubeObject = KubeObject>(kind: ResourceKind, object: KubeObject, options: ApplyOptions): Promise<T>;
  mergePatch<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    ns: string | undefined,
    name: string,
    patch: unknown,
    subresource?: string,
  ): Promise<T>;
  /** `gone` if it was not there. `deleted`: it is gone now; `deleting`: finalizers hold it, the object as it is now. */
  delete(kind: ResourceKind, ns: string | undefined, name: string, options?: DeleteOptions): Promise<DeleteOutcome>;
  /** The same client whose writes change nothing (server-side dry run). */
  dryRun(): KubeClient;
  /** The same client whose writes ask `guard` first (which throws) and are cut when `signal` aborts. */
  guarded(guard: WriteGuard): KubeClient;
  close(): Promise<void>;
}
export type DeleteOutcome =
  | { readonly outcome: 'gone' | 'deleted' }
  | { readonly outcome: 'deleting'; readonly object: KubeObject };
export interface WriteGuard {
  readonly signal: AbortSignal;
  /** @throws when writing is no longer allowed */
  assertHeld(): void;
}

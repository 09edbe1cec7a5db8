/** Signatures to come, one block a file; this file goes away as the files arrive. */
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import type { DeleteOptions, KubeClient, WriteGuard } from './client.ts';
import type { KubeMetrics } from './kubeMetrics.ts';
import type { KubeObject } from './object.ts';
import type { ResourceKind } from './resourceKind.ts';
import type { Store } from './store.ts';

// credentials.ts → loadKubeClient.ts
export interface LoadOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
  /** e.g. `operator/0.1.0` */
  readonly userAgent: string;
  /** Requests at one time, default 32. */
  readonly maxConcurrent?: number;
  /** Requests per second on average, default 200; burst twice that. 0 = no limit */
  readonly qps?: number;
}
/** In-cluster if there is a service account and no kubeconfig is named, else kubeconfig (KUBECONFIG, ~/.kube/config). */
export declare function loadKubeClient(options: LoadOptions): {
  readonly client: KubeClient;
  readonly namespace: string;
};

// reflector.ts
export interface ReflectorOptions {
  readonly client: KubeClient;
  readonly kind: ResourceKind;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
  /** One namespace; all without it. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Only `metadata` is asked of the API server (Secrets). */
  readonly metadataOnly?: boolean;
}
export declare class Reflector {
  constructor(options: ReflectorOptions);
  /** True after the first full list. */
  readonly synced: boolean;
  /** Of the last list, event or bookmark; ms since the epoch. */
  readonly lastEventAt: number;
  /** Runs until `signal` aborts; never rejects for a fault of the server. */
  run(signal: AbortSignal): Promise<void>;
  whenSynced(signal?: AbortSignal): Promise<void>;
}
// namespaceScope.ts
export type NamespaceChoice =
  | { readonly all: true }
  | { readonly names: readonly string[] }
  | { readonly selector: string };
/** Reflectors of one kind in all chosen namespaces, into one store; follows the choice live. */
export declare class ScopedReflector {
  constructor(options: Omit<ReflectorOptions, 'namespace'> & { readonly scope: NamespaceScope });
  readonly synced: boolean;
  readonly lastEventAt: number;
  run(signal: AbortSignal): Promise<void>;
  whenSynced(signal?: AbortSignal): Promise<void>;
}
export declare class NamespaceScope {
  constructor(
    options: Pick<ReflectorOptions, 'client' | 'clock' | 'log' | 'metrics'> & { readonly choice: NamespaceChoice },
  );
  /** undefined = all */
  current(): readonly string[] | undefined;
  onChange(fn: () => void): () => void;
  run(signal: AbortSignal): Promise<void>;
  whenSynced(signal?: AbortSignal): Promise<void>;
}

// discovery.ts
export declare class Discovery {
  constructor(options: {
    client: KubeClient;
    clock: Clock;
    log: Logger;
    kinds: readonly ResourceKind[];
    intervalMs?: number;
  });
  /** What the last look said; false before the first. */
  has(kind: ResourceKind): boolean;
  onChange(fn: (kind: ResourceKind, present: boolean) => void): () => void;
  /** Looks now; a server that cannot be asked leaves the last answer standing. */
  refresh(signal?: AbortSignal): Promise<void>;
  run(signal: AbortSignal): Promise<void>;
}

// workQueue.ts, controller.ts
export type Priority = 'fresh' | 'resync';
export interface Result {
  readonly requeueAfterMs?: number;
}
export interface ReconcileContext {
  readonly reconcileId: string;
  readonly log: Logger;
  /** Aborts when the controller stops or the reconcile is over its time. */
  readonly signal: AbortSignal;
  /** How often this key failed in a row. */
  readonly failures: number;
}
export interface ControllerOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
  readonly reconcile: (key: string, context: ReconcileContext) => Promise<Result | undefined>;
  readonly workers?: number; // default 4
  readonly timeoutMs?: number; // of one reconcile, default 60 s
  readonly resync?: { readonly everyMs: number; readonly keys: () => Iterable<string> };
}
export declare class Controller {
  constructor(options: ControllerOptions);
  enqueue(key: string, priority?: Priority): void;
  enqueueAfter(key: string, delayMs: number): void;
  /** Works until `signal` aborts, then lets running reconciles end (10 s at most). */
  run(signal: AbortSignal): Promise<void>;
}

// leaderElector.ts
export interface LeaderElectorOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Unique to the process. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
  readonly leaseDurationMs?: number; // 15 s
  readonly renewDeadlineMs?: number; // 10 s
  readonly retryPeriodMs?: number; // 2 s
}
export declare class LeaderElector {
  constructor(options: LeaderElectorOptions);
  readonly isLeader: boolean;
  /**
   * Waits for the lease, then runs `lead`, whose guard goes bad the moment the lease is lost: give `client.guarded(guard)`
   * to whatever writes. Ends `released` when `signal` aborts or `lead` ends, `lost` when the lease was lost.
   */
  run(signal: AbortSignal, lead: (guard: WriteGuard) => Promise<void>): Promise<'released' | 'lost'>;
}

// apply.ts
export interface Desired {
  readonly kind: ResourceKind;
  readonly object: KubeObject;
}
export interface Applied {
  readonly kind: ResourceKind;
  /** As the API server has it now. */
  readonly object: KubeObject;
  readonly outcome: 'created' | 'updated' | 'unchanged';
}
export interface ApplierOptions {
  readonly client: KubeClient;
  readonly fieldManager: string;
  /** Where the hash of what was applied last is kept, e.g. `example.org/applied`. */
  readonly hashAnnotation: string;
  readonly metrics: KubeMetrics;
  /** The store of a kind, if it is watched: it is told of own writes. */
  readonly storeOf: (kind: ResourceKind) => Store | undefined;
}
/** @throws OwnedByAnother when an object of that name has another controller; ApiError */
export declare class Applier {
  constructor(options: ApplierOptions);
  /** In order; `observed` answers what is known of an object (normally from a store). Writes nothing where nothing differs. */
  applyAll(
    desired: readonly Desired[],
    observed: (kind: ResourceKind, ns: string | undefined, name: string) => KubeObject | undefined,
  ): Promise<Applied[]>;
  apply(desired: Desired, observed: KubeObject | undefined): Promise<Applied>;
  /** Writes `status` if it differs from the observed one; undefined members are left out. */
  applyStatus(kind: ResourceKind, observed: KubeObject, status: Readonly<Record<string, unknown>>): Promise<Applied>;
  delete(kind: ResourceKind, object: KubeObject, options?: DeleteOptions): Promise<void>;
}

// conditions.ts (pure)
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}
export type ConditionInput = Omit<Condition, 'lastTransitionTime'>;
/** Sets or replaces by type; `lastTransitionTime` moves only when `status` changes. Order of types is kept. */
export declare function setConditions(
  before: readonly Condition[] | undefined,
  set: readonly ConditionInput[],
  nowMs: number,
): Condition[];
export declare function findCondition(
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined;

// events.ts
export interface EventInput {
  readonly regarding: KubeObject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  /** What was done or tried, UpperCamelCase verb. */
  readonly action: string;
  readonly note: string;
  readonly related?: KubeObject;
}
export declare class EventRecorder {
  constructor(options: {
    client: KubeClient;
    controller: string;
    instance: string;
    clock: Clock;
    log: Logger;
    metrics: KubeMetrics;
  });
  /** Returns at once; never throws. */
  record(event: EventInput): void;
  /** Waits for what is on its way. */
  flush(): Promise<void>;
}

// times.ts
/** `2026-01-02T03:04:05Z` */
export declare function timestamp(ms: number): string;
/** `2026-01-02T03:04:05.000000Z` */
export declare function microTime(ms: number): string;

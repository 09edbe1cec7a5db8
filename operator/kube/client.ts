import type { Dispatcher } from 'undici';
import { type Clock, monotonicOf, sleep } from '../../runtime/clock.ts';
import { ApiError, isNotFound, readStatus } from './apiError.ts';
import type { Connection } from './connection.ts';
import type { KubeMetrics } from './kubeMetrics.ts';
import { readLines } from './lines.ts';
import { type KubeObject, keyOf } from './object.ts';
import { apiVersionOf, collectionPath, objectPath, type ResourceKind } from './resourceKind.ts';
import type { Throttle } from './throttle.ts';

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** Of the body; default `application/json`. */
  readonly contentType?: string;
  readonly accept?: string;
  /** Further headers, for what stands behind the API server's proxy. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** For one try; default 30 s. */
  readonly timeoutMs?: number;
  /** Does not wait for the client-side limits: for what must not be late (leader lease). */
  readonly urgent?: boolean;
}

export interface KubeAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface ListOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Only `metadata` is asked for. */
  readonly metadataOnly?: boolean;
  /** Objects of one answer; the fewer, the less memory; default 100. */
  readonly pageSize?: number;
  /** What to keep of each object, from the moment that its page is read; default: all of it. */
  readonly keep?: (object: KubeObject) => KubeObject;
  readonly signal?: AbortSignal | undefined;
}

export interface KubeList {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
}

export interface ApplyOptions {
  readonly fieldManager: string;
  /** Takes over fields that another manager owns; default true. */
  readonly force?: boolean;
  readonly subresource?: 'status';
  readonly signal?: AbortSignal | undefined;
}

export interface DeleteOptions {
  /** Preconditions. */
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
  readonly gracePeriodSeconds?: number;
  readonly signal?: AbortSignal | undefined;
}

export type DeleteOutcome =
  /** `gone`: it was not there; `deleted`: it is not there any more. */
  | { readonly outcome: 'gone' | 'deleted' }
  /** Finalizers or a grace period hold it; the object as it is now. */
  | { readonly outcome: 'deleting'; readonly object: KubeObject };

/** Says whether this process may write: it holds the leader lease, for example. */
export interface WriteGuard {
  /** Aborts when writing is no longer allowed; cuts writes under way. */
  readonly signal: AbortSignal;
  /** Asked right before each write. @throws when writing is not allowed */
  assertHeld(): void;
}

export interface ClientOptions {
  readonly connection: Connection;
  readonly throttle: Throttle;
  readonly clock: Clock;
  readonly metrics: KubeMetrics;
  readonly userAgent: string;
}

interface Mode {
  readonly dryRun: boolean;
  readonly guard?: WriteGuard;
}

const defaultTimeoutMs = 30_000;
/** Small, for the memory of a start: a page of every kind is read at the same time, as text, as objects, and as what is kept of them. */
const defaultPageSize = 100;
const maxTries = 6;
const metadataOnlyAccept = (list: boolean) =>
  `application/json;as=PartialObjectMetadata${list ? 'List' : ''};g=meta.k8s.io;v=v1,application/json`;

/**
 * The API server, in raw JSON. Every call throws ApiError when the server refuses, the signal's reason when it aborts,
 * and another error when there is no answer. A refusal that says "later" (429, 503 with Retry-After) is waited out;
 * nothing else is tried again here: the caller's back-off does that.
 */
export class KubeClient {
  readonly #options: ClientOptions;
  readonly #mode: Mode;

  constructor(options: ClientOptions, mode: Mode = { dryRun: false }) {
    this.#options = options;
    this.#mode = mode;
  }

  /** Host and port of the API server, as in metrics. */
  get host(): string {
    return new URL(this.#options.connection.origin).host;
  }

  /** The same client, whose writes are checked by the API server but change nothing. */
  dryRun(): KubeClient {
    return new KubeClient(this.#options, { ...this.#mode, dryRun: true });
  }

  /** The same client, whose writes ask `guard` first. */
  guarded(guard: WriteGuard): KubeClient {
    return new KubeClient(this.#options, { ...this.#mode, guard });
  }

  /** Ends all connections; requests under way fail. */
  close(): Promise<void> {
    return this.#options.connection.close();
  }

  /** One request; tried again as long as the server asks for that, at most 6 times. */
  async request(request: KubeRequest): Promise<KubeAnswer> {
    const { clock } = this.#options;
    for (let tries = 1; ; tries++) {
      try {
        return await this.#once(request);
      } catch (error) {
        const delayMs = retryDelayMs(error, tries);
        if (delayMs === undefined) throw error;
        if (error instanceof ApiError && error.status === 401) this.#options.connection.renew();
        await sleep(clock, delayMs, request.signal);
      }
    }
  }

  /**
   * The lines of a streamed answer, ended by the server or by the signal. `timeoutMs` is for the answer to start; the
   * stream itself has no limit here.
   */
  async lines(request: KubeRequest): Promise<AsyncIterable<string>> {
    const release = await this.#enter(request);
    try {
      const { response, stopTimeout } = await this.#send(request);
      stopTimeout();
      if (response.statusCode === 401) this.#options.connection.renew();
      if (response.statusCode >= 300) throw await this.#refusal(request, response);
      return readLines(response.body);
    } finally {
      // A watch lasts for minutes: it must not hold a place among the requests.
      release();
    }
  }

  async get<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    namespace: string | undefined,
    name: string,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    try {
      return (await this.request({ method: 'GET', path: objectPath(kind, namespace, name), signal })).body as T;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** All objects, page by page; if the history of the pages runs out meanwhile, in one answer. */
  async list(kind: ResourceKind, options: ListOptions = {}): Promise<KubeList> {
    const items: KubeObject[] = [];
    let resourceVersion = '';
    for await (const page of this.pages(kind, options)) {
      if (page.restarted) items.length = 0;
      for (const item of page.items) items.push(options.keep?.(item) ?? item);
      resourceVersion = page.resourceVersion;
    }
    return { items, resourceVersion };
  }

  /** The same page by page; `restarted` says that the pages before do not count. */
  async *pages(
    kind: ResourceKind,
    options: ListOptions = {},
  ): AsyncGenerator<KubeList & { readonly restarted: boolean }> {
    const { labelSelector, fieldSelector, signal } = options;
    let next: string | undefined;
    let limit: number | undefined = options.pageSize ?? defaultPageSize;
    let restarted = false;
    do {
      let body: unknown;
      try {
        ({ body } = await this.request({
          method: 'GET',
          path: collectionPath(kind, options.namespace),
          query: { labelSelector, fieldSelector, limit, continue: next },
          signal,
          ...(options.metadataOnly ? { accept: metadataOnlyAccept(true) } : {}),
        }));
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 410 && next !== undefined)) throw error;
        next = undefined;
        limit = undefined;
        restarted = true;
        continue;
      }
      const list = readList(kind, body);
      next = list.next;
      yield { items: list.items, resourceVersion: list.resourceVersion, restarted };
      restarted = false;
    } while (next !== undefined || restarted);
  }

  async create<T extends KubeObject = KubeObject>(kind: ResourceKind, object: KubeObject): Promise<T> {
    const path = collectionPath(kind, namespaceOf(kind, object));
    return (await this.request({ method: 'POST', path, body: typed(kind, object) })).body as T;
  }

  /** Replaces the object; its `metadata.resourceVersion` makes that conditional. */
  async update<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    object: KubeObject,
    subresource?: string,
    signal?: AbortSignal,
  ): Promise<T> {
    const path = objectPath(kind, object.metadata.namespace, object.metadata.name, subresource);
    return (await this.request({ method: 'PUT', path, body: typed(kind, object), signal })).body as T;
  }

  /** Server-side apply: creates the object, or makes the named fields ours and as given, and removes ours not given. */
  async apply<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    object: KubeObject,
    options: ApplyOptions,
  ): Promise<T> {
    return (await this.applyWithStatus(kind, object, options)).body as T;
  }

  /** As `apply`; status 201 says that the object was created. */
  applyWithStatus(kind: ResourceKind, object: KubeObject, options: ApplyOptions): Promise<KubeAnswer> {
    return this.request({
      method: 'PATCH',
      path: objectPath(kind, object.metadata.namespace, object.metadata.name, options.subresource),
      query: { fieldManager: options.fieldManager, force: options.force ?? true },
      body: typed(kind, object),
      contentType: 'application/apply-patch+yaml',
      signal: options.signal,
    });
  }

  /** JSON merge patch (RFC 7386). */
  async mergePatch<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    namespace: string | undefined,
    name: string,
    patch: unknown,
    subresource?: string,
    signal?: AbortSignal,
  ): Promise<T> {
    const path = objectPath(kind, namespace, name, subresource);
    const contentType = 'application/merge-patch+json';
    return (await this.request({ method: 'PATCH', path, body: patch, contentType, signal })).body as T;
  }

  async delete(
    kind: ResourceKind,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions = {},
  ): Promise<DeleteOutcome> {
    const { uid, resourceVersion, propagation = 'Background', gracePeriodSeconds, signal } = options;
    const preconditions = uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion };
    try {
      const { body } = await this.request({
        method: 'DELETE',
        path: objectPath(kind, namespace, name),
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          propagationPolicy: propagation,
          gracePeriodSeconds,
          preconditions,
        },
        signal,
      });
      const object = body as KubeObject;
      const stays = object.kind !== 'Status' && object.metadata?.deletionTimestamp !== undefined;
      return stays ? { outcome: 'deleting', object } : { outcome: 'deleted' };
    } catch (error) {
      if (isNotFound(error)) return { outcome: 'gone' };
      throw error;
    }
  }

  async #once(request: KubeRequest): Promise<KubeAnswer> {
    const release = await this.#enter(request);
    try {
      const { response, stopTimeout } = await this.#send(request);
      try {
        if (response.statusCode >= 300) throw await this.#refusal(request, response);
        const text = await response.body.text();
        return { status: response.statusCode, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
      } finally {
        stopTimeout();
      }
    } finally {
      release();
    }
  }

  async #enter(request: KubeRequest): Promise<() => void> {
    const { clock, throttle, metrics } = this.#options;
    if (request.urgent) return () => {};
    const since = monotonicOf(clock);
    const signals = [request.signal, isWrite(request) ? this.#mode.guard?.signal : undefined];
    const release = await throttle.enter(anyOf(signals));
    const labels = { verb: request.method, host: this.host };
    metrics.restThrottled.observe(labels, (monotonicOf(clock) - since) / 1000);
    return release;
  }

  async #send(request: KubeRequest): Promise<{ response: Dispatcher.ResponseData; stopTimeout: () => void }> {
    const { clock, connection, metrics, userAgent } = this.#options;
    const { method, path, body } = request;
    const guard = isWrite(request) ? this.#mode.guard : undefined;
    const timeoutMs = request.timeoutMs ?? defaultTimeoutMs;
    const timeout = new AbortController();
    const stopTimeout = clock.after(timeoutMs, () =>
      timeout.abort(new Error(`${method} ${path}: no answer in ${timeoutMs} ms`)),
    );
    const since = monotonicOf(clock);
    let code = '<error>';
    try {
      const { dispatcher, headers } = await connection.credentials();
      guard?.assertHeld();
      const response = await dispatcher.request({
        origin: connection.origin,
        path: `${connection.basePath}${path}${queryText(request, this.#mode)}`,
        method,
        headers: {
          accept: request.accept ?? 'application/json',
          'user-agent': userAgent,
          ...(body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
          ...request.headers,
          ...headers,
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: anyOf([timeout.signal, request.signal, guard?.signal]),
      });
      code = String(response.statusCode);
      return { response, stopTimeout };
    } catch (error) {
      stopTimeout();
      // Another authority than the one that was read: it may stand in the kubeconfig by now.
      if (isOfAuthority(error)) connection.renew();
      throw error;
    } finally {
      metrics.restRequests.inc({ code, method, host: this.host });
      metrics.restDuration.observe({ verb: method, host: this.host }, (monotonicOf(clock) - since) / 1000);
    }
  }

  async #refusal(request: KubeRequest, response: Dispatcher.ResponseData): Promise<ApiError> {
    const text = await response.body.text();
    const retryAfter = response.headers['retry-after'];
    const status = readStatus(
      response.statusCode,
      parsed(text),
      typeof retryAfter === 'string' ? retryAfter : undefined,
    );
    return new ApiError(`${request.method} ${request.path}`, status);
  }
}

const isOfAuthority = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /SELF_SIGNED|UNABLE_TO_|CERT_SIGNATURE/.test(String(error.code));

const isWrite = (request: KubeRequest): boolean => request.method !== 'GET';

/** How long to wait before the same request again; undefined: never. */
function retryDelayMs(error: unknown, tries: number): number | undefined {
  if (!(error instanceof ApiError) || tries >= maxTries) return undefined;
  if (error.status === 401) return tries === 1 ? 0 : undefined;
  const later = error.status === 429 || error.status === 503;
  if (!later || error.retryAfterSeconds === undefined) return undefined;
  // A server that asks for an hour is not waited for here: the caller must be able to say so meanwhile.
  return error.retryAfterSeconds > 30 ? undefined : error.retryAfterSeconds * 1000 + Math.random() * 100 * tries;
}

function queryText(request: KubeRequest, mode: Mode): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) query.set(name, String(value));
  }
  if (mode.dryRun && isWrite(request)) query.set('dryRun', 'All');
  return query.size === 0 ? '' : `?${query}`;
}

function anyOf(signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  const given = signals.filter((signal) => signal !== undefined);
  return given.length === 1 && given[0] !== undefined ? given[0] : AbortSignal.any(given);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const namespaceOf = (kind: ResourceKind, object: KubeObject): string | undefined => {
  if (kind.namespaced && !object.metadata.namespace) throw new Error(`${kind.kind} ${keyOf(object)} needs a namespace`);
  return object.metadata.namespace;
};

const typed = (kind: ResourceKind, object: KubeObject): KubeObject => ({
  apiVersion: apiVersionOf(kind),
  kind: kind.kind,
  ...object,
});

/** Items of a list of a built-in kind say neither their kind nor their version: both are put in. */
function readList(kind: ResourceKind, body: unknown): KubeList & { readonly next: string | undefined } {
  const list = body as {
    readonly items?: readonly KubeObject[] | null;
    readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  };
  if (list.metadata?.resourceVersion === undefined)
    throw new Error(`the list of ${kind.plural} has no resourceVersion`);
  const items = (list.items ?? []).map((item) => {
    const { managedFields: _, ...metadata } = item.metadata;
    return { ...item, apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: metadata as KubeObject['metadata'] };
  });
  return { items, resourceVersion: list.metadata.resourceVersion, next: list.metadata.continue || undefined };
}

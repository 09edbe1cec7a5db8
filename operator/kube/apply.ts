import { isDeepStrictEqual } from 'node:util';
import { isConflict } from './apiError.ts';
import type { DeleteOptions, DeleteOutcome, KubeClient } from './client.ts';
import { differences } from './difference.ts';
import { hashOf } from './hashOf.ts';
import type { KubeMetrics } from './kubeMetrics.ts';
import { type KubeObject, keyOf } from './object.ts';
import { collectionPath, type ResourceKind } from './resourceKind.ts';
import type { Store } from './store.ts';

/** An object as it should be, with just the fields that we mean to own. */
export interface Desired {
  readonly kind: ResourceKind;
  readonly object: KubeObject;
}

export interface Applied {
  readonly kind: ResourceKind;
  /** As the API server has it now. */
  readonly object: KubeObject;
  readonly outcome: 'created' | 'updated' | 'unchanged';
  /** Why it was written, for people: fields that differed; empty when created, unchanged, or only fewer fields are wanted. */
  readonly changed: readonly string[];
}

/** What is known of an object, normally from a store; undefined: nothing. */
export type Observed = (kind: ResourceKind, namespace: string | undefined, name: string) => KubeObject | undefined;

export interface ApplierOptions {
  readonly client: KubeClient;
  readonly fieldManager: string;
  /** Annotation that holds the hash of what was applied last, for example `example.org/applied`. */
  readonly hashAnnotation: string;
  readonly metrics: KubeMetrics;
  /** The store of a kind, if it is watched: it is told of own writes at once. */
  readonly storeOf: (kind: ResourceKind) => Store | undefined;
}

type Part = 'object' | 'status';

/**
 * Writes objects by server-side apply, under one field manager, and only if that changes something.
 *
 * An object is settled when (1) its hash annotation is that of what is wanted: nothing that was applied before has to be
 * taken away; and (2) everything wanted is there: nobody changed a field of ours. Fields of others are never looked at.
 * The API server stores some values otherwise than written; those that an own write did not change are remembered, so
 * that they do not cause the same write for ever.
 */
export class Applier {
  readonly #options: ApplierOptions;
  /** Object → hash of what was written, and of what the API server left different: only where it did. */
  readonly #written = new Map<string, { readonly hash: string; readonly left: string }>();

  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  /** The same, whose writes are checked by the API server but change nothing; no store hears of them. */
  dryRun(): Applier {
    return new Applier({ ...this.#options, client: this.#options.client.dryRun(), storeOf: () => undefined });
  }

  /** All in order; the first that fails ends it. @throws ApiError */
  async applyAll(desired: readonly Desired[], observed: Observed, signal?: AbortSignal): Promise<Applied[]> {
    const applied: Applied[] = [];
    for (const each of desired) {
      const { namespace, name } = each.object.metadata;
      applied.push(await this.apply(each, observed(each.kind, namespace, name), signal));
    }
    return applied;
  }

  /**
   * @param observed undefined: nothing is known to stand under that name, so nothing of others is taken over by force
   * @throws ApiError; a conflict also where others put something under that name meanwhile
   */
  async apply({ kind, object }: Desired, observed: KubeObject | undefined, signal?: AbortSignal): Promise<Applied> {
    const { client, fieldManager, hashAnnotation } = this.#options;
    const hash = hashOf(object);
    const annotations = { ...object.metadata.annotations, [hashAnnotation]: hash };
    const wanted: KubeObject = { ...object, metadata: { ...object.metadata, annotations } };
    const left = observed === undefined ? [] : differences(wanted, observed);
    if (observed !== undefined) {
      if (left.length === 0 || this.#isRemembered(kind, object, 'object', hash, hashOf(left))) {
        return this.#done({ kind, object: observed, outcome: 'unchanged', changed: [] });
      }
    }
    const answer = await client.applyWithStatus(kind, wanted, { fieldManager, signal, force: observed !== undefined });
    const written = answer.body as KubeObject;
    const rest = differences(wanted, written);
    if (rest.length === 0) this.#written.delete(memoryKey(kind, object, 'object'));
    else this.#remember(kind, object, 'object', hash, hashOf(rest));
    this.#options.storeOf(kind)?.assume(written);
    const isSame = observed !== undefined && observed.metadata.resourceVersion === written.metadata.resourceVersion;
    const outcome = answer.status === 201 ? 'created' : isSame ? 'unchanged' : 'updated';
    const changed = left.map(({ path }) => path).filter((path) => path !== `metadata.annotations.${hashAnnotation}`);
    return this.#done({ kind, object: written, outcome, changed: outcome === 'updated' ? changed : [] });
  }

  /**
   * Makes `status` the status of the object that was observed; undefined members are left out. What others did to the rest
   * of the object meanwhile does not matter; if they changed its status, or put another object in its place, that is a
   * conflict: what was decided from the old status is not written over the new one.
   * @throws ApiError; a conflict also in those cases, NotFound if the object is gone
   */
  async applyStatus(
    kind: ResourceKind,
    observed: KubeObject,
    status: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<Applied> {
    const settled = { kind, object: observed, outcome: 'unchanged', changed: [] } as const;
    // By far the most frequent: no canonical text of either is made for it.
    if (isDeepStrictEqual(status, observed.status)) return this.#done(settled);
    const hash = hashOf(status);
    const before = hashOf(observed.status ?? {});
    if (hash === before || this.#isRemembered(kind, observed, 'status', hash, before)) {
      return this.#done(settled);
    }
    const written = await this.#writeStatus(kind, observed, status, signal);
    const after = hashOf(written.status ?? {});
    if (after === hash) this.#written.delete(memoryKey(kind, observed, 'status'));
    else this.#remember(kind, observed, 'status', hash, after);
    this.#options.storeOf(kind)?.assume(written);
    const isSame = before === after;
    const changed = isSame ? [] : differences({ status }, { status: observed.status ?? {} }).map(({ path }) => path);
    return this.#done({ kind, object: written, outcome: isSame ? 'unchanged' : 'updated', changed });
  }

  async #writeStatus(
    kind: ResourceKind,
    observed: KubeObject,
    status: Readonly<Record<string, unknown>>,
    signal: AbortSignal | undefined,
  ): Promise<KubeObject> {
    const { client, fieldManager } = this.#options;
    const { namespace, name, uid } = observed.metadata;
    let version = observed.metadata.resourceVersion;
    for (let tries = 1; ; tries++) {
      // Only the resource version keeps the write from a changed status or a successor: of a status, the uid is ignored.
      const metadata = {
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(version === undefined ? {} : { resourceVersion: version }),
      };
      try {
        return await client.apply(kind, { metadata, status }, { fieldManager, subresource: 'status', signal });
      } catch (error) {
        if (!isConflict(error) || tries === 3) throw error;
        const now = await client.get(kind, namespace, name, signal);
        const isSame = now?.metadata.uid === uid && hashOf(now?.status) === hashOf(observed.status);
        if (now === undefined || !isSame) throw error;
        version = now.metadata.resourceVersion;
      }
    }
  }

  /** Deletes exactly this object (by uid): a successor of the same name stays. @throws ApiError */
  async delete(kind: ResourceKind, object: KubeObject, options: DeleteOptions = {}): Promise<DeleteOutcome> {
    const { namespace, name, uid } = object.metadata;
    const deleted = await this.#options.client.delete(kind, namespace, name, { uid, ...options });
    const store = this.#options.storeOf(kind);
    if (deleted.outcome === 'deleting') store?.assume(deleted.object);
    else if (uid !== undefined) store?.assumeDeleted(keyOf(object), uid);
    this.forget(kind, object);
    return deleted;
  }

  /** Drops what is remembered of an object that is gone. */
  forget(kind: ResourceKind, object: KubeObject): void {
    for (const part of ['object', 'status'] as const) this.#written.delete(memoryKey(kind, object, part));
  }

  #isRemembered(kind: ResourceKind, object: KubeObject, part: Part, hash: string, left: string): boolean {
    const known = this.#written.get(memoryKey(kind, object, part));
    return known?.hash === hash && known.left === left;
  }

  #remember(kind: ResourceKind, object: KubeObject, part: Part, hash: string, left: string): void {
    this.#written.set(memoryKey(kind, object, part), { hash, left });
  }

  #done(applied: Applied): Applied {
    this.#options.metrics.applies.inc({ kind: applied.kind.kind, outcome: applied.outcome });
    return applied;
  }
}

const memoryKey = (kind: ResourceKind, object: KubeObject, part: Part): string =>
  `${collectionPath(kind, object.metadata.namespace)}/${object.metadata.name}/${part}`;

import { ApiError, isAlreadyExists, isForbidden, isInvalid, isUnreadable } from '../../kube/apiError.ts';
import type { Applied, Applier } from '../../kube/apply.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/object.ts';
import { kinds, type ResourceKind } from '../../kube/resourceKind.ts';
import type { MarkDefaults, Marks } from '../api/defaults.ts';
import type { Fault } from '../api/fault.ts';
import { contentDigest } from '../api/metadata.ts';
import type { Owner } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { commonMarks, markedOnce, remarked } from '../build/marks.ts';
import type { Child } from '../build/object.ts';
import type { Stores } from '../observe/stores.ts';
import { strangerTo } from './ownership.ts';

export interface EnsureOptions {
  readonly client: KubeClient;
  readonly applier: Applier;
  readonly stores: Stores;
  readonly defaults: MarkDefaults;
}

/** Whose children they are, and what is asked of them. */
export interface For {
  readonly owner: Owner;
  readonly spec: Spec;
}

/** What a pass wrote, for its log line. */
export interface Written {
  readonly kind: string;
  readonly name: string;
  readonly outcome: string;
  /** Fields that differed. */
  readonly changed?: readonly string[];
}

/** What came of a child: the fault of it, or the object if it was made. */
export interface Ensured {
  readonly fault?: Fault;
  readonly made?: KubeObject;
}

/**
 * Brings one child after the other to what was built: the only way in which children are written, so that one check stands
 * before each. It lasts for one pass.
 */
export class Ensure {
  readonly #options: EnsureOptions;
  readonly #owner: Owner;
  /** On what is made once; the others have them as they are built. */
  readonly #marks: Marks;
  readonly #tell: (written: Written) => void;
  /** What was asked for beside the stores. */
  readonly #looked = new Map<string, Promise<KubeObject | undefined>>();

  constructor(options: EnsureOptions, { owner, spec }: For, tell: (written: Written) => void) {
    this.#options = options;
    this.#owner = owner;
    this.#marks = commonMarks(spec, options.defaults);
    this.#tell = tell;
  }

  /** What stands under a name, whosever it is. Where only own objects are watched, what is not known is asked for. */
  #look(kind: ResourceKind, name: string): Promise<KubeObject | undefined> | KubeObject | undefined {
    const { client, stores } = this.#options;
    const { namespace } = this.#owner;
    const known = stores.get(kind, namespace, name);
    if (known !== undefined || !stores.showsOnlyOurs(kind)) return known;
    const id = `${kind.kind}/${name}`;
    const looked = this.#looked.get(id) ?? client.get(kind, namespace, name);
    this.#looked.set(id, looked);
    return looked;
  }

  /** The fault of a name that somebody else's object has. */
  async taken(kind: ResourceKind, name: string): Promise<Fault | undefined> {
    const there = await this.#look(kind, name);
    const stranger = there && strangerTo(this.#owner, there);
    return stranger === undefined ? undefined : nameTaken(kind, name, stranger);
  }

  /**
   * @param immutable made once and never changed, as what its name or its first content says
   * @returns `fault`: what a person has to put right; the API server refused it, or the name is somebody else's
   * @throws for everything that is worth trying again
   */
  async ensure(kind: ResourceKind, child: Child, { immutable = false } = {}): Promise<Ensured> {
    const { name } = child.metadata;
    try {
      const fault = await this.taken(kind, name);
      if (fault !== undefined) return { fault };
      const there = await this.#look(kind, name);
      if (immutable) return there === undefined ? await this.#create(kind, markedOnce(child, this.#marks)) : {};
      await this.#apply(kind, child, there);
      return {};
    } catch (error) {
      return { fault: this.#refusal(kind, child, error) };
    }
  }

  /**
   * Whether a child could be made as things stand, asked by a write that changes nothing: before something that is spent for it.
   * @returns why not; undefined: it could
   * @throws for everything that is worth trying again
   */
  async refusalOf(kind: ResourceKind, child: Child): Promise<Fault | undefined> {
    try {
      await this.#options.client.dryRun().create(kind, markedOnce(child, this.#marks));
      return undefined;
    } catch (error) {
      return isAlreadyExists(error) ? undefined : this.#refusal(kind, child, error);
    }
  }

  /** Gives something that was made once the labels and annotations of today. @returns what the API server refused */
  async remark(kind: ResourceKind, there: KubeObject): Promise<Fault | undefined> {
    const { client, stores } = this.#options;
    const { name, namespace, uid, deletionTimestamp } = there.metadata;
    const patch = deletionTimestamp === undefined ? remarked(there, this.#marks) : undefined;
    if (patch === undefined || strangerTo(this.#owner, there) !== undefined) return undefined;
    try {
      const written = await client.mergePatch(kind, namespace, name, { metadata: { ...patch, uid } });
      stores.of(kind)?.assume(written);
      this.#tell({ kind: kind.kind, name, outcome: 'labelled', changed: Object.keys(patch) });
      return undefined;
    } catch (error) {
      return this.#refusal(kind, { ...there, kind: kind.kind }, error);
    }
  }

  #refusal(
    kind: ResourceKind,
    { kind: of, metadata: { name } }: Pick<Child, 'kind'> & Pick<KubeObject, 'metadata'>,
    error: unknown,
  ): Fault {
    const isOfSpec = isInvalid(error) || isForbidden(error) || isUnreadable(error);
    // An optional kind that is broken, or goes in this moment, keeps nothing else from being made.
    if (!isOfSpec && !(error instanceof ApiError && isOptional(this.#options.stores, kind))) throw error;
    const detail = error instanceof ApiError ? error.message.slice(0, 500) : '';
    return { reason: `${of}Refused`, message: `the API server refused the ${of} ${name}: ${detail}` };
  }

  async #create(kind: ResourceKind, child: Child): Promise<Ensured> {
    const { client, stores } = this.#options;
    const { name, namespace } = child.metadata;
    try {
      const made = await client.create(kind, child);
      stores.of(kind)?.assume(made);
      this.#tell({ kind: kind.kind, name, outcome: 'created' });
      return { made };
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      // The store is a moment behind.
      const there = await client.get(kind, namespace, name);
      if (there === undefined) throw error;
      const stranger = strangerTo(this.#owner, there);
      return stranger === undefined ? {} : { fault: nameTaken(kind, name, stranger) };
    }
  }

  async #apply(kind: ResourceKind, child: Child, there: KubeObject | undefined): Promise<void> {
    const { applier, client } = this.#options;
    const { namespace, name } = child.metadata;
    const told = ({ changed }: Applied, outcome: string) => {
      if (outcome === 'unchanged') return;
      this.#tell({ kind: kind.kind, name, outcome, ...(changed.length === 0 ? {} : { changed }) });
    };
    try {
      const applied = await applier.apply({ kind, object: child }, withContent(kind, child, there));
      told(applied, applied.outcome);
    } catch (error) {
      if (!isInvalid(error) || there === undefined) throw error;
      // Somebody's edit and ours may be valid each, but not together (two ports of one name, a strategy of two types).
      const replaced = await client.mergePatch(kind, namespace, name, {
        spec: replacing(child.spec, there.spec, error),
      });
      told(await applier.apply({ kind, object: child }, replaced), 'replaced');
    }
  }
}

/** Whether the cluster may lack a kind. */
export const isOptional = (stores: Stores, kind: ResourceKind): boolean =>
  stores.watched.some((watched) => watched.kind === kind && watched.optional);

/** Of what is watched by metadata only: its digest tells whether its content is what is wanted. */
function withContent(kind: ResourceKind, child: Child, there: KubeObject | undefined): KubeObject | undefined {
  if (there === undefined || kind !== kinds.ConfigMap) return there;
  const digest = child.metadata.annotations?.[contentDigest];
  return digest === there.metadata.annotations?.[contentDigest] ? { ...child, metadata: there.metadata } : there;
}

/**
 * A merge patch that puts our lists in the place of theirs, and takes away what the API server complains of, if it is not
 * ours. All else of theirs stays.
 */
function replacing(ours: unknown, theirs: unknown, error: unknown): unknown {
  const patch = structuredClone(ours) as Record<string, unknown>;
  const causes = error instanceof ApiError ? error.details?.causes : undefined;
  for (const cause of Array.isArray(causes) ? causes : []) {
    const [root, ...path] = String(cause?.field ?? '').split('.');
    const field = path.pop();
    if (root !== 'spec' || field === undefined || path.some((part) => part.includes('['))) continue;
    const at = (of: unknown) => path.reduce<unknown>((value, part) => (isMap(value) ? value[part] : undefined), of);
    const [mine, found] = [at(patch), at(theirs)];
    if (isMap(mine) && isMap(found) && mine[field] === undefined && found[field] !== undefined) mine[field] = null;
  }
  return patch;
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const nameTaken = (kind: ResourceKind, name: string, stranger: string): Fault => ({
  reason: 'NameTaken',
  message: `${kind.kind} ${name} is not of this LicenceServer: ${stranger}; it is left alone. Rename one of them${
    kind === kinds.PersistentVolumeClaim ? ', or name it in storage.existingClaim' : ''
  }`,
});

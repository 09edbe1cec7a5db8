import type { ServerStatus } from '../../../licence/serverStatus.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { Logger } from '../../../runtime/log.ts';
import { ApiError, isForbidden } from '../../kube/apiError.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Discovery } from '../../kube/discovery.ts';
import { type KubeObject, keyFor, keyOf } from '../../kube/object.ts';
import { kinds, objectPath, type ResourceKind } from '../../kube/resourceKind.ts';
import { licenceServerKind } from '../api/coordinates.ts';
import type { Defaults } from '../api/defaults.ts';
import { canonical } from '../api/digest.ts';
import type { Fault } from '../api/fault.ts';
import { namesOf } from '../api/names.ts';
import { readSpec } from '../api/readSpec.ts';
import type { LicenceServer, Spec, Status } from '../api/types.ts';
import { failedOf } from '../decide/fleet.ts';
import { type Valid, validate } from '../decide/validate.ts';
import { LookUp } from '../observe/lookUp.ts';
import { observe } from '../observe/observe.ts';
import type { Observed } from '../observe/observed.ts';
import { rollingIn } from '../observe/rolling.ts';
import type { ServerAnswer } from '../observe/serverAnswer.ts';
import { Stores } from '../observe/stores.ts';
import { type Preview, type PreviewInput, paceOf, previewOf, seatsOf, type Unpaced } from './preview.ts';
import { namesGroups } from './rulesBrought.ts';

/** Gathers what a preview is made of: by reading only, and by dry runs of changed LicenceServers where the rights allow it. */
export interface PreviewOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** Only these namespaces are looked at; without it all of the cluster. */
  readonly namespaces?: readonly string[] | undefined;
  readonly defaults: Defaults;
  readonly maxRollouts: number;
  /** Objects as they are going to be: LicenceServers, and Secrets and ConfigMaps that they refer to. */
  readonly changed: readonly KubeObject[];
}

export interface Previews {
  readonly items: readonly Preview[];
  /** What could not be seen or asked with these rights. */
  readonly notes: readonly string[];
}

/** @throws what keeps everything from being seen: no way to the API server, no right to list LicenceServers */
export async function previewAll(options: PreviewOptions, signal: AbortSignal): Promise<Previews> {
  const world = await World.read(options, signal);
  const changed = options.changed.filter((object) => object.kind === licenceServerKind.kind);
  const candidates: Candidate[] =
    options.changed.length === 0
      ? world.stores.licenceServers.list().map((server) => ({ server }))
      : await Promise.all(changed.map((object) => world.tryOut(object, signal)));
  if (changed.length === 0 && options.changed.length > 0) {
    // Only what they refer to changes: whoever refers to it is looked at.
    const references = options.changed.map((object) => `${object.kind}/${keyOf(object)}`);
    const found = references.flatMap((reference) => world.stores.licenceServers.byIndex('reference', reference));
    candidates.push(...[...new Set(found)].map((server) => ({ server })));
  }
  const sorted = candidates.sort((a, b) => (keyOf(a.server) < keyOf(b.server) ? -1 : 1));
  const rolling = rollingIn(world.stores, options.clock.now());
  // All of them are there before any is judged: two of a file may want the same claim.
  for (const candidate of sorted) if (!('refusal' in candidate)) world.stores.licenceServers.put(candidate.server);
  const previews: Unpaced[] = [];
  for (const candidate of sorted) previews.push(await world.preview(candidate, signal));
  const items = paceOf(previews, {
    maxRollouts: options.maxRollouts,
    rolling: rolling.map(({ key }) => key),
    failed: failedOf(rolling),
  });
  return { items, notes: world.notes() };
}

interface Candidate {
  readonly server: LicenceServer;
  /** The API server refuses it. */
  readonly refusal?: Fault;
}

class World {
  readonly stores = new Stores();
  readonly #options: PreviewOptions;
  readonly #discovery: Discovery;
  readonly #unreadable = new Set<string>();
  readonly #notes = new Set<string>();
  readonly #lookUp: LookUp;
  /** LicenceServers as they are in the cluster. */
  #before: ReadonlyMap<string, LicenceServer> = new Map();

  private constructor(options: PreviewOptions) {
    this.#options = options;
    this.#discovery = new Discovery({ ...options, kinds: [kinds.ServiceMonitor, kinds.PrometheusRule] });
    const { secrets, configMaps } = this.stores;
    this.#lookUp = new LookUp({ client: { get: this.#get.bind(this) as KubeClient['get'] }, secrets, configMaps });
  }

  static async read(options: PreviewOptions, signal: AbortSignal): Promise<World> {
    const world = new World(options);
    await world.#discovery.refresh(signal);
    for (const { kind, store, metadataOnly, optional } of world.stores.watched) {
      if (optional && !world.#discovery.has(kind)) continue;
      try {
        for (const namespace of options.namespaces ?? [undefined]) {
          const { items } = await options.client.list(kind, { namespace, metadataOnly, signal });
          for (const item of items) store.put(item);
        }
      } catch (error) {
        if (!isForbidden(error) || kind === licenceServerKind || kind === kinds.Deployment) throw error;
        world.#unreadable.add(kind.kind);
      }
    }
    for (const object of options.changed) {
      const store =
        object.kind === 'Secret'
          ? world.stores.secrets
          : object.kind === 'ConfigMap'
            ? world.stores.configMaps
            : undefined;
      store?.put(object);
    }
    const servers = world.stores.licenceServers.list();
    world.#before = new Map(servers.map((server) => [keyOf(server), server]));
    return world;
  }

  notes(): readonly string[] {
    const unread = [...this.#unreadable].filter((kind) => kind !== 'Secret');
    return [
      ...(this.#unreadable.has('Secret')
        ? ['Secrets cannot be read with these rights: keys count as unchanged unless spec refers to other ones']
        : []),
      ...(unread.length > 0 ? [`${unread.join(', ')}: cannot be read with these rights, so not compared`] : []),
      ...(this.#options.defaults.operatorNamespace === undefined
        ? ['the operator is not to be seen: NetworkPolicies are not compared; set OPERATOR_NAMESPACE to compare them']
        : []),
      ...this.#notes,
    ];
  }

  /** A LicenceServer of a file as the API server would have it, by a dry run. */
  async tryOut(object: KubeObject, signal: AbortSignal): Promise<Candidate> {
    const { namespace, name } = object.metadata;
    const live = this.stores.licenceServers.get(keyFor(namespace, name));
    const changed = live === undefined ? withIds(object) : changedBy(live, object);
    const client = this.#options.client.dryRun();
    try {
      const { body } = await client.request({
        ...(live === undefined
          ? {
              method: 'POST',
              path: objectPath(licenceServerKind, namespace, name).replace(/\/[^/]*$/, ''),
              body: object,
            }
          : {
              method: 'PATCH',
              path: objectPath(licenceServerKind, namespace, name),
              body: patchOf(changed),
              contentType: 'application/json-patch+json',
            }),
        query: { fieldValidation: 'Strict' },
        signal,
      });
      return { server: body as LicenceServer };
    } catch (error) {
      if (isForbidden(error)) {
        const verb = live === undefined ? 'create' : 'patch';
        this.#notes.add(
          `without the right to ${verb} licenceservers the API server was not asked: its rules and defaults are those of this program`,
        );
        return { server: changed };
      }
      if (!(error instanceof ApiError) || error.status < 400 || error.status >= 500) throw error;
      return { server: changed, refusal: { reason: error.reason || 'Refused', message: messageOf(error) } };
    }
  }

  async preview(candidate: Candidate, signal: AbortSignal): Promise<Unpaced> {
    const { server, refusal } = candidate;
    const status = server.status ?? {};
    const refused = (fault: Fault): Unpaced => ({
      namespace: server.metadata.namespace,
      name: server.metadata.name,
      outcome: 'Refused',
      refusal: fault,
      restarts: [],
      children: [],
      seats: seatsOf(status),
      notes: [],
      paced: undefined,
    });
    if (refusal !== undefined) return refused(refusal);
    const read = readSpec(server);
    if (!read.ok) return refused(read);
    const observed = await this.#observed(server, read.spec, signal);
    const validation = validate(server, read.spec, observed);
    if (!validation.ok) return refused(validation);
    const valid = this.#withoutSecrets(server, validation.valid, observed);
    const { namespace } = server.metadata;
    const watched = new Map(this.stores.watched.map(({ kind }) => [kind.kind, kind]));
    return previewOf({
      valid,
      status,
      observed,
      defaults: this.#options.defaults,
      live: (kind, name) => this.#live(watched.get(kind), namespace, name),
      rules: await this.#rules(server, read.spec, signal),
    });
  }

  /** Seat rules as they are and as they are going to be, with the groups that they name. */
  async #rules(server: LicenceServer, spec: Spec, signal: AbortSignal): Promise<PreviewInput['rules']> {
    const live = this.#before.get(keyOf(server));
    const before = live === undefined ? undefined : readSpec(live);
    return {
      before: before?.ok
        ? { spec: before.spec, groups: await this.#groups(server, before.spec, 'live', signal) }
        : undefined,
      after: { spec, groups: await this.#groups(server, spec, 'brought', signal) },
    };
  }

  /** Names of the groups of a spec; undefined where they cannot be read. */
  async #groups(
    { metadata: { namespace } }: LicenceServer,
    spec: Spec,
    which: 'live' | 'brought',
    signal: AbortSignal,
  ): Promise<ReadonlySet<string> | undefined> {
    const { groups } = spec.seats;
    if (groups === undefined || !namesGroups(spec)) return new Set();
    const read = which === 'live' ? this.#read.bind(this) : this.#get.bind(this);
    const map = await read(kinds.ConfigMap, namespace, groups.configMapRef.name, signal);
    if (map === undefined) return this.#unreadable.has(kinds.ConfigMap.kind) ? undefined : new Set();
    return new Set(Object.keys((map as { readonly data?: object }).data ?? {}));
  }

  #live(kind: ResourceKind | undefined, namespace: string, name: string): KubeObject | 'unseen' | undefined {
    if (kind === undefined) return undefined;
    // Whom it lets in is for the operator's own settings to say.
    const isForeign = kind === kinds.NetworkPolicy && this.#options.defaults.operatorNamespace === undefined;
    if (isForeign || this.#unreadable.has(kind.kind)) return 'unseen';
    return this.stores.get(kind, namespace, name);
  }

  async #observed(server: LicenceServer, spec: Spec, signal: AbortSignal): Promise<Observed> {
    const { clock } = this.#options;
    const answer = answerOf(server.status ?? {}, clock.now());
    const { observed } = await observe(
      {
        clock,
        stores: this.stores,
        lookUp: this.#lookUp,
        poller: { answer: () => answer, target: () => undefined },
        pods: { read: async () => [], forget: () => {} },
        watch: { lists: (kind) => this.#discovery.has(kind), unheardIn: () => [] },
        // Whether a place is free is for the pace over all of them to say.
        turns: { fleet: () => ({ budget: true, message: '' }) },
      },
      server,
      spec,
      signal,
    );
    if (!this.#unreadable.has('Secret')) return observed;
    const copy = observed.deployment?.facts.keys;
    return {
      ...observed,
      copies: copy === undefined ? {} : { [copy]: {} },
      identityExists: server.status?.fingerprint !== undefined,
    };
  }

  /** Keys that cannot be read count as those that run, unless the spec refers to other ones. */
  #withoutSecrets(server: LicenceServer, valid: Valid, observed: Observed): Valid {
    if (!this.#unreadable.has('Secret')) return valid;
    const before = this.#before.get(keyOf(server));
    const read = before === undefined ? undefined : readSpec(before);
    const isSame = read?.ok !== true || canonical(read.spec.keys) === canonical(valid.spec.keys);
    const copy = observed.deployment?.facts.keys;
    const desired = isSame && copy !== undefined ? copy : namesOf(valid.owner.name).keys('new');
    return { ...valid, missing: [], desiredKeys: { ok: true, copy: desired, keys: {} } };
  }

  /** Reads by name, what a file brings before what is in the cluster. */
  async #get(kind: ResourceKind, namespace: string | undefined, name: string, signal?: AbortSignal) {
    const brought = this.#options.changed.find(
      (object) => object.kind === kind.kind && keyOf(object) === keyFor(namespace, name),
    );
    return brought === undefined ? this.#read(kind, namespace, name, signal) : withData(brought);
  }

  async #read(kind: ResourceKind, namespace: string | undefined, name: string, signal?: AbortSignal) {
    try {
      return await this.#options.client.get(kind, namespace, name, signal);
    } catch (error) {
      if (!isForbidden(error)) throw error;
      this.#unreadable.add(kind.kind);
      return undefined;
    }
  }
}

/** A Secret of a file as the API server would answer it: `stringData` is in `data`. */
function withData(object: KubeObject): KubeObject {
  const { data, stringData } = object as { data?: Record<string, string>; stringData?: Record<string, string> };
  if (stringData === undefined) return object;
  const encoded = Object.entries(stringData).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
  return { ...object, data: { ...data, ...Object.fromEntries(encoded) } };
}

/** The server's own word as it stands in status: a minute old at most, and enough for gates. */
function answerOf(status: Status, atMs: number): ServerAnswer {
  if (status.products === undefined) return { kind: 'none' };
  const products = status.products.map((product) => ({ ...product, holdersWaiting: 0 }));
  const told = { version: status.version ?? '', startedAt: '', fingerprint: status.fingerprint ?? '' };
  return { kind: 'answered', atMs, status: { ...told, products, keys: [] } as ServerStatus };
}

/** A LicenceServer that is not there yet. */
const withIds = (object: KubeObject): LicenceServer => ({
  ...object,
  metadata: { ...object.metadata, namespace: object.metadata.namespace ?? '', uid: 'new', generation: 1 },
  spec: object.spec,
});

/** What is in the cluster with the spec, labels and annotations of the file: spec as a whole, the others beside those there. */
function changedBy(live: LicenceServer, object: KubeObject): LicenceServer {
  const { metadata } = live;
  const labels = { ...metadata.labels, ...object.metadata.labels };
  const annotations = { ...metadata.annotations, ...object.metadata.annotations };
  const isSame = canonical(live.spec) === canonical(object.spec);
  const generation = (metadata.generation ?? 0) + (isSame ? 0 : 1);
  return { ...live, metadata: { ...metadata, labels, annotations, generation }, spec: object.spec };
}

const patchOf = ({ metadata, spec }: LicenceServer) => [
  { op: 'add', path: '/metadata/labels', value: metadata.labels ?? {} },
  { op: 'add', path: '/metadata/annotations', value: metadata.annotations ?? {} },
  { op: 'replace', path: '/spec', value: spec },
];

/** The API server's own words, without the request before them. */
const messageOf = (error: ApiError): string => error.message.replace(/^\S+ \S+: \d+ \w*: /, '');

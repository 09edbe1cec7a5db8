import { isDeepStrictEqual } from 'node:util';
import type { WatchedKind } from '../../kube/namespaceWatch.ts';
import { type KubeObject, keyFor } from '../../kube/object.ts';
import { kinds, type ResourceKind } from '../../kube/resourceKind.ts';
import { metadataOnly, Store } from '../../kube/store.ts';
import { fieldManager, licenceServerKind } from '../api/coordinates.ts';
import { labels } from '../api/metadata.ts';
import type { LicenceServer } from '../api/types.ts';
import { referenceIndex } from './references.ts';
import { clearingIndex, pacedIndex } from './rollingIndexes.ts';

/** Everything that is known of the cluster, by kind. */
export class Stores {
  readonly licenceServers: Store<LicenceServer> = new Store<LicenceServer>({
    transform: (object) => withoutLastApplied(object) as LicenceServer,
    indexes: { reference: referenceIndex, clearing: clearingIndex },
  });
  /** Metadata of all: their content is read by name, when it is needed. */
  readonly secrets = metadataStore();
  readonly configMaps = metadataStore();
  readonly claims = new Store({ transform: withoutLastApplied });
  readonly deployments = new Store({ transform: withoutLastApplied, indexes: { paced: pacedIndex } });
  readonly watched: readonly WatchedKind[];
  readonly #byKind = new Map<ResourceKind, Store>();
  /** By uid: the generation of a Deployment since which its spec is the same, where that is not its latest one. */
  readonly #sameSince = new Map<string, number>();

  constructor() {
    const watch = (kind: ResourceKind, store: Store, how: Partial<WatchedKind> = {}): WatchedKind => ({
      kind,
      store,
      metadataOnly: false,
      labelSelector: `${labels.managedBy}=${fieldManager}`,
      ...how,
    });
    const all = { labelSelector: undefined };
    this.watched = [
      watch(licenceServerKind, this.licenceServers as unknown as Store, all),
      watch(kinds.Secret, this.secrets, { ...all, metadataOnly: true }),
      watch(kinds.ConfigMap, this.configMaps, { ...all, metadataOnly: true }),
      watch(kinds.PersistentVolumeClaim, this.claims, all),
      watch(kinds.Deployment, this.deployments),
      watch(kinds.ServiceAccount, specStore()),
      watch(kinds.Role, specStore()),
      watch(kinds.RoleBinding, specStore()),
      watch(kinds.Service, specStore()),
      watch(kinds.NetworkPolicy, specStore()),
      watch(kinds.Ingress, specStore()),
      watch(kinds.PodDisruptionBudget, specStore()),
      watch(kinds.HTTPRoute, specStore(), { optional: true }),
      watch(kinds.ServiceMonitor, specStore(), { optional: true }),
      watch(kinds.PrometheusRule, specStore(), { optional: true }),
    ];
    for (const { kind, store } of this.watched) this.#byKind.set(kind, store);
    this.deployments.onChange({
      update: (before, after) => this.#compare(before, after),
      delete: ({ metadata }) => this.#sameSince.delete(metadata.uid ?? ''),
    });
  }

  #compare(
    { metadata: before, spec: was }: KubeObject,
    { metadata: { uid = '', generation = 0 }, spec }: KubeObject,
  ): void {
    if (before.generation === generation) return;
    const isSame = before.uid === uid && isDeepStrictEqual(was, spec);
    if (isSame) this.#sameSince.set(uid, this.#sameSince.get(uid) ?? before.generation ?? 0);
    else this.#sameSince.delete(uid);
  }

  /**
   * The generation since which a Deployment's spec is as it is: a change of its annotations is a new generation too, but what
   * its controller has said of the one before still holds.
   */
  specSince({ metadata: { uid = '', generation = 0 } }: KubeObject): number {
    return this.#sameSince.get(uid) ?? generation;
  }

  of(kind: ResourceKind): Store | undefined {
    return this.#byKind.get(kind);
  }

  get(kind: ResourceKind, namespace: string, name: string): KubeObject | undefined {
    return this.#byKind.get(kind)?.get(keyFor(namespace, name));
  }

  /** Whether objects of others are left out: what is not known of the kind may still be there. */
  showsOnlyOurs(kind: ResourceKind): boolean {
    return this.watched.some((watched) => watched.kind === kind && watched.labelSelector !== undefined);
  }

  /** Secrets with the labels of a LicenceServer, by its key. */
  ownSecrets(key: string): KubeObject[] {
    return this.secrets.byIndex('instance', key);
  }

  /** Copies of one LicenceServer: Secrets or ConfigMaps that hold keys, settings or trusted keys. */
  copies(kind: 'secrets' | 'configMaps', namespace: string, name: string): KubeObject[] {
    return this[kind]
      .byIndex('instance', `${namespace}/${name}`)
      .filter((object) => object.metadata.labels?.[labels.copy] !== undefined);
  }
}

/** The LicenceServer that an object with the operator's labels belongs to. */
export function instanceOf(object: KubeObject): string | undefined {
  const { labels: all = {}, namespace } = object.metadata;
  const name = all[labels.server] ?? all[labels.instance];
  return all[labels.managedBy] === fieldManager && name !== undefined ? keyFor(namespace, name) : undefined;
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

/** kubectl's note to itself is as long as the object. */
function withoutLastApplied(object: KubeObject): KubeObject {
  if (object.metadata.annotations?.[lastApplied] === undefined) return object;
  const { [lastApplied]: _, ...annotations } = object.metadata.annotations;
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** Children of whose status nothing is asked. */
const specStore = () =>
  new Store({
    transform: (object) => {
      const { status: _, ...kept } = withoutLastApplied(object);
      return kept as KubeObject;
    },
  });

const metadataStore = () =>
  new Store({
    transform: (object) => withoutLastApplied(metadataOnly(object)),
    indexes: { instance: (object) => [instanceOf(object)].filter((key) => key !== undefined) },
  });

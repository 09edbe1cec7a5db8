/** What the API server needs to know to find objects of one kind. */
export interface ResourceKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export const apiVersionOf = (kind: ResourceKind): string =>
  kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;

const groupPath = (kind: ResourceKind): string => (kind.group === '' ? '/api' : `/apis/${kind.group}`);

/** `/api/v1` or `/apis/<group>/<version>`: where discovery lists the kinds. */
export const versionPath = (kind: ResourceKind): string => `${groupPath(kind)}/${kind.version}`;

/** Path of the collection; of all namespaces without `namespace`. */
export const collectionPath = (kind: ResourceKind, namespace?: string): string =>
  kind.namespaced && namespace !== undefined
    ? `${versionPath(kind)}/namespaces/${encodeURIComponent(namespace)}/${kind.plural}`
    : `${versionPath(kind)}/${kind.plural}`;

/**
 * Path of one object.
 * @throws when a namespaced kind is asked without a namespace
 */
export function objectPath(kind: ResourceKind, namespace: string | undefined, name: string, subresource = ''): string {
  if (kind.namespaced && !namespace) throw new Error(`${kind.kind} ${name} needs a namespace`);
  const base = `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;
  return subresource === '' ? base : `${base}/${subresource}`;
}

const core = (kind: string, plural: string, namespaced = true): ResourceKind => ({
  group: '',
  version: 'v1',
  kind,
  plural,
  namespaced,
});
const of = (group: string, version: string, kind: string, plural: string, namespaced = true): ResourceKind => ({
  group,
  version,
  kind,
  plural,
  namespaced,
});

/** The kinds that controllers commonly use. */
export const kinds = {
  ConfigMap: core('ConfigMap', 'configmaps'),
  Namespace: core('Namespace', 'namespaces', false),
  Node: core('Node', 'nodes', false),
  PersistentVolume: core('PersistentVolume', 'persistentvolumes', false),
  PersistentVolumeClaim: core('PersistentVolumeClaim', 'persistentvolumeclaims'),
  Pod: core('Pod', 'pods'),
  Secret: core('Secret', 'secrets'),
  Service: core('Service', 'services'),
  ServiceAccount: core('ServiceAccount', 'serviceaccounts'),
  Deployment: of('apps', 'v1', 'Deployment', 'deployments'),
  ReplicaSet: of('apps', 'v1', 'ReplicaSet', 'replicasets'),
  Job: of('batch', 'v1', 'Job', 'jobs'),
  Lease: of('coordination.k8s.io', 'v1', 'Lease', 'leases'),
  Event: of('events.k8s.io', 'v1', 'Event', 'events'),
  Ingress: of('networking.k8s.io', 'v1', 'Ingress', 'ingresses'),
  NetworkPolicy: of('networking.k8s.io', 'v1', 'NetworkPolicy', 'networkpolicies'),
  PodDisruptionBudget: of('policy', 'v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  Role: of('rbac.authorization.k8s.io', 'v1', 'Role', 'roles'),
  RoleBinding: of('rbac.authorization.k8s.io', 'v1', 'RoleBinding', 'rolebindings'),
  StorageClass: of('storage.k8s.io', 'v1', 'StorageClass', 'storageclasses', false),
  CustomResourceDefinition: of(
    'apiextensions.k8s.io',
    'v1',
    'CustomResourceDefinition',
    'customresourcedefinitions',
    false,
  ),
  ServiceMonitor: of('monitoring.coreos.com', 'v1', 'ServiceMonitor', 'servicemonitors'),
  HTTPRoute: of('gateway.networking.k8s.io', 'v1', 'HTTPRoute', 'httproutes'),
  PrometheusRule: of('monitoring.coreos.com', 'v1', 'PrometheusRule', 'prometheusrules'),
} as const satisfies Record<string, ResourceKind>;

/**
 * Every right that the operator uses, as rules of RBAC. The chart's roles are made of it, and a test runs the operator
 * with exactly these.
 */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const rule = (group: string, resources: readonly string[], ...verbs: readonly string[]): PolicyRule => ({
  apiGroups: [group],
  resources,
  verbs,
});

export const rights = {
  /** In every namespace that it looks after. */
  watched: [
    // Finalizers are kept by a patch of the object itself; `…/finalizers` is for owner references that block deletion.
    // `get` is for a status that somebody else's edit of the same object came in between of.
    rule('licensing.softonit.ru', ['licenceservers'], 'get', 'list', 'watch', 'patch'),
    rule('licensing.softonit.ru', ['licenceservers/status'], 'patch'),
    rule('licensing.softonit.ru', ['licenceservers/finalizers'], 'update'),
    // Watched by metadata, read by name; `patch` is for labels and owners of what it made: no content is ever changed.
    rule('', ['secrets'], 'get', 'list', 'watch', 'create', 'patch', 'delete'),
    rule('', ['configmaps'], 'get', 'list', 'watch', 'create', 'patch', 'delete'),
    rule('', ['persistentvolumeclaims'], 'list', 'watch', 'create', 'patch', 'delete'),
    // `get` of these and the kinds below: before something is made, whether somebody else's has that name.
    rule('', ['services', 'serviceaccounts'], 'get', 'list', 'watch', 'create', 'patch'),
    // `get` is handed on, each to the server that judges the tokens of pods: what it may hand on it must hold itself.
    // `list` is for one server's pods while it has none that takes requests: why that is.
    rule('', ['pods'], 'get', 'list'),
    rule('rbac.authorization.k8s.io', ['roles', 'rolebindings'], 'get', 'list', 'watch', 'create', 'patch', 'delete'),
    rule('apps', ['deployments'], 'get', 'list', 'watch', 'create', 'patch', 'delete'),
    rule('apps', ['replicasets'], 'list'),
    // Of a start from a backup.
    rule('batch', ['jobs'], 'list', 'get', 'create', 'delete'),
    rule('networking.k8s.io', ['networkpolicies'], 'get', 'list', 'watch', 'create', 'patch'),
    rule('networking.k8s.io', ['ingresses'], 'get', 'list', 'watch', 'create', 'patch', 'delete'),
    rule('gateway.networking.k8s.io', ['httproutes'], 'get', 'list', 'watch', 'create', 'patch', 'delete'),
    rule('policy', ['poddisruptionbudgets'], 'get', 'list', 'watch', 'create', 'patch', 'delete'),
    rule(
      'monitoring.coreos.com',
      ['servicemonitors', 'prometheusrules'],
      'get',
      'list',
      'watch',
      'create',
      'patch',
      'delete',
    ),
    rule('events.k8s.io', ['events'], 'create', 'patch'),
  ],
  /** In the namespace that it runs in: the leader lease. */
  own: [rule('coordination.k8s.io', ['leases'], 'get', 'create', 'update')],
  /** In the cluster, only where it follows namespaces by a label. */
  cluster: [rule('', ['namespaces'], 'list', 'watch')],
  /** In every namespace, only where it reaches servers through the API server. */
  proxy: [rule('', ['services/proxy'], 'get', 'create')],
} as const satisfies Record<string, readonly PolicyRule[]>;

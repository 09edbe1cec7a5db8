import { namesOf, portName } from '../api/names.ts';
import { type Owner, selectorOf } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { type Child, ownedMeta } from './object.ts';

/** Namespaces whose pods always need the server: the operator's own, and that of Prometheus, if named. */
export interface Neighbours {
  readonly operatorNamespace?: string | undefined;
  readonly monitoringNamespace?: string | undefined;
}

const namespacePeer = (name: string) => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
});

/** Who reaches the server over the network: whom the spec allows, and those who look after it. */
export const networkPolicy = (owner: Owner, spec: Spec, neighbours: Neighbours): Child => {
  const allowed = spec.access.allowFrom ?? [];
  const clients = allowed.length > 0 ? allowed : [{ podSelector: {} }];
  const others = [neighbours.operatorNamespace, neighbours.monitoringNamespace].filter((n) => n !== undefined);
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: ownedMeta(owner, namesOf(owner.name).networkPolicy),
    spec: {
      podSelector: { matchLabels: selectorOf(owner) },
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [...clients, ...[...new Set(others)].map(namespacePeer)],
          ports: [{ port: portName, protocol: 'TCP' }],
        },
      ],
    },
  };
};

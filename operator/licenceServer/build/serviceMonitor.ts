import { namesOf, portName } from '../api/names.ts';
import { type Owner, selectorOf } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { type Child, ownedMeta } from './object.ts';

/** Tells Prometheus to scrape the server, with the metrics token. */
export const serviceMonitor = (owner: Owner, spec: Spec): Child => {
  const names = namesOf(owner.name);
  return {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'ServiceMonitor',
    metadata: ownedMeta(owner, names.serviceMonitor),
    spec: {
      selector: { matchLabels: selectorOf(owner) },
      endpoints: [
        {
          port: portName,
          path: '/metrics',
          scheme: spec.tls === undefined ? 'http' : 'https',
          // The certificate names the server's clients' way to it, not the pod's address that Prometheus scrapes.
          ...(spec.tls === undefined ? {} : { tlsConfig: { insecureSkipVerify: true } }),
          authorization: { type: 'Bearer', credentials: { name: names.tokens, key: 'metrics' } },
        },
      ],
    },
  };
};

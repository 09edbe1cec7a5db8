import { namesOf, portName } from '../api/names.ts';
import { type Owner, selectorOf } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { type Child, ownedMeta } from './object.ts';

/** The Service in front of the pods. */
export const service = (owner: Owner, spec: Spec): Child => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: ownedMeta(owner, namesOf(owner.name).service, { annotations: spec.service.annotations ?? {} }),
  spec: {
    type: spec.service.type,
    selector: selectorOf(owner),
    ports: [{ name: portName, port: spec.service.port, targetPort: portName, protocol: 'TCP' }],
  },
});

/** Where the server is reached within the cluster. */
export const addressOf = (owner: Owner, spec: Spec): string =>
  `${spec.tls === undefined ? 'http' : 'https'}://${namesOf(owner.name).service}.${owner.namespace}.svc:${spec.service.port}`;

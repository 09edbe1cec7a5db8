import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { type Child, ownedMeta } from './object.ts';

/** The HTTPRoute of the Gateway API, if the spec asks for one. */
export function httpRoute(owner: Owner, spec: Spec): Child | undefined {
  const asked = spec.httpRoute;
  if (asked === undefined) return undefined;
  const names = namesOf(owner.name);
  const core = { group: '', kind: 'Service' };
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: ownedMeta(owner, names.httpRoute, { annotations: asked.annotations ?? {} }),
    spec: {
      // With the defaults of its definition, so that what stands there is what was written.
      parentRefs: asked.parentRefs.map((parent) => ({
        group: 'gateway.networking.k8s.io',
        kind: 'Gateway',
        ...parent,
      })),
      ...(asked.hostnames === undefined ? {} : { hostnames: asked.hostnames }),
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: spec.http?.pathPrefix ?? '/' } }],
          backendRefs: [{ ...core, name: names.service, port: spec.service.port, weight: 1 }],
        },
      ],
    },
  };
}

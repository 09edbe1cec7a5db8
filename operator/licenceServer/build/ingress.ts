import { namesOf, portName } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { type Child, ownedMeta } from './object.ts';

/** The Ingress, if the spec asks for one. */
export function ingress(owner: Owner, spec: Spec): Child | undefined {
  const asked = spec.ingress;
  if (asked === undefined) return undefined;
  const names = namesOf(owner.name);
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: ownedMeta(owner, names.ingress, { annotations: asked.annotations ?? {} }),
    spec: {
      ...(asked.className === undefined ? {} : { ingressClassName: asked.className }),
      ...(asked.tlsSecretName === undefined ? {} : { tls: [{ hosts: [asked.host], secretName: asked.tlsSecretName }] }),
      rules: [
        {
          host: asked.host,
          http: {
            paths: [
              {
                path: spec.http?.pathPrefix ?? '/',
                pathType: 'Prefix',
                backend: { service: { name: names.service, port: { name: portName } } },
              },
            ],
          },
        },
      ],
    },
  };
}

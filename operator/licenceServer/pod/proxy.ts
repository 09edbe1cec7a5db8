import type { ProxyDefault } from '../api/defaults.ts';
import { podPaths } from '../api/names.ts';
import type { Spec } from '../api/types.ts';

/** The proxy between a server and the world outside: `spec.activation.authority.proxy`, or the operator's. Pure. */

export type SpecProxy = NonNullable<NonNullable<Spec['activation']['authority']>['proxy']>;

/** Names and addresses that are inside every cluster. That of the API server each process knows by itself. */
export const insideNames = ['localhost', '127.0.0.1', '::1', '.svc', '.cluster.local', 'kubernetes.default'] as const;

/** @param usual for servers whose spec says nothing of a proxy; one without `url` and `secretRef` says: none */
export function proxySettings(proxy: SpecProxy | undefined, usual?: ProxyDefault): Record<string, string> {
  const { secretRef, url, noProxy = [] }: SpecProxy = proxy ?? { url: usual?.url, noProxy: usual?.noProxy as string[] };
  if (secretRef === undefined && url === undefined) return {};
  return {
    ...(secretRef === undefined ? { HTTP_PROXY: url ?? '', HTTPS_PROXY: url ?? '' } : { LICENCE_PROXY_FILE: file }),
    NO_PROXY: [...insideNames, ...noProxy].join(','),
  };
}
const file = `${podPaths.proxy}/url`;

/** A password stands in a file of the pod, in none of its variables, and a changed one is found there. */
export const proxyVolume = (proxy: SpecProxy | undefined): Record<string, unknown> | undefined =>
  proxy?.secretRef && {
    name: 'proxy',
    secret: {
      secretName: proxy.secretRef.name,
      items: [{ key: proxy.secretRef.key, path: 'url' }],
      defaultMode: 0o440,
    },
  };

import type { FastifyInstance, HTTPMethods } from 'fastify';
import findMyWay, { type HTTPMethod } from 'find-my-way';

/**
 * What methods a path takes, of all routes that are registered after this; none for a path that is no route. Asked only for
 * requests that found no route, it costs the others nothing.
 * @param maxParamLength as the router of `http` has it
 */
export function allowedMethods(
  http: Pick<FastifyInstance, 'addHook'>,
  maxParamLength: number,
): (path: string) => readonly HTTPMethods[] {
  const router = findMyWay({ maxParamLength });
  const methods = new Set<HTTPMethods>();
  http.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) {
      methods.add(one);
      if (!router.hasRoute(one as HTTPMethod, url)) router.on(one as HTTPMethod, url, () => {});
    }
  });
  return (path) => [...methods].filter((method) => router.find(method as HTTPMethod, path) !== null).sort();
}

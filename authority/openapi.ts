import swagger from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import type { Http } from '../runtime/httpShell.ts';

/** A route as people write it, without what its parameters have to look like. */
export const shownRoute = (url: string): string => url.replaceAll('(^[^:/]+)', '').replaceAll('::', ':');

/** Collects the routes that are registered after it; `/openapi.json` tells of them. */
export function describeRoutes(http: Http): void {
  http.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Licence authority', version: '1', description: "The vendor's side: issues and activates keys." },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: (route) => {
      const { schema, url } = jsonSchemaTransform(route);
      return { schema, url: shownRoute(url) };
    },
  });
}

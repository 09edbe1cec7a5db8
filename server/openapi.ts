import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problem } from './seats/schemas.ts';

/** What this file changes of the OpenAPI document. */
interface Document {
  paths?: Record<string, Record<string, { responses?: Record<string, Response> }>>;
}
interface Response {
  description?: string;
  content?: Record<string, unknown>;
}

const problemJson = 'application/problem+json';
const anyProblem: Response = {
  description: 'what is wrong: bad input, no right, too many requests, or trouble that passes (see reason)',
  content: { [problemJson]: { schema: z.toJSONSchema(problem.loose()) } },
};

/** Schemas of zod as JSON schemas; a route that asks for no role needs no token. */
export const documented: typeof jsonSchemaTransform = (route) => {
  const made = jsonSchemaTransform(route);
  const { config } = (route as { route?: { config?: { role?: string } } }).route ?? {};
  if (made.schema !== undefined && config?.role === undefined) (made.schema as { security?: unknown[] }).security = [];
  return made;
};

/** Refusals are problem documents everywhere, also those that no route names; empty answers have no body. */
export function withProblems<T>(document: T): T {
  for (const operations of Object.values((document as Document).paths ?? {})) {
    for (const { responses = {} } of Object.values(operations)) {
      for (const [status, response] of Object.entries(responses)) {
        const json = response.content?.['application/json'];
        if (Number(status) >= 400 && json !== undefined) response.content = { [problemJson]: json };
      }
      responses.default ??= anyProblem;
    }
  }
  return document;
}

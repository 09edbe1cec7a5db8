import swagger from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Http } from './httpShell.ts';
import { problem } from './schemas.ts';

/** What a program's OpenAPI document says beside its routes. */
export interface Described {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  /** Every tag that a route names, with one sentence. */
  readonly tags: Readonly<Record<string, string>>;
  /** How a token is shown. */
  readonly tokenDescription: string;
  /** Where people sign in: the cookie that shows it, and the role of routes that nothing else opens. */
  readonly session?: { readonly cookie: string; readonly role: string; readonly description: string };
  /** The `reason`s that any route may answer, whatever it does. */
  readonly reasons: { readonly '4XX': readonly string[]; readonly '5XX': readonly string[] };
}

interface Route {
  readonly config?: { readonly role?: string; readonly refusals?: Refusals };
}
type Refusals = Readonly<Record<number, readonly string[]>>;
type Json = Record<string, unknown>;
interface Response {
  description?: string;
  content?: Record<string, { schema?: Json }>;
  'x-reasons'?: readonly string[];
}
interface Operation {
  operationId?: string;
  description?: string;
  requestBody?: unknown;
  parameters?: unknown;
  responses?: Record<string, Response>;
}

const problemJson = 'application/problem+json';
const openRoles: readonly (string | undefined)[] = [undefined, 'none', 'public'];

const inRequests =
  'In requests, a member that is `null` counts as absent (unless its description says otherwise) and an unknown one is ignored. ' +
  'Answers may get further members, and `reason` further values, in any later version.';

/**
 * Makes the OpenAPI document of the routes that are registered after it, in a plugin of their own; `http.swagger()` is the
 * document. It is written for generators of clients: every operation has an id that stays, schemas have names (`named`), answers
 * are open objects, so that members may be added, and a refusal is the one `Problem` everywhere, with its reasons beside it.
 */
export function describeRoutes(http: Http, about: Described): void {
  /** By operationId. */
  const refusals = new Map<string, Refusals>();
  const { session } = about;
  http.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: about.title,
        version: about.version,
        description: `${about.description} ${inRequests}`,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } as { name: string },
      },
      servers: [{ url: '/', description: 'the server that this document comes from' }],
      tags: Object.entries(about.tags).map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: about.tokenDescription },
          ...(session && {
            session: { type: 'apiKey', in: 'cookie', name: session.cookie, description: session.description },
          }),
        },
      },
      security: [{ token: [] }, ...(session ? [{ session: [] }] : [])],
    },
    transform: (route) => {
      const { schema, url } = jsonSchemaTransform(route);
      const { config: { role, refusals: own = {} } = {} } = (route as { route?: Route }).route ?? {};
      if (schema !== undefined) {
        const { operationId } = schema as { operationId?: string };
        if (operationId !== undefined) refusals.set(operationId, own);
        if (openRoles.includes(role)) Object.assign(schema, { security: [] });
        else if (role === session?.role) Object.assign(schema, { security: [{ session: [] }] });
        else Object.assign(schema, { description: forWhom(schema, role) });
      }
      return { schema, url };
    },
    transformObject: (made) => ('openapiObject' in made ? finished(made.openapiObject, about, refusals) : {}),
  });
}

const forWhom = (schema: object, role: string | undefined): string => {
  const { description } = schema as { description?: string };
  return [description, `Asks for a token of the role \`${role}\`.`].filter((text) => text !== undefined).join(' ');
};

function finished<T>(document: T, about: Described, refusals: ReadonlyMap<string, Refusals>): T {
  const { paths = {}, components } = document as {
    paths?: Record<string, Record<string, Operation>>;
    components: { schemas?: Record<string, Json> };
  };
  const schemas = new Map<string, Json>();
  for (const operation of Object.values(paths).flatMap((path) => Object.values(path))) {
    const responses = operation.responses ?? {};
    operation.responses = responses;
    delete responses.default;
    const own = refusals.get(operation.operationId ?? '') ?? {};
    for (const [status, reasons] of [...Object.entries(own), ...Object.entries(about.reasons)]) {
      const { content } = responses[status] ?? { content: { [problemJson]: { schema: anyProblem() } } };
      responses[status] = { description: reasonsText(reasons), ...(content && { content }), 'x-reasons': reasons };
    }
    for (const [status, response] of Object.entries(responses)) {
      const json = response.content?.['application/json'];
      if (Number(status) >= 400 && json !== undefined) response.content = { [problemJson]: json };
      if (response.description === 'Default Response') response.description = status === '201' ? 'made' : 'done';
    }
    operation.requestBody = plain(operation.requestBody, schemas, false);
    operation.parameters = plain(operation.parameters, schemas, false);
    operation.responses = plain(responses, schemas, true) as Record<string, Response>;
    if (operation.requestBody === undefined) delete operation.requestBody;
    if (operation.parameters === undefined) delete operation.parameters;
  }
  components.schemas = Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  return document;
}

/** A member's default told in words: as `default` it makes openapi-typescript ask for the member, in requests too. */
function defaultInWords({ default: value, ...schema }: Json): Json {
  if (value === undefined) return schema;
  const said = `default: ${typeof value === 'string' ? value : JSON.stringify(value)}`;
  return { ...schema, description: schema.description === undefined ? said : `${schema.description}; ${said}` };
}

const anyProblem = (): Json => z.toJSONSchema(problem) as Json;
const reasonsText = (reasons: readonly string[]): string =>
  `refused; the reason is ${reasons.join(', ')}, or a later one`;

/**
 * A part of the document with its schemas as generators of every language read them: named ones by reference, whole numbers
 * with their width instead of JavaScript's bounds, and (in answers) objects that may have further members.
 */
function plain(part: unknown, schemas: Map<string, Json>, isAnswer: boolean): unknown {
  if (Array.isArray(part)) return part.map((item) => plain(item, schemas, isAnswer));
  if (typeof part !== 'object' || part === null) return part;
  const made: Json = {};
  for (const [key, value] of Object.entries(part)) made[key] = plain(value, schemas, isAnswer);
  for (const [member, schema] of Object.entries((made.type === 'object' && made.properties) || {})) {
    (made.properties as Json)[member] = defaultInWords(schema as Json);
  }
  if (made.type === 'object' && isAnswer && made.additionalProperties === false) delete made.additionalProperties;
  if (typeof made.$schema === 'string') delete made.$schema;
  if (made.type === 'integer') {
    if (made.minimum === Number.MIN_SAFE_INTEGER) delete made.minimum;
    if (made.maximum === Number.MAX_SAFE_INTEGER) delete made.maximum;
    made.format ??= 'int32';
  }
  const { component: name, ...schema } = made;
  if (typeof name !== 'string') return made;
  const known = schemas.get(name);
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(schema)) {
    throw new Error(`two schemas of the document are named ${name}: ${JSON.stringify([known, schema])}`);
  }
  schemas.set(name, schema);
  return { $ref: `#/components/schemas/${name}` };
}

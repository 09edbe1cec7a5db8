import { beforeAll, describe, expect, it } from 'vitest';
import { breaks, type OpenApi } from '../../../docs/openapi/breaks.ts';
import { documents, kept } from '../../../docs/openapi/documents.ts';
import self from '../../../package.json' with { type: 'json' };

type Json = Record<string, unknown>;
let now: Record<string, OpenApi>;
beforeAll(async () => {
  now = await documents();
});

/** Every object of a document, with the way to it. */
function* objectsOf(part: unknown, way = ''): Generator<[string, Json]> {
  if (typeof part !== 'object' || part === null) return;
  if (!Array.isArray(part)) yield [way, part as Json];
  for (const [key, value] of Object.entries(part)) yield* objectsOf(value, `${way}/${key}`);
}
const operationsOf = (document: OpenApi) =>
  Object.values(document.paths).flatMap((path) => Object.values(path)) as Json[];

describe.each(['server', 'authority'])('the document of the %s', (program) => {
  const document = () => now[program] as OpenApi & Json;

  it('is kept as it is (else: npm run openapi), and breaks no client that was generated from a kept one', () => {
    const all = kept().filter((k) => k.program === program);
    expect(all.find((k) => k.version === self.version)?.document).toEqual(document());
    expect(all.flatMap((k) => breaks(k.document, document()))).toEqual([]);
  });

  it('leaves room for further members in every answer', () => {
    const closed = [...objectsOf(document())].filter(([, o]) => o.additionalProperties === false).map(([way]) => way);
    expect(closed).toEqual([]);
  });

  it('has no closed enumeration in any answer: a value of a later version would make it unreadable', () => {
    const read = new Set<string>();
    const schemas = (document().components as { schemas: Json }).schemas;
    const closed = (part: unknown, way: string): string[] =>
      [...objectsOf(part, way)].flatMap(([at, { enum: values, $ref: ref }]) => {
        const found = Array.isArray(values) ? [at] : [];
        if (typeof ref !== 'string' || read.has(ref)) return found;
        read.add(ref);
        const name = ref.replace('#/components/schemas/', '');
        return [...found, ...closed(schemas[name], name)];
      });
    const answers = operationsOf(document()).map((o) => o.responses);
    expect(answers.flatMap((answer) => closed(answer, ''))).toEqual([]);
    expect(read.size).toBeGreaterThan(5);
  });

  it('tells the default of a member in words: with `default` openapi-typescript asks for the member', () => {
    const members = [...objectsOf(document())].flatMap(([, o]) => Object.values((o.properties ?? {}) as Json));
    expect(members.filter((m) => typeof m === 'object' && m !== null && 'default' in m)).toEqual([]);
    expect(JSON.stringify(members)).toMatch(/default: (leased|customer)/);
  });

  it('has an id of its own, a summary and a known tag for every operation', () => {
    const operations = operationsOf(document());
    const ids = operations.map((o) => o.operationId);
    expect(ids.every((id) => /^[a-z][A-Za-z]+$/.test(String(id)))).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
    const known = (document().tags as { name: string }[]).map((t) => t.name);
    const used = operations.map((o) => (o.tags as string[] | undefined)?.[0] ?? 'none');
    expect(new Set(used)).toEqual(new Set(known));
    expect(operations.filter((o) => !o.summary)).toEqual([]);
  });

  it('says where, under what licence, by which token, and how it refuses', () => {
    expect(document()).toMatchObject({
      info: { license: { identifier: 'Apache-2.0' } },
      servers: [{ url: '/' }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    });
    const refusal = { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };
    for (const { responses } of operationsOf(document()))
      expect(responses).toMatchObject({ '4XX': refusal, '5XX': refusal });
  });

  it('has whole numbers with their width, and patterns that RE2, Java, Python and .NET read', () => {
    const objects = [...objectsOf(document())].map(([, o]) => o);
    const integers = objects.filter((o) => o.type === 'integer');
    expect(integers.length).toBeGreaterThan(3);
    expect(integers.filter((o) => o.format !== 'int32' && o.format !== 'int64')).toEqual([]);
    const wide = integers.filter((o) => Math.max(Number(o.maximum ?? 0), -Number(o.minimum ?? 0)) > 2 ** 31);
    expect(wide.filter((o) => o.format === 'int32')).toEqual([]);
    const patterns = objects.map((o) => o.pattern).filter((p) => typeof p === 'string');
    expect(patterns.length).toBeGreaterThan(0);
    expect(patterns.filter((p) => /\\0|\\u|\\p|\(\?[=!<]|\\[1-9]/.test(p))).toEqual([]);
  });
});

it('the names that programs of clients have in them stay', () => {
  const { server } = now as { server: OpenApi };
  expect(operationsOf(server).map((o) => o.operationId)).toEqual(
    expect.arrayContaining(['checkOut', 'heartbeat', 'heartbeats', 'giveBack', 'reportSessions', 'releaseLease']),
  );
  expect(Object.keys(server.components?.schemas ?? {})).toEqual(
    expect.arrayContaining(['CheckOutRequest', 'CheckOutResult', 'Holder', 'Lease', 'Problem', 'SeatProblem']),
  );
});

describe('a change that breaks a generated client', () => {
  const old: OpenApi = {
    paths: {
      '/seats': {
        post: {
          operationId: 'take',
          tags: ['seats'],
          parameters: [{ name: 'limit', in: 'query', schema: { type: 'integer', maximum: 10 } }],
          requestBody: {
            content: {
              'application/json': {
                schema: {
                  type: 'object',
                  properties: { mode: { type: 'string', enum: ['a', 'b'] }, user: { type: 'string', maxLength: 9 } },
                  required: ['mode'],
                },
              },
            },
          },
          responses: { 200: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Seat' } } } } },
        },
      },
    },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: {
        Seat: {
          type: 'object',
          properties: {
            id: { type: 'string' },
            n: { type: 'integer', format: 'int32' },
            state: { type: 'string', enum: ['x'] },
          },
          required: ['id'],
        },
      },
    },
  };
  // biome-ignore lint/suspicious/noExplicitAny: a document is changed at any place
  const changed = (change: (document: any, post: any, body: any, seat: any) => void): string[] => {
    const document = structuredClone(old);
    const post = document.paths['/seats']?.post as { requestBody: { content: Record<string, { schema: unknown }> } };
    change(document, post, post.requestBody.content['application/json']?.schema, document.components?.schemas?.Seat);
    return breaks(old, document);
  };

  it.each<[string, Parameters<typeof changed>[0], RegExp]>([
    ['a removed operation', (d) => delete d.paths['/seats'].post, /POST \/seats: is gone/],
    ['a renamed operation', (_, post) => (post.operationId = 'x'), /operationId was take, is x/],
    ['another tag', (_, post) => (post.tags = ['chairs']), /the tag was seats, is chairs/],
    [
      'a security scheme that is gone',
      (d) => delete d.components.securitySchemes.token,
      /security scheme token: was http bearer, is gone/,
    ],
    ['a removed parameter', (_, post) => (post.parameters = []), /query parameter limit is gone/],
    ['a narrower parameter', (_, post) => (post.parameters[0].schema.maximum = 9), /maximum was 10, is 9/],
    [
      'a parameter that has to be sent',
      (_, post) => post.parameters.push({ name: 'x', in: 'header', required: true }),
      /header parameter x has to be sent/,
    ],
    ['a body that has to be sent', (_, post) => (post.requestBody.required = true), /a body has to be sent/],
    ['a member that has to be sent', (_, __, body) => body.required.push('user'), /user has to be sent/],
    ['a removed member of a request', (_, __, body) => delete body.properties.user, /member user is gone/],
    ['a narrower member of a request', (_, __, body) => (body.properties.user.maxLength = 8), /maxLength was 9, is 8/],
    ['a new pattern in a request', (_, __, body) => (body.properties.user.pattern = '^a$'), /another pattern/],
    ['a value that is not taken any more', (_, __, body) => body.properties.mode.enum.pop(), /the value b is gone/],
    [
      'a text that became an enumeration',
      (_, __, body) => (body.properties.user.enum = ['a']),
      /is an enumeration now/,
    ],
    ['a removed member of an answer', (_, __, ___, seat) => delete seat.properties.n, /Seat: the member n is gone/],
    ['a member that may be absent', (_, __, ___, seat) => seat.required.pop(), /id may be absent/],
    ['another type', (_, __, ___, seat) => (seat.properties.id.type = 'integer'), /type was string, is integer/],
    ['another width', (_, __, ___, seat) => (seat.properties.n.format = 'int64'), /format was int32, is int64/],
    ['a new value of an enumeration', (_, __, ___, seat) => seat.properties.state.enum.push('y'), /the value y is new/],
    ['no further members', (_, __, ___, seat) => (seat.additionalProperties = false), /no further members/],
    ['a status that is gone', (_, post) => (post.responses = { 201: {} }), /the answer 200 is gone/],
    ['a media type that is gone', (_, post) => (post.responses[200].content = {}), /application\/json is gone/],
    [
      'a renamed schema',
      (d, post) => {
        d.components.schemas.Chair = d.components.schemas.Seat;
        post.responses[200].content['application/json'].schema.$ref = '#/components/schemas/Chair';
      },
      /was the schema Seat, is Chair/,
    ],
  ])('%s', (_what, change, told) => {
    expect(changed(change)).toEqual([expect.stringMatching(told)]);
  });

  it('is none of these: further operations, members, optional parameters, statuses, values that are taken', () => {
    const found = changed((document, post, body, seat) => {
      document.paths['/other'] = { get: {} };
      post.parameters.push({ name: 'x', in: 'query' });
      post.responses[409] = {};
      body.properties.mode.enum.push('c');
      body.properties.user.maxLength = 10;
      body.properties.further = { type: 'string' };
      seat.properties.further = { type: 'string' };
      seat.required.push('further');
    });
    expect(found).toEqual([]);
  });
});

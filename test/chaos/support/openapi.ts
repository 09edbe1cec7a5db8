import fc from 'fast-check';
import { z } from 'zod';

/** As much of a JSON schema as the fuzzer reads. */
export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly Schema[];
}
interface Content {
  readonly schema?: Schema;
}
export interface Operation {
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Content>> }>>;
}
export interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** Texts that mean something to the program, by the name of the field; under '' for every other. */
export type Hints = Readonly<Record<string, readonly string[]>>;

/** Texts that break programs, beside whatever fast-check thinks of. */
const nasty = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\u001f',
  '\ud800',
  '%',
  '%00',
  '../..',
  "'; drop table lease; --",
  '{}',
  '__proto__',
  '\u202e',
  '1e999',
  'null',
  'x'.repeat(5_000),
];

const text = (schema: Schema, hints: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...(hints.length === 0 ? [''] : hints)) },
    {
      weight: 4,
      arbitrary: fc.string({
        minLength: schema.minLength ?? 0,
        maxLength: Math.min(schema.maxLength ?? 60, 300),
        unit: 'grapheme',
      }),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
    { weight: 1, arbitrary: fc.constantFrom(...nasty) },
  );

/** Values of a schema, and a few that are next to it; `hints` are texts that mean something to the program. */
export function valuesOf(schema: Schema, hints: Hints, name = ''): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: fitting(schema, hints, name) }, { weight: 1, arbitrary: fc.jsonValue() });
}

function fitting(schema: Schema, hints: Hints, name: string): fc.Arbitrary<unknown> {
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((s) => valuesOf(s, hints, name)));
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'string':
      return text(schema, hints[name] ?? hints[''] ?? []);
    case 'integer':
    case 'number': {
      const { minimum = -1_000, maximum = 1_000_000 } = schema;
      return fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: minimum, max: Math.min(maximum, minimum + 5) }) },
        { weight: 2, arbitrary: fc.integer({ min: minimum, max: maximum }) },
        { weight: 1, arbitrary: fc.constantFrom(minimum - 1, maximum + 1, 0.5, -0, 1e21, Number.MAX_SAFE_INTEGER) },
      );
    }
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}, hints, name), { minLength: schema.minItems ?? 0, maxLength: 8 });
    case 'object': {
      const fields = Object.entries(schema.properties ?? {}).map(
        ([field, s]) => [field, valuesOf(s, hints, field)] as const,
      );
      const requiredKeys = (schema.required ?? []).filter((field) => schema.properties?.[field] !== undefined);
      return fc.oneof(
        { weight: 8, arbitrary: fc.record(Object.fromEntries(fields), { requiredKeys }) },
        { weight: 1, arbitrary: fc.record(Object.fromEntries(fields), { requiredKeys: [] }) },
      );
    }
    default:
      return fc.jsonValue();
  }
}

export interface Call {
  readonly path: string;
  readonly body: string | undefined;
  readonly contentType: string | undefined;
}

/** Percent-encodes anything; half a surrogate pair, which has no encoding, as raw bytes. */
const encoded = (value: unknown): string => {
  const raw = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return raw.isWellFormed() ? encodeURIComponent(raw) : '%ed%a0%80';
};

/** Requests for one operation: most of them as its document asks for, some damaged. */
export function callsOf(path: string, operation: Operation, hints: Hints): fc.Arbitrary<Call> {
  const parameters = operation.parameters ?? [];
  const given = fc.tuple(
    ...parameters.map((p) => {
      const value = valuesOf(p.schema, hints, p.name);
      return p.required ? value : fc.option(value, { nil: undefined });
    }),
  );
  const schema = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const json = schema === undefined ? fc.constant(undefined) : valuesOf(schema, hints).map((v) => JSON.stringify(v));
  const body = fc.oneof(
    { weight: 12, arbitrary: json },
    { weight: 1, arbitrary: fc.string({ maxLength: 50 }) },
    { weight: 1, arbitrary: fc.constantFrom(undefined, '', '{', '[]', 'null', '"x"', '[[[[[[[[[[', '{"a":1e999}') },
  );
  const types = ['application/json', 'application/json; charset=utf-8', 'text/plain', 'application/xml', 'x', ''];
  const contentType = fc.oneof(
    { weight: 12, arbitrary: fc.constant('application/json') },
    { weight: 1, arbitrary: fc.constantFrom(undefined, ...types) },
  );
  return fc.tuple(given, body, contentType).map(([values, b, type]) => {
    let filled = path;
    const query: string[] = [];
    parameters.forEach((p, i) => {
      const value = values[i];
      if (value === undefined) return;
      if (p.in === 'path') filled = filled.replace(`{${p.name}}`, () => encoded(value));
      else if (p.in === 'query') query.push(`${p.name}=${encoded(value)}`);
    });
    return { path: query.length === 0 ? filled : `${filled}?${query.join('&')}`, body: b, contentType: type };
  });
}

/** What is wrong with an answer by the document; undefined if nothing is. */
export class AnswerJudge {
  readonly #shapes = new Map<Schema, z.ZodType>();

  fault(operation: Operation, status: number, type: string, body: string): string | undefined {
    const response = operation.responses[String(status)] ?? operation.responses[`${String(status)[0]}XX`];
    if (response === undefined) return `status ${status} is not documented`;
    const media = (type.split(';')[0] ?? '').trim();
    if (response.content === undefined) {
      return body === '' || media === 'text/plain'
        ? undefined
        : `status ${status} is documented to be empty, not ${media}`;
    }
    const content = response.content[media];
    if (content === undefined)
      return `status ${status} is documented as ${Object.keys(response.content)}, not ${media}`;
    if (!media.endsWith('json') || content.schema === undefined) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(body);
    } catch {
      return `status ${status} is not JSON: ${body.slice(0, 100)}`;
    }
    const shape = this.#shapes.get(content.schema) ?? z.fromJSONSchema(content.schema as never);
    this.#shapes.set(content.schema, shape);
    const result = shape.safeParse(value);
    return result.success ? undefined : `status ${status} does not fit its schema: ${result.error.message}`;
  }
}

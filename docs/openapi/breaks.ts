/** As much of an OpenAPI document as generated clients depend on. */
type Json = Readonly<Record<string, unknown>>;
interface Media {
  readonly content?: Readonly<Record<string, { readonly schema?: Json }>>;
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema?: Json;
}
interface Operation {
  readonly operationId?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Media & { readonly required?: boolean };
  readonly responses?: Readonly<Record<string, Media>>;
}
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Json>>; readonly securitySchemes?: Json };
}

/**
 * What of `after` breaks a client that was generated from `before`, one line each: an operation, a member, a type or a name that is
 * gone or another one, and a request that asks for more than it did. Additions are none: members of answers, optional ones of
 * requests, operations, statuses.
 */
export function breaks(before: OpenApi, after: OpenApi): string[] {
  const found: string[] = [];
  const schemaOf = (document: OpenApi, schema: Json | undefined): Json => {
    const name = nameOf(schema);
    return name === undefined ? (schema ?? {}) : (document.components?.schemas?.[name] ?? {});
  };
  const seen = new Set<string>();

  const compare = (where: string, was: Json | undefined, is: Json | undefined, isAnswer: boolean): void => {
    const name = nameOf(was);
    if (name !== nameOf(is))
      found.push(`${where}: was the schema ${name ?? 'without a name'}, is ${nameOf(is) ?? 'one without'}`);
    if (name !== undefined) {
      const key = `${name} ${isAnswer}`;
      if (seen.has(key)) return;
      seen.add(key);
    }
    const [a, b] = [schemaOf(before, was), schemaOf(after, is)];
    const at = name ?? where;
    for (const word of ['type', 'format', 'const'] as const) {
      if (a[word] !== b[word]) found.push(`${at}: ${word} was ${a[word] ?? 'open'}, is ${b[word] ?? 'open'}`);
    }
    values(at, a, b, isAnswer);
    if (isAnswer && b.additionalProperties === false) found.push(`${at}: an answer that may have no further members`);
    if (!isAnswer) narrower(at, a, b);
    const [members, now] = [a.properties, b.properties] as [Members | undefined, Members | undefined];
    const [needed, needs] = [a.required, b.required].map((r) => (r ?? []) as string[]) as [string[], string[]];
    for (const [member, schema] of Object.entries(members ?? {})) {
      const next = now?.[member];
      if (next === undefined) found.push(`${at}: the member ${member} is gone`);
      else compare(`${at}.${member}`, schema, next, isAnswer);
    }
    if (isAnswer) for (const m of needed) if (now?.[m] && !needs.includes(m)) found.push(`${at}: ${m} may be absent`);
    if (!isAnswer) for (const m of needs) if (!needed.includes(m)) found.push(`${at}: ${m} has to be sent`);
    if (a.items !== undefined) compare(`${at}[]`, a.items as Json, b.items as Json, isAnswer);
  };

  const values = (at: string, a: Json, b: Json, isAnswer: boolean): void => {
    const [had, has] = [a.enum, b.enum] as [unknown[] | undefined, unknown[] | undefined];
    const [few, many] = isAnswer ? [has, had] : [had, has];
    if (many === undefined) return;
    if (few === undefined) found.push(`${at}: ${isAnswer ? 'was an enumeration' : 'is an enumeration now'}`);
    for (const value of few ?? []) {
      if (!many.includes(value)) found.push(`${at}: the value ${value} ${isAnswer ? 'is new' : 'is gone'}`);
    }
  };

  const narrower = (at: string, a: Json, b: Json): void => {
    for (const [word, sign] of limits) {
      const [was, is] = [a[word], b[word]] as [number | undefined, number | undefined];
      if (is !== undefined && (was === undefined || sign * is > sign * was))
        found.push(`${at}: ${word} was ${was ?? 'none'}, is ${is}`);
    }
    if (b.pattern !== undefined && a.pattern !== b.pattern) found.push(`${at}: another pattern`);
  };

  const media = (where: string, was: Media | undefined, is: Media | undefined, isAnswer: boolean): void => {
    for (const [type, { schema }] of Object.entries(was?.content ?? {})) {
      const next = is?.content?.[type];
      if (next === undefined) found.push(`${where}: ${type} is gone`);
      else compare(`${where} ${type}`, schema, next.schema, isAnswer);
    }
  };

  for (const [path, methods] of Object.entries(before.paths)) {
    for (const [method, was] of Object.entries(methods)) {
      const where = `${method.toUpperCase()} ${path}`;
      const is = after.paths[path]?.[method];
      if (is === undefined) {
        found.push(`${where}: is gone`);
        continue;
      }
      if (was.operationId !== is.operationId)
        found.push(`${where}: operationId was ${was.operationId}, is ${is.operationId}`);
      // Some generators name a class after the first tag.
      if (was.tags?.[0] !== is.tags?.[0]) found.push(`${where}: the tag was ${was.tags?.[0]}, is ${is.tags?.[0]}`);
      const parameters = (o: Operation) => new Map((o.parameters ?? []).map((p) => [`${p.in} parameter ${p.name}`, p]));
      const [had, has] = [parameters(was), parameters(is)];
      for (const [name, p] of had) {
        const next = has.get(name);
        if (next === undefined) found.push(`${where}: the ${name} is gone`);
        else compare(`${where} ${name}`, p.schema, next.schema, false);
      }
      for (const [name, p] of has) {
        if (p.required && !had.get(name)?.required) found.push(`${where}: the ${name} has to be sent`);
      }
      if (is.requestBody?.required && !was.requestBody?.required) found.push(`${where}: a body has to be sent`);
      media(`${where} body`, was.requestBody, is.requestBody, false);
      for (const [status, response] of Object.entries(was.responses ?? {})) {
        if (is.responses?.[status] === undefined) found.push(`${where}: the answer ${status} is gone`);
        else media(`${where} ${status}`, response, is.responses[status], true);
      }
    }
  }
  const scheme = (document: OpenApi, name: string) => {
    const { type, scheme: of } = (document.components?.securitySchemes?.[name] ?? {}) as Json;
    return type === undefined ? 'gone' : `${type} ${of}`;
  };
  for (const name of Object.keys(before.components?.securitySchemes ?? {})) {
    const [was, is] = [scheme(before, name), scheme(after, name)];
    if (was !== is) found.push(`the security scheme ${name}: was ${was}, is ${is}`);
  }
  return found;
}

type Members = Readonly<Record<string, Json>>;
const nameOf = (schema: Json | undefined): string | undefined =>
  typeof schema?.$ref === 'string' ? schema.$ref.replace('#/components/schemas/', '') : undefined;
/** A request may send less: where a larger number (1) or a smaller one (-1) is narrower. */
const limits = [
  ['minLength', 1],
  ['maxLength', -1],
  ['minimum', 1],
  ['maximum', -1],
  ['minItems', 1],
  ['maxItems', -1],
] as const;

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { cell, repository } from './page.ts';

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
}

const typeOf = ({ type, items, enum: values, properties }: Schema): string => {
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(', ');
  if (type === 'array') return `list of ${items?.properties === undefined ? (items?.type ?? 'anything') : 'objects'}`;
  return properties === undefined ? (type ?? 'anything') : 'object';
};

function* rowsOf(schema: Schema, path: string): Generator<string> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const at = path === '' ? name : `${path}.${name}`;
    const given = field.default === undefined ? '' : `\`${JSON.stringify(field.default)}\``;
    const must = schema.required?.includes(name) ? ' (must be there)' : '';
    yield `| \`${at}\` | ${typeOf(field)}${must} | ${given} | ${cell(field.description ?? '')} |`;
    yield* rowsOf(field, at);
    if (field.items !== undefined) yield* rowsOf(field.items, `${at}[]`);
  }
}

/** Every field of a LicenceServer, from the definition that the API server has. */
export function fieldsPage(): string {
  const definition = parse(readFileSync(join(repository, 'crds/licenceservers.yaml'), 'utf8'));
  const [version] = definition.spec.versions;
  const { spec, status } = version.schema.openAPIV3Schema.properties as { spec: Schema; status: Schema };
  const table = (schema: Schema, root: string) =>
    `| Field | Type | Default | Means |\n|---|---|---|---|\n${[...rowsOf(schema, root)].join('\n')}`;
  return `# Fields of a LicenceServer
\`${definition.spec.group}/${version.name}\`. In a terminal: \`kubectl explain licenceserver.spec --recursive\`.

## spec
What you ask for.

${table(spec, 'spec')}

## status
What the operator answers.

${table(status, 'status')}
`;
}

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cell, repository } from './page.ts';

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema?: { readonly $ref?: string } }>>;
  };
  readonly responses: Readonly<Record<string, { readonly description?: string }>>;
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
}
interface Document {
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const documents = join(repository, 'docs/openapi');

/** Which versions have their documents kept, the newest last. */
export const documentedVersions = (): string[] =>
  readdirSync(documents, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

const parameterRow = ({ name, in: where, required, description }: Parameter) =>
  `| \`${name}\` | ${where}${required ? ', must be there' : ''} | ${cell(description ?? '')} |`;

function operationText(path: string, method: string, operation: Operation): string {
  const { summary = '', description = '', parameters = [], requestBody, responses } = operation;
  const body = Object.values(requestBody?.content ?? {})[0]
    ?.schema?.$ref?.split('/')
    .at(-1);
  const answers = Object.entries(responses).map(
    ([status, { description: says = '' }]) => `| ${status} | ${cell(says)} |`,
  );
  return [
    `### \`${method.toUpperCase()} ${path}\``,
    `${summary}${summary === '' ? '' : '.'} ${description}`.trim(),
    ...(parameters.length === 0
      ? []
      : [`| Parameter | In | Means |\n|---|---|---|\n${parameters.map(parameterRow).join('\n')}`]),
    ...(body === undefined ? [] : [`Body: \`${body}\`.`]),
    `| Status | |\n|---|---|\n${answers.join('\n')}`,
  ].join('\n\n');
}

/** The HTTP interface of a program, from its own OpenAPI document, which is linked for generators of clients. */
export function httpPage(program: 'server' | 'authority'): string {
  const version = documentedVersions().at(-1) ?? '';
  const document: Document = JSON.parse(readFileSync(join(documents, version, `${program}.json`), 'utf8'));
  const byTag = new Map<string, string[]>();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      if (operation.operationId === undefined) continue;
      const tag = operation.tags?.[0] ?? 'other';
      byTag.set(tag, [...(byTag.get(tag) ?? []), operationText(path, method, operation)]);
    }
  }
  const sections = [...byTag].map(([tag, operations]) => `## ${tag}\n\n${operations.join('\n\n')}`);
  return `# ${document.info.title}: HTTP
Version ${document.info.version}. Whole, with every shape: [the OpenAPI document](../docs/openapi/${version}/${program}.json); a running one has its own at
\`/openapi.json\`.

${sections.join('\n\n')}
`;
}

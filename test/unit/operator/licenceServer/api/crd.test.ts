import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { crdYaml, licenceServerCrd } from '../../../../../operator/licenceServer/api/crd.ts';
import { licenceServerSpec } from '../../../../../operator/licenceServer/api/schema/spec.ts';

type Schema = Record<string, unknown> & { properties?: Record<string, Schema>; items?: Schema };

const crd = licenceServerCrd();
const version = crd.spec.versions[0];
const { spec, status } = (version?.schema.openAPIV3Schema.properties ?? {}) as { spec: Schema; status: Schema };

/** Every field below `schema`, with its path. */
function* fields(schema: Schema, path: string): Generator<{ path: string; schema: Schema }> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    yield { path: `${path}.${name}`, schema: field };
    yield* fields(field, `${path}.${name}`);
    if (field.items) yield* fields(field.items, `${path}.${name}[]`);
  }
}

describe('the CRD', () => {
  test('is committed as it is generated', () => {
    expect(
      readFileSync('crds/licenceservers.yaml', 'utf8'),
      'run: npm run --silent crds > crds/licenceservers.yaml',
    ).toBe(crdYaml());
  });

  test('documents every field of spec and status', () => {
    const silent = [...fields(spec, 'spec'), ...fields(status, 'status')]
      .filter(({ schema }) => typeof schema.description !== 'string')
      .map(({ path }) => path);
    expect(silent).toEqual([]);
  });

  test('names the default of every field that has a plain one', () => {
    const unnamed = [...fields(spec, 'spec')]
      .filter(({ schema }) => ['string', 'number', 'boolean'].includes(typeof schema.default))
      .filter(({ schema }) => !String(schema.description).includes(`Default: ${schema.default}`))
      .map(({ path }) => path);
    expect(unnamed).toEqual([]);
  });

  test('gives no list a default, so that Git and the cluster agree', () => {
    const lists = [...fields(spec, 'spec')].filter(({ schema }) => schema.type === 'array' && 'default' in schema);
    expect(lists).toEqual([]);
  });

  test('gives nothing in an item of a list a default, which a tool that compares with Git would see for ever', () => {
    const inItems = [...fields(spec, 'spec')].filter(({ path, schema }) => path.includes('[]') && 'default' in schema);
    expect(inItems.map(({ path }) => path)).toEqual([]);
  });

  test('closes no list of words in status, so that code made from it reads what a later operator writes', () => {
    const closed = [...fields(status, 'status')].filter(({ schema }) => schema.enum !== undefined);
    expect(closed.map(({ path }) => path)).toEqual(['status.conditions[].status']);
    const phase = [...fields(status, 'status')].find(({ path }) => path === 'status.rotation.phase');
    expect(phase?.schema).toMatchObject({ type: 'string', description: expect.stringContaining('Proving, Active') });
  });

  test('bounds every list and text of spec, so that its rules stay cheap', () => {
    const open = [...fields(spec, 'spec')]
      .filter(
        ({ schema }) =>
          (schema.type === 'array' && schema.maxItems === undefined) ||
          (schema.type === 'string' && schema.enum === undefined && schema.maxLength === undefined),
      )
      .map(({ path }) => path);
    expect(open).toEqual([]);
  });

  test('has no word that a structural schema does not know', () => {
    const text = JSON.stringify(version?.schema);
    for (const word of ['$schema', 'propertyNames', 'anyOf', '9007199254740991', 'exclusiveMinimum']) {
      expect(text).not.toContain(word);
    }
  });
});

describe('a sample', () => {
  const samples = readdirSync('crds/samples').filter((name) => name.endsWith('.yaml'));
  test.each(samples)('%s satisfies the schema and knows no field that is not there', (name) => {
    const documents = parseAllDocuments(readFileSync(`crds/samples/${name}`, 'utf8')).map((d) => d.toJS());
    const servers = documents.filter((d) => d.kind === 'LicenceServer');
    expect(servers.length).toBeGreaterThan(0);
    for (const server of servers) {
      const parsed = licenceServerSpec.parse(server.spec);
      const lost = Object.keys(server.spec).filter((field) => !(field in parsed));
      expect(lost).toEqual([]);
    }
  });
});

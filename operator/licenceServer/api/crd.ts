import { pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import { z } from 'zod';
import { group, kind, plural, version } from './coordinates.ts';
import { licenceServerSpec } from './schema/spec.ts';
import { licenceServerStatus } from './schema/status.ts';

/**
 * The CustomResourceDefinition of LicenceServer, made from the zod schemas. Run as a program it prints the YAML that is
 * committed as `crds/licenceservers.yaml`.
 */

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What JSON Schema has and a structural schema must not, or says in other words. */
function structural(schema: JsonObject): JsonObject {
  const fixed: JsonObject = {};
  for (const [word, value] of Object.entries(schema)) {
    if (word === '$schema' || word === 'propertyNames' || word === 'growing') continue;
    if (word === 'enum' && schema.growing === true) continue;
    // The bounds of safe integers say nothing about the field.
    if ((word === 'maximum' || word === 'minimum') && Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER) continue;
    // Kubernetes prunes unknown fields, or keeps them where told to; both are said otherwise.
    if (word === 'additionalProperties' && (!isObject(value) || Object.keys(value).length === 0)) continue;
    if (word === 'anyOf' && schema['x-kubernetes-int-or-string'] === true) continue;
    if (word === 'properties' && isObject(value)) {
      const properties = Object.entries(value).map(([name, of]) => [name, isObject(of) ? structural(of) : of]);
      if (properties.length > 0) fixed[word] = Object.fromEntries(properties);
    } else if ((word === 'items' || word === 'additionalProperties') && isObject(value))
      fixed[word] = structural(value);
    else fixed[word] = value;
  }
  return fixed;
}

const openApi = (schema: z.ZodType): JsonObject =>
  structural(z.toJSONSchema(schema, { io: 'input', target: 'openapi-3.0' }) as JsonObject);

const column = (name: string, jsonPath: string, type: string, description: string, priority = 0) => ({
  name,
  jsonPath,
  type,
  description,
  ...(priority > 0 ? { priority } : {}),
});

/** The definition as an object, fit for `kubectl apply` and for the API. */
export const licenceServerCrd = () => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: {
      kind,
      listKind: `${kind}List`,
      plural,
      singular: 'licenceserver',
      shortNames: ['lics'],
      categories: ['licensing'],
    },
    versions: [
      {
        name: version,
        served: true,
        storage: true,
        additionalPrinterColumns: [
          column(
            'Ready',
            '.status.conditions[?(@.type=="Ready")].status',
            'string',
            'Whether it is as asked and serves.',
          ),
          column('Seats', '.status.seats', 'string', 'Seats in use and in all.'),
          column('Stale', '.status.seatsStale', 'integer', 'Seats whose holder has gone silent.'),
          column('Support', '.status.supportUntil', 'string', 'The earliest end of a support term.'),
          column('Next disruption', '.status.nextDisruption.at', 'string', 'When the pod may roll next.'),
          column('Age', '.metadata.creationTimestamp', 'date', 'Time since it was made.'),
          column('Image', '.status.image', 'string', 'Image of the server.', 1),
          column('Fingerprint', '.status.fingerprint', 'string', 'The computer that keys are bound to.', 1),
          column(
            'Message',
            '.status.conditions[?(@.type=="Ready")].message',
            'string',
            'What it is doing or lacks.',
            1,
          ),
        ],
        selectableFields: [
          { jsonPath: '.spec.image' },
          { jsonPath: '.spec.suspend' },
          { jsonPath: '.spec.activation.mode' },
          { jsonPath: '.status.version' },
        ],
        subresources: {
          status: {},
          scale: {
            specReplicasPath: '.spec.replicas',
            statusReplicasPath: '.status.replicas',
            labelSelectorPath: '.status.selector',
          },
        },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            description:
              'A licence server for floating seats: what it serves, where it keeps it, and how it is looked after.',
            required: ['spec'],
            properties: {
              apiVersion: { type: 'string', description: 'Version of this representation.' },
              kind: { type: 'string', description: 'Kind of this object.' },
              metadata: { type: 'object' },
              spec: openApi(licenceServerSpec),
              // Whoever waits for a LicenceServer (Flux, Helm, kstatus) takes one without a status for ready: nobody has looked at it yet.
              status: { ...openApi(licenceServerStatus), default: { observedGeneration: -1 } },
            },
            'x-kubernetes-validations': [
              {
                rule: "size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                message:
                  'metadata.name must be a DNS label of at most 40 characters that begins with a letter: other names are made from it',
                reason: 'FieldValueInvalid',
              },
              {
                // One that is there already can still be changed, and be let go.
                rule: "oldSelf.hasValue() || !(self.metadata.name in ['default', 'kubernetes'])",
                optionalOldSelf: true,
                message:
                  'metadata.name must not be default or kubernetes: the cluster itself has a ServiceAccount and a Service of these names',
                reason: 'FieldValueInvalid',
              },
            ],
          },
        },
      },
    ],
  },
});

/** The committed YAML. */
export const crdYaml = (): string =>
  `# Generated from operator/licenceServer/api/schema by "npm run crds"; do not edit.\n${stringify(licenceServerCrd(), { lineWidth: 0, aliasDuplicateObjects: false })}`;

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(crdYaml());
}

import fc from 'fast-check';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { auditPosition, readAudit, writeVerbs } from '../../../cluster/auditLog.ts';
import { ApiError } from '../../../operator/kube/apiError.ts';
import { licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import { licenceServerCrd } from '../../../operator/licenceServer/api/crd.ts';
import type { LicenceServer, SpecInput } from '../../../operator/licenceServer/api/types.ts';
import { eventually } from './harness.ts';
import { freshKey, Stage } from './operator.ts';

/**
 * LicenceServers that are made up. CR_FUZZ=5000 for more of them, and other ones each time; CR_FUZZ_SEED for the same again.
 * By default they are few and always the same.
 */
const count = Number(process.env.CR_FUZZ ?? 12);
const seed = Number(process.env.CR_FUZZ_SEED ?? (process.env.CR_FUZZ === undefined ? 8 : Date.now() % 2 ** 31));
const atOneTime = 40;

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
}

const junk = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.constant({}),
  fc.constant([]),
);
const word = fc.constantFrom('a', 'keys', 'office', 'x-1', '0', 'erp', 'uri', 'A B', 'ё', '../x', '');
/** What may stand in a part of a pod spec, right or wrong. */
const podSpec = fc.dictionary(
  fc.constantFrom(
    'containers',
    'volumes',
    'tolerations',
    'nodeSelector',
    'hostNetwork',
    'securityContext',
    'priority',
    'junk',
  ),
  fc.oneof(
    fc.array(
      fc.dictionary(fc.constantFrom('name', 'image', 'env', 'emptyDir', 'key', 'command'), fc.oneof(word, junk)),
    ),
    fc.dictionary(word, word),
    junk,
  ),
);

/** What the API server's schema takes, and now and then what it does not. */
function arbitraryOf(schema: Schema): fc.Arbitrary<unknown> {
  const right = rightOf(schema);
  return fc.oneof({ weight: 150, arbitrary: right }, { weight: 1, arbitrary: junk });
}
function rightOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema['x-kubernetes-preserve-unknown-fields']) return podSpec;
  if (schema['x-kubernetes-int-or-string']) return fc.oneof(fc.integer(), fc.constantFrom('100m', '1Gi', '-1', 'x'));
  if (schema.type === 'object') {
    const { properties = {}, required = [], additionalProperties } = schema;
    if (typeof additionalProperties === 'object') {
      return fc.dictionary(
        fc.constantFrom('a', 'example.org/b', 'cpu', 'memory', '/'),
        arbitraryOf(additionalProperties),
        { maxKeys: 3 },
      );
    }
    const fields = Object.entries(properties).map(([name, of]) => {
      const given = arbitraryOf(of);
      return [name, required.includes(name) ? given : fc.option(given, { nil: undefined, freq: 2 })] as const;
    });
    // Fields that are left out are not there, as in a person's file.
    return fc.record(Object.fromEntries(fields)).map((object) => JSON.parse(JSON.stringify(object)));
  }
  if (schema.type === 'array') {
    const { minItems: minLength = 0, maxItems = 3 } = schema;
    return fc.array(arbitraryOf(schema.items ?? {}), {
      minLength,
      maxLength: Math.max(minLength, Math.min(3, maxItems)),
    });
  }
  if (schema.type === 'integer') return fc.integer({ min: schema.minimum ?? -5, max: schema.maximum ?? 5_000 });
  if (schema.type === 'boolean') return fc.boolean();
  const lengths = { minLength: schema.minLength ?? 0, maxLength: Math.min(schema.maxLength ?? 40, 60) };
  const fits = (text: string) => text.length >= lengths.minLength && text.length <= lengths.maxLength;
  const usual = fc.constantFrom(
    '1Gi',
    '300Mi',
    '2Gi',
    '30m',
    '1h',
    '90s',
    '0 3 * * *',
    'https://a.example',
    '10.0.0.0/8',
    'UTC',
  );
  const text = fc.oneof(word, usual, fc.string(lengths));
  if (schema.pattern === undefined) return text;
  const matching = fc.stringMatching(new RegExp(schema.pattern)).filter(fits);
  return fc.oneof({ weight: 5, arbitrary: matching }, { weight: 2, arbitrary: usual }, { weight: 2, arbitrary: word });
}

const specSchema = (): Schema => {
  const [version] = (licenceServerCrd() as { spec: { versions: { schema: { openAPIV3Schema: Schema } }[] } }).spec
    .versions;
  const schema = version?.schema.openAPIV3Schema.properties?.spec;
  if (schema === undefined) throw new Error('the definition has no spec');
  return schema;
};

test(`survives ${count} LicenceServers that are made up, judges each, and comes to rest`, {
  timeout: 180_000 + count * 2_000,
}, async () => {
  stage.ready = false; // nobody's pods start: what is looked at is what the operator makes of a spec
  const operator = await stage.start();
  for (const name of ['keys', 'office', 'a'])
    await stage.putKeys(name, { erp: freshKey(), uri: 'postgres://x', a: 'junk' });
  const counted = async (name: string) => {
    const metrics = await operator.metrics.registry.getMetricsAsJSON();
    const values = metrics.find((m) => m.name === name)?.values ?? [];
    return values.reduce((sum, v) => sum + v.value, 0);
  };
  const specs = fc.sample(arbitraryOf(specSchema()), { seed, numRuns: count * 2 });
  /**
   * Has a spec taken; what the API server refuses of it is left out, until it takes the rest. @returns whether it took more
   * than nothing; another fault than a refusal of the content is a fault of this test
   */
  const taken = async (made: unknown, write: (spec: SpecInput) => Promise<unknown>): Promise<boolean> => {
    const spec = typeof made === 'object' && made !== null ? { ...made } : {};
    for (;;) {
      try {
        await write(spec as SpecInput);
        return Object.keys(spec).length > 0;
      } catch (error) {
        if (!(error instanceof ApiError) || ![400, 422].includes(error.status)) throw error;
        refused++;
        const causes = (error.details?.causes ?? []) as readonly { readonly field?: string }[];
        const fields = causes
          .map(({ field }) => /spec\.(\w+)/.exec(field ?? '')?.[1])
          .filter((f) => f !== undefined && f in spec);
        const leave = fields.length > 0 ? fields : Object.keys(spec).slice(-1);
        if (leave.length === 0) return false;
        for (const field of leave) delete (spec as Record<string, unknown>)[String(field)];
      }
    }
  };
  let refused = 0;
  let accepted = 0;
  let changed = 0;
  for (let from = 0; from < count; from += atOneTime) {
    const names: string[] = [];
    for (let i = from; i < Math.min(count, from + atOneTime); i++) {
      const name = `f${i}`;
      const isMore = await taken(specs[i], (spec) => stage.create(name, spec));
      names.push(name);
      if (isMore) accepted++;
      // Every other one is changed before anybody can have come to rest.
      if (i % 2 === 0) continue;
      const metadata = { annotations: { 'licensing.softonit.ru/roll-at': 'x' } };
      if (await taken(specs[count + i], (spec) => stage.patch(name, { spec, metadata }))) changed++;
    }
    for (const name of names) await stage.until(name, `was judged (seed ${seed})`, isJudged, 60_000);
    expect(await counted('controller_runtime_reconcile_panics_total'), `panics, seed ${seed}`).toBe(0);

    // At rest: nothing is written any more, and hardly anything is looked at.
    const before = await atRest();
    const reconciles = await counted('controller_runtime_reconcile_total');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const more = (await counted('controller_runtime_reconcile_total')) - reconciles;
    expect(more, `reconciles in 2 s at rest, seed ${seed}`).toBeLessThan(20 + names.length * 2);
    expect(writes(before), `writes at rest, seed ${seed}`).toEqual([]);
    for (const name of names) await stage.client.delete(licenceServerKind, stage.namespace, name);
  }
  console.log(
    `seed ${seed}: ${count} made up, ${accepted} accepted in part, ${changed} changed, ${refused} refusals, all judged, 0 panics`,
  );
  expect(accepted).toBeGreaterThan(count / 2);
});

const isJudged = (server: LicenceServer): boolean =>
  server.status?.observedGeneration === server.metadata.generation &&
  server.status?.conditions?.some((c) => c.type === 'Ready') === true;

/** What was changed in the namespace since a position of the audit log, by anybody but the cluster itself. */
const writes = (from: number): string[] =>
  readAudit(inject('auditLog'), from)
    .filter((entry) => entry.namespace === stage.namespace && writeVerbs.has(entry.verb) && entry.status < 300)
    .filter((entry) => !entry.user.startsWith('system:') && !entry.resource.endsWith('events'))
    .map(({ verb, resource, name }) => `${verb} ${resource} ${name}`);

/** Waits for a second in which nothing was written; answers the position of the audit log. */
async function atRest(): Promise<number> {
  return eventually(
    'a second without a write',
    async () => {
      const from = auditPosition(inject('auditLog'));
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return writes(from).length === 0 ? auditPosition(inject('auditLog')) : undefined;
    },
    60_000,
  );
}

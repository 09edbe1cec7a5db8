import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { KubeObject } from '../../../../../operator/kube/object.ts';
import { podMarks } from '../../../../../operator/licenceServer/api/metadata.ts';
import type { Status } from '../../../../../operator/licenceServer/api/types.ts';
import { deployment } from '../../../../../operator/licenceServer/build/deployment.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import { viewOfDeployment } from '../../../../../operator/licenceServer/observe/deploymentView.ts';
import { defaults, licenceServer, observed, valid } from '../world.ts';

/**
 * A Deployment as an API server had it from the last version of the operator that wrote no restart facts, made for the spec
 * below with the image `licence-server:test`.
 */
const recorded = JSON.parse(readFileSync(new URL('recordedDeployment.json', import.meta.url), 'utf8')) as KubeObject & {
  readonly metadata: { readonly namespace: string };
};
const { name, namespace } = recorded.metadata;
const owner = { name, namespace, uid: recorded.metadata.ownerReferences?.[0]?.uid ?? '' };
const view = { ...viewOfDeployment(recorded), settled: true, replicas: 1, available: 1 };
const spec = { activation: { authority: { url: 'https://authority.example.org' } } };
const status = {
  observedGeneration: 1,
  keysCopy: view.facts.keys,
  rotation: { copy: view.facts.keys, key: 'erp', phase: 'Active', startedAt: '', phaseAt: '', attempts: 0 },
} as Status;
const server = licenceServer(spec, { ...owner, status });
const seen = observed({ copies: { [view.facts.keys]: { erp: 'd1' } }, deployment: view });
const judged = { ...valid(server, seen), desiredKeys: { ok: true, copy: view.facts.keys, keys: {} } } as const;
const decide = (image: string, budget = true) =>
  plan(judged, status, { ...seen, fleet: { budget, message: 'full' } }, { ...defaults, image });

describe('a Deployment of before facts were written down', () => {
  test('is read from what stands there, and has none of its own', () => {
    expect(recorded.metadata.annotations).not.toHaveProperty('licensing.softonit.ru/asked');
    expect(view).toMatchObject({ factsText: undefined, asked: undefined, pacedAt: undefined });
    expect(view.facts).toMatchObject({ image: 'licence-server:test', rest: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(view.facts.config).toMatch(/^office-config-/);
  });

  test('rolls for nothing but what this version itself changes, in its turn, and gets facts with that roll', () => {
    const held = decide('licence-server:test', false);
    expect(held.reasons).toEqual([]);
    // What is rendered otherwise since waits for its turn: nobody asked for it.
    const now = decide('licence-server:next', true);
    expect(now).toMatchObject({ countsInFleet: true, reasons: expect.arrayContaining(['ImageChanged']) });
    expect(now.reasons).not.toContain('KeysChanged');
    const made = deployment(owner, judged.spec, now.pod as never) as unknown as Parameters<typeof viewOfDeployment>[0];
    const after = viewOfDeployment(made);
    expect(after.factsText).toBe(JSON.parse(JSON.stringify(made)).spec.template.metadata.annotations[podMarks.facts]);
    expect(after.facts).toMatchObject({ image: 'licence-server:next', keys: view.facts.keys });
    expect(after.asked).toBeDefined();
    expect(decide('licence-server:next', false)).toMatchObject({ reasons: [], pending: now.reasons });
  });

  test('whose template is rendered as ever is written without a change of its pods', () => {
    const same = decide('licence-server:test');
    // Another rendering is a matter of its own (see the golden files); this one is about facts.
    if (same.reasons.length > 0) return expect(same.countsInFleet).toBe(true);
    const made = deployment(owner, judged.spec, same.pod as never) as unknown as { spec: { template: object } };
    expect(recorded.spec).toMatchObject({ template: made.spec.template });
  });
});

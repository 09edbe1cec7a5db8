import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { run } from '../../../cluster/process.ts';
import { ensureTools } from '../../../cluster/tools.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { repository } from '../../support/sources.ts';
import { eventually } from '../licenceServer/harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from '../licenceServer/operator.ts';
import { lives } from './lives.ts';

// What Flux and Helm 4 wait by, asked of the library itself: sigs.k8s.io/cli-utils.
const { kstatus } = await ensureTools(['kstatus'], 'to ask kstatus');

async function verdictsOf(objects: readonly LicenceServer[]): Promise<readonly string[]> {
  const input = objects.map((object) => `${JSON.stringify(object)}\n`).join('');
  const out = await run(kstatus, [], { input });
  return out
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { status: string }).status);
}

describe('what kstatus says of a LicenceServer', () => {
  test('is right in every state of its life, and as docs/with/flux.md has it', async () => {
    const verdicts = await verdictsOf(lives.map(({ object }) => object));
    const said = lives.map(({ name, health }, i) => ({ name, health, kstatus: verdicts[i] }));
    expect(said).toEqual(lives.map(({ name, health, kstatus }) => ({ name, health, kstatus })));

    const rows = said.map((life) => `| ${life.name} | ${life.kstatus} | ${life.health} |`);
    const table = ['| State | kstatus | Argo CD |', '|---|---|---|', ...rows].join('\n');
    const page = join(repository, 'docs/with/flux.md');
    const text = readFileSync(page, 'utf8');
    const now = text.replace(/\| State \|.*\n(\|.*\n)*/, `${table}\n`);
    if (process.env.UPDATE_TABLE === '1') writeFileSync(page, now);
    else expect(now, 'made by UPDATE_TABLE=1').toBe(text);
  });
});

describe('a LicenceServer of a real API server', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.open(inject('kubeconfig'));
  });
  afterEach(() => stage.close());

  test('is waited for until it is ready, and given up where a person has to act', { timeout: 240_000 }, async () => {
    const says = async (verdict: string) => {
      const object = await stage.licenceServer('office');
      expect(await verdictsOf([object]), JSON.stringify(object.status)).toEqual([verdict]);
    };
    const spec = specWithKey();
    await stage.create('office', spec, { finalizers: ['example.org/hold'] });
    await says('InProgress');

    await stage.start();
    await stage.until('office', 'waits for its Secret', (s) => condition(s, 'Ready')?.reason === 'SecretMissing');
    await says('InProgress');

    await stage.putKeys('keys', { erp: freshKey() });
    await stage.until('office', 'is ready', isReady, 90_000);
    await says('Current');

    await stage.putKeys('keys', { erp: 'a typing error' });
    await stage.until('office', 'is stalled', (s) => condition(s, 'Stalled')?.status === 'True');
    await says('Failed');

    await stage.putKeys('keys', { erp: freshKey() });
    await stage.until('office', 'is ready', (s) => isReady(s) && condition(s, 'Stalled')?.status !== 'True', 90_000);
    await stage.patch('office', { spec: { suspend: true } });
    await stage.until('office', 'is suspended', (s) => condition(s, 'Suspended')?.status === 'True' && isReady(s));
    await says('Current');

    // Whoever is away says nothing of the edit: it is not taken for done.
    await stage.operator?.stop();
    stage.operator = undefined;
    await stage.patch('office', { spec: { suspend: false } });
    await says('InProgress');

    await stage.client.delete(licenceServerKind, stage.namespace, 'office');
    await says('Terminating');
    await stage.patch('office', { metadata: { finalizers: null } });
    await eventually('it is gone', async () => (await stage.get(licenceServerKind, 'office')) === undefined);
    expect(await stage.get(kinds.Secret, 'office-identity')).toBeDefined();
  });
});

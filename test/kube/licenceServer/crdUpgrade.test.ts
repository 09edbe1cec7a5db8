import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { ensureEarlierSources, upgradedFrom } from '../../../cluster/earlier.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { orSkipped } from '../../support/orSkipped.ts';
import { repository } from '../../support/sources.ts';
import { adminClient, eventually, freshNamespace } from './harness.ts';

// The definition of the build that people have, replaced by today's. Under another group, since all tests share the real one.

const group = 'earlier.softonit.ru';
const name = `licenceservers.${group}`;
const earlier = await orSkipped(ensureEarlierSources(upgradedFrom));
interface Stored {
  readonly metadata: { readonly name: string };
  readonly spec: object;
  readonly status?: object;
}

describe.skipIf(earlier === undefined)('the definition of an earlier build', () => {
  let client: KubeClient;
  let namespace: string;
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const objects = () => `/apis/${group}/v1beta1/namespaces/${namespace}/licenceservers`;
  const definitionIn = (root: string) =>
    parse(readFileSync(join(root, 'crds/licenceservers.yaml'), 'utf8').replaceAll('licensing.softonit.ru', group));
  const get = async <T>(path: string) => (await client.request({ method: 'GET', path })).body as T;
  /** A merge patch in which every field must be known. */
  const patch = (path: string, body: object, dryRun?: 'All') =>
    client.request({
      method: 'PATCH',
      path: `${objects()}/${path}`,
      query: { fieldValidation: 'Strict', dryRun },
      contentType: 'application/merge-patch+json',
      body,
    });
  const stored = async () => {
    const { items } = await get<{ items: Stored[] }>(objects());
    return items.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  };
  beforeAll(async () => {
    client = adminClient(inject('kubeconfig'));
    namespace = await freshNamespace(client, 'crd-upgrade');
  });
  afterAll(() => client.request({ method: 'DELETE', path: `${crds}/${name}` }));

  it('is replaced by today’s: what was applied then is there, is valid, and can be edited', async () => {
    await client.request({ method: 'POST', path: crds, body: definitionIn(earlier ?? '') });
    await eventually('the earlier kind', async () => (await stored()).length === 0);
    const samples = join(earlier ?? '', 'crds/samples');
    for (const file of readdirSync(samples)) {
      const text = readFileSync(join(samples, file), 'utf8').replaceAll('licensing.softonit.ru', group);
      const sample = parseAllDocuments(text)
        .map((document) => document.toJS())
        .find(({ kind }) => kind === 'LicenceServer');
      const metadata = { name: file.replace('.yaml', ''), namespace };
      const query = { fieldValidation: 'Strict' };
      await client.request({ method: 'POST', path: objects(), query, body: { ...sample, metadata } });
      await patch(`${metadata.name}/status`, { status: { observedGeneration: 1, seats: '3/10' } });
    }
    const before = await stored();
    expect(before.length).toBeGreaterThan(3);

    const { metadata } = await get<{ metadata: object }>(`${crds}/${name}`);
    const today = definitionIn(repository);
    await client.request({ method: 'PUT', path: `${crds}/${name}`, body: { ...today, metadata } });
    // known by a field that the earlier one has not
    await eventually('the kind of today', () =>
      patch('minimal', { spec: { seats: { rules: [] } } }, 'All').then(
        () => true,
        (error: Error) => !error.message.includes('unknown field'),
      ),
    );
    expect(await stored()).toMatchObject(before.map(({ spec, status }) => ({ spec, status })));
    for (const one of before) await patch(one.metadata.name, { spec: { suspend: true } });
    const after = (await stored()).map(({ spec }) => spec);
    expect(after).toMatchObject(before.map(({ spec }) => ({ ...spec, suspend: true })));
  });
});

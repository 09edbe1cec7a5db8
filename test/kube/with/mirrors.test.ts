import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { auditPosition, readAudit, writeVerbs } from '../../../cluster/auditLog.ts';
import { createAuthority } from '../../../cluster/pki.ts';
import { createScratch } from '../../../cluster/scratch.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../../operator/kube/resourceKind.ts';
import { eventually } from '../licenceServer/harness.ts';
import { freshKey, isReady, Stage, specWithKey } from '../licenceServer/operator.ts';

/**
 * What image mirrors, meshes and cost tools do at admission, done by a real webhook of a real API server: images are rewritten,
 * containers, labels and annotations are put in, in workloads and in pods.
 */
const webhooks: ResourceKind = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
};
const registry = 'registry.corp.example/';
interface PodLike {
  readonly containers: readonly { readonly image: string; readonly name: string }[];
}
interface Workload extends KubeObject {
  readonly spec: PodLike & { readonly template: { readonly metadata: KubeObject['metadata']; readonly spec: PodLike } };
}

/** JSON Patch of what the tools of this cluster want of an object. */
function patchOf(object: Workload): object[] {
  const isPod = object.kind === 'Pod';
  const { containers } = isPod ? object.spec : object.spec.template.spec;
  const [at, to] = isPod ? ['', '/spec'] : ['/spec/template', '/spec/template/spec'];
  const images = containers.flatMap(({ image }, i) =>
    image.startsWith(registry)
      ? []
      : [{ op: 'replace', path: `${to}/containers/${i}/image`, value: `${registry}${image}` }],
  );
  const marks = (path: string) => [
    { op: 'add', path: `${path}/metadata/labels/injected`, value: 'yes' },
    { op: 'add', path: `${path}/metadata/annotations/mesh.example~1status`, value: 'in' },
  ];
  const isThere = containers.some(({ name }) => name === 'proxy');
  const sidecar = { name: 'proxy', image: `${registry}proxy:1`, resources: { limits: { memory: '64Mi' } } };
  return [
    ...images,
    ...marks(at),
    ...(isPod ? [] : marks('')),
    ...(isThere ? [] : [{ op: 'add', path: `${to}/containers/-`, value: sidecar }]),
  ];
}

let webhook: Server;
let caBundle: string;
beforeAll(async () => {
  const authority = await createAuthority(join(createScratch('webhook'), 'pki'));
  const { cert, key } = await authority.server('webhook', 'webhook', ['IP:127.0.0.1']);
  caBundle = Buffer.from(authority.certPem).toString('base64');
  webhook = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(parts).toString()) as { request: { uid: string; object: Workload } };
      const { uid, object } = review.request;
      const patch = Buffer.from(JSON.stringify(patchOf(object))).toString('base64');
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...review, response: { uid, allowed: true, patchType: 'JSONPatch', patch } }));
    });
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  webhook.closeAllConnections();
  webhook.close();
});

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
  const { client, namespace } = stage;
  const rule = (group: string, resource: string) => ({
    apiGroups: [group],
    apiVersions: ['v1'],
    operations: ['CREATE', 'UPDATE'],
    resources: [resource],
  });
  await client.create(webhooks, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: webhooks.kind,
    metadata: { name: namespace },
    webhooks: [
      {
        name: 'mirror.corp.example',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        clientConfig: { url: `https://127.0.0.1:${(webhook.address() as AddressInfo).port}/`, caBundle },
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        rules: [rule('apps', 'deployments'), rule('', 'pods')],
      },
    ],
  } as unknown as KubeObject);
  const metadata = { labels: { app: 'probe' }, annotations: { probe: 'yes' } };
  const probe = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { ...metadata, name: 'probe', namespace },
    spec: {
      selector: { matchLabels: { app: 'probe' } },
      template: { metadata, spec: { containers: [{ name: 'a', image: 'a:1' }] } },
    },
  };
  await eventually('the webhook is in force', async () => {
    const made = (await client.dryRun().create(kinds.Deployment, probe)) as Workload;
    return made.spec.template.spec.containers[0]?.image === `${registry}a:1`;
  });
});
afterEach(async () => {
  await stage.client.delete(webhooks, undefined, stage.namespace);
  await stage.close();
});

const deployment = async () => (await stage.get<Workload>(kinds.Deployment, 'office')) as Workload;
const looked = async () => {
  const { polls } = stage.server('office');
  await eventually('it was looked at', () => stage.server('office').polls > polls + 6);
};

test('images that are rewritten, containers and labels that are put in: no roll, no write, no word of it', {
  timeout: 300_000,
}, async () => {
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.start();
  await stage.create('office', specWithKey());
  const settled = await stage.until('office', 'is ready', isReady, 90_000);
  const before = await deployment();
  expect(before.spec.template.spec.containers.map(({ image }) => image)).toEqual([
    `${registry}licence-server:test`,
    `${registry}proxy:1`,
  ]);
  const position = auditPosition(inject('auditLog'));
  const since = Date.now();
  await looked();
  const writes = readAudit(inject('auditLog'), position)
    .filter((entry) => Date.parse(entry.at) >= since && entry.namespace === stage.namespace)
    .filter(({ verb, resource }) => writeVerbs.has(verb) && !/^(pods|events)(\/|$)|^events\.k8s\.io\//.test(resource));
  expect(writes).toEqual([]);

  await stage.restart();
  await looked();
  // What a policy puts back at once is no change, whoever writes: the generation and the pod stay.
  const after = await deployment();
  expect(after.metadata.generation).toBe(before.metadata.generation);
  expect((await stage.until('office', 'is ready', isReady)).status).toEqual(settled.status);
  expect(stage.server('office').starts).toBe(1);
  expect(await stage.operator?.scrape()).toContain('licence_operator_rolls_total{reason="ImageChanged"} 0');
  expect((await stage.events()).filter(({ note }) => /roll/.test(note))).toEqual([]);

  // One that is really another still rolls, once.
  await stage.patch('office', { spec: { image: 'licence-server:next' } });
  await stage.until('office', 'rolls', (s) => isReady(s) && s.status?.lastRoll?.reasons[0] === 'ImageChanged', 90_000);
  await looked();
  expect(stage.server('office').starts).toBe(2);
  expect((await deployment()).spec.template.spec.containers[0]?.image).toBe(`${registry}licence-server:next`);
});

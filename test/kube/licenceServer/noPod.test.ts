import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { eventually } from './harness.ts';
import { condition, isReady, Stage } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
  stage.ready = false;
});
afterEach(() => stage.close());

const says = (reason: string) => (server: LicenceServer) => condition(server, 'Ready')?.reason === reason;
const quotas = { group: '', version: 'v1', kind: 'ResourceQuota', plural: 'resourcequotas', namespaced: true } as const;

test('a quota that refuses the pod is told in its own words, and no longer when it is gone', {
  timeout: 240_000,
}, async () => {
  const { namespace, client } = stage;
  await client.create(quotas, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'office', namespace },
    spec: { hard: { 'limits.memory': '4Gi' } },
  });
  await stage.start();
  await stage.create('office', {});
  const told = await stage.until('office', 'says why', says('PodRefused'), 90_000);
  for (const type of ['Ready', 'Reconciling', 'Available']) {
    expect(condition(told, type)?.message).toContain('failed quota: office: must specify limits.memory');
  }
  await client.delete(quotas, namespace, 'office');
  stage.ready = true;
  await stage.until('office', 'is ready', isReady, 120_000);
});

test('an image that cannot be pulled is told, though nobody watches pods', { timeout: 240_000 }, async () => {
  const { namespace, client } = stage;
  await stage.start();
  await stage.create('office', {});
  const labelSelector = 'app.kubernetes.io/instance=office';
  const pod = await eventually(
    'there is a pod',
    async () => (await client.list(kinds.Pod, { namespace, labelSelector })).items[0],
  );
  const waiting = { reason: 'ImagePullBackOff', message: 'Back-off pulling image "licence-server:test"' };
  const status = {
    name: 'server',
    ready: false,
    restartCount: 0,
    image: 'licence-server:test',
    imageID: '',
    state: { waiting },
  };
  await client.request({
    method: 'PATCH',
    path: `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}/status`,
    contentType: 'application/strategic-merge-patch+json',
    body: { status: { containerStatuses: [status] } },
  });
  const told = await stage.until('office', 'says why', says('ImageNotPulled'), 90_000);
  expect(condition(told, 'Available')?.message).toContain(
    'image licence-server:test of container server cannot be pulled',
  );
});

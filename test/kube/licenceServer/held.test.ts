import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { auditPosition, readAudit, writeVerbs } from '../../../cluster/auditLog.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { firstLookMs } from '../../../operator/licenceServer/observe/podLook.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

// A server that waits costs nothing until something changes: however many of them there are, and however long it takes.
let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

const namesOf = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `held-${from + i}`);
const reasonOf = (server: LicenceServer) => condition(server, 'Reconciling')?.reason;

async function count(metric: string): Promise<number> {
  const lines = ((await stage.operator?.scrape()) ?? '').split('\n');
  return lines.reduce((sum, line) => (line.startsWith(`${metric}{`) ? sum + Number(line.split(' ').at(-1)) : sum), 0);
}

/** What the operator does in so many seconds, once it has done nothing for longer than it waits before it looks for a pod that was not there. */
async function costOf(seconds: number) {
  let [before, since] = [-1, Date.now()];
  await eventually(
    'it comes to rest',
    async () => {
      const passes = await count('controller_runtime_reconcile_total');
      if (passes !== before) [before, since] = [passes, Date.now()];
      return Date.now() - since > firstLookMs + 1_000;
    },
    60_000,
  );
  const [passes, requests] = [
    await count('controller_runtime_reconcile_total'),
    await count('rest_client_requests_total'),
  ];
  const from = auditPosition(inject('auditLog'));
  await wait(seconds * 1_000);
  const writes = readAudit(inject('auditLog'), from)
    .filter(({ namespace, verb }) => namespace === stage.namespace && writeVerbs.has(verb))
    // The control plane and the play of the pods write on.
    .filter(({ user, resource }) => !user.startsWith('system:') && !resource.startsWith('pods'));
  return {
    passes: (await count('controller_runtime_reconcile_total')) - passes,
    requests: (await count('rest_client_requests_total')) - requests,
    writes: writes.map(({ verb, resource, name }) => `${verb} ${resource} ${name}`),
  };
}

test('while a rollout is held nobody else is looked at, however many wait', async () => {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  const all = namesOf(12);
  for (const name of all) await stage.create(name, specWithKey());
  for (const name of all) await stage.until(name, 'is ready', isReady, 90_000);
  stage.ready = false;
  await stage.restart({ image: 'licence-server:next' });
  await eventually(
    'all but one are held',
    async () => {
      const servers = await Promise.all(all.map((name) => stage.licenceServer(name)));
      return servers.filter((server) => reasonOf(server) === 'RolloutHeld').length === all.length - 1;
    },
    90_000,
  );
  // The one that rolls is looked at once in a while, for the reason why its pod does not come.
  const cost = await costOf(12);
  expect(cost.writes).toEqual([]);
  expect(cost.passes).toBeLessThanOrEqual(2);
  expect(cost.requests).toBeLessThanOrEqual(3);
}, 240_000);

test('while keys are missing nothing is made, unmade or asked', async () => {
  await stage.start();
  const jwks = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'vendor', namespace: stage.namespace } };
  await stage.client.create(kinds.ConfigMap, { ...jwks, data: { 'jwks.json': '{"keys":[]}' } });
  const authority = {
    url: 'https://authority.example.org',
    trustedKeys: { configMapRef: { name: 'vendor', key: 'jwks.json' } },
  };
  for (const name of namesOf(8)) await stage.create(name, specWithKey({ activation: { authority } }));
  for (const name of namesOf(8)) await stage.until(name, 'waits', (s) => reasonOf(s) === 'SecretMissing', 60_000);
  expect(await costOf(8)).toEqual({ passes: 0, requests: 0, writes: [] });
}, 120_000);

test('while stale seats wait for their turn, or for nobody to use a seat, nobody is looked at', async () => {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  const [idle = '', first = '', ...others] = namesOf(6);
  await stage.create(idle, specWithKey());
  for (const name of [first, ...others]) await stage.create(name, specWithKey({ staleSeats: { when: 'Always' } }));
  for (const name of [idle, first, ...others]) await stage.until(name, 'is ready', isReady, 90_000);
  Object.assign(stage.server(idle), { stale: 3, live: 2 });
  stage.ready = false;
  for (const name of [first, ...others]) Object.assign(stage.server(name), { stale: 3 });
  await eventually(
    'all but one wait',
    async () => {
      const servers = await Promise.all([idle, first, ...others].map((name) => stage.licenceServer(name)));
      return servers.filter(({ status }) => status?.nextDisruption?.reasons[0] === 'StaleSeats').length === 5;
    },
    90_000,
  );
  const cost = await costOf(12);
  expect(cost.writes).toEqual([]);
  expect(cost.passes).toBeLessThanOrEqual(2);
  expect(cost.requests).toBeLessThanOrEqual(3);
}, 240_000);

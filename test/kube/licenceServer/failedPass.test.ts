import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import { requests } from '../../../operator/licenceServer/api/requests.ts';
import { type FaultProxy, startFaultProxy } from '../../support/faultProxy.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

// Whatever makes a pass fail, the resource says it in the words of whoever refused, until a pass succeeds.
let stage: Stage;
let proxy: FaultProxy | undefined;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
  await stage.putKeys('keys', { erp: freshKey() });
});
afterEach(async () => {
  await stage.close();
  await proxy?.[Symbol.asyncDispose]();
  proxy = undefined;
});

const words = (name: string) => stage.licenceServer(name).then((server) => condition(server, 'Ready')?.message ?? '');
const failures = async (): Promise<number> => {
  const text = (await stage.operator?.scrape()) ?? '';
  return Number(/reconcile_errors_total\{controller="licenceserver"\} (\d+)/.exec(text)?.[1]);
};

test('a quota on Secrets: status and an Event say so in its words, and it goes on when the quota does', async () => {
  await stage.start();
  await stage.forbidSecrets();
  await stage.create('office', specWithKey());
  const told = await stage.until('office', 'says why', (server) => condition(server, 'Stalled')?.status === 'True');
  expect(condition(told, 'Ready')).toMatchObject({ status: 'False', reason: 'SecretRefused' });
  expect(condition(told, 'Ready')?.message).toContain('exceeded quota: few');
  const events = () => stage.events().then((all) => all.filter(({ reason }) => reason === 'SecretRefused'));
  const [event] = await eventually('an Event', async () => {
    const found = await events();
    return found.length > 0 && found;
  });
  expect(event).toMatchObject({ type: 'Warning' });
  expect(event?.note).toContain('exceeded quota: few');
  expect((await events()).length).toBe(1);
  await stage.allowSecrets();
  await stage.patch('office', { metadata: { labels: { looked: 'again' } } });
  const done = await stage.until('office', 'is ready', isReady, 60_000);
  expect(condition(done, 'Stalled')?.status).toBe('False');
}, 120_000);

test('a refusal by admission when new keys are to be copied: the running server says it, and keeps running', async () => {
  await stage.start();
  await stage.create('office', specWithKey());
  const before = await stage.until('office', 'is ready', isReady, 60_000);
  await stage.forbidSecrets();
  await stage.putKeys('keys', { erp: freshKey() });
  const told = await stage.until('office', 'says why', (server) => condition(server, 'Ready')?.status === 'False');
  expect(condition(told, 'Ready')?.message).toContain('exceeded quota: few');
  expect(told.status?.keysCopy).toBe(before.status?.keysCopy);
  expect(condition(told, 'Available')?.status).toBe('True');
  await stage.allowSecrets();
  await stage.patch('office', { metadata: { labels: { looked: 'again' } } });
  await stage.until('office', 'is ready again', isReady, 60_000);
}, 120_000);

test.each([
  ['the finalizer', 'PATCH', /\/licenceservers\/office$/],
  ['the Secret of a key', 'GET', /\/secrets\/keys$/],
])(
  'so it is with %s',
  async (_, method, path) => {
    const way = await startFaultProxy(inject('kubeconfig'));
    proxy = way;
    let isRefused = true;
    way.fault = (request) => {
      if (!isRefused || request.method !== method || !path.test(request.url.pathname)) return undefined;
      const message = 'admission webhook "policy.example.org" denied the request: not on a Friday';
      return { answer: 403, body: { kind: 'Status', code: 403, reason: '', message } };
    };
    await stage.start({ kubeconfig: way.kubeconfig });
    await stage.create('office', specWithKey({ storage: { reclaimPolicy: 'Delete' } }));
    const told = await stage.until('office', 'says why', (server) => condition(server, 'Stalled')?.status === 'True');
    expect(condition(told, 'Stalled')?.reason).toBe('Status403');
    expect(condition(told, 'Stalled')?.message).toContain('not on a Friday');
    expect(told.status?.observedGeneration).toBe(-1); // as it was created: nothing was acted on
    // Ever more rarely, and nothing of it wakes itself.
    const later = await eventually('the next attempt is told', async () => {
      const text = await words('office');
      return text.includes('is tried again in') && text;
    });
    expect(later).toMatch(/it has failed \d+ times and is tried again in 1\d s$/);
    expect(await failures()).toBeLessThan(16);
    expect((await stage.events()).filter(({ reason }) => reason === 'Status403')).toHaveLength(1);
    isRefused = false;
    await stage.patch('office', { metadata: { labels: { looked: 'again' } } });
    await stage.until('office', 'is ready', isReady, 60_000);
  },
  120_000,
);

test('a roll whose status could not be written is told all the same, once', async () => {
  const way = await startFaultProxy(inject('kubeconfig'));
  proxy = way;
  await stage.start({ kubeconfig: way.kubeconfig });
  await stage.create('office', specWithKey());
  await stage.until('office', 'is ready', isReady, 60_000);
  let rolled = false;
  let refused = 0;
  way.fault = ({ method, url: { pathname } }) => {
    if (method === 'PATCH' && pathname.endsWith('/deployments/office')) rolled = true;
    if (!rolled || refused >= 3 || !pathname.endsWith('/licenceservers/office/status')) return undefined;
    refused += 1;
    return { answer: 403, body: { kind: 'Status', code: 403, reason: 'Forbidden', message: 'not now' } };
  };
  await stage.patch('office', { metadata: { annotations: { [requests.rollAt]: 'now' } } });
  const done = await stage.until('office', 'tells of the roll', (s) => s.status?.lastRoll !== undefined, 60_000);
  expect(refused).toBe(3);
  const reasons = done.status?.lastRoll?.reasons ?? [];
  expect(reasons).toHaveLength(1);
  const events = await eventually('an Event', async () => {
    const found = (await stage.events()).filter(({ reason }) => reason === 'Rolling');
    return found.length > 0 && found;
  });
  expect(events).toHaveLength(1);
  expect(await stage.operator?.scrape()).toContain(`licence_operator_rolls_total{reason="${reasons[0]}"} 1`);
}, 120_000);

test('a roll is told by the next operator, once, where this one was killed before a status told of it', async () => {
  const way = await startFaultProxy(inject('kubeconfig'));
  proxy = way;
  await stage.start({ kubeconfig: way.kubeconfig });
  await stage.create('office', specWithKey());
  await stage.until('office', 'is ready', isReady, 60_000);
  let isDead = false;
  way.fault = ({ method, url: { pathname } }) => {
    if (isDead) return { cut: 'before' };
    if (method !== 'PATCH' || !pathname.endsWith('/deployments/office')) return undefined;
    isDead = true;
    return { cut: 'after' };
  };
  await stage.patch('office', { metadata: { annotations: { [requests.rollAt]: 'now' } } });
  await eventually('it is killed', () => isDead);
  await stage.restart();
  const done = await stage.until(
    'office',
    'tells of the roll',
    (s) => isReady(s) && s.status?.lastRoll !== undefined,
    60_000,
  );
  expect(done.status?.lastRoll?.reasons).toEqual(['RestartRequested']);
  await eventually('an Event', async () => (await stage.events()).some(({ reason }) => reason === 'Rolling'));
  expect(await stage.operator?.scrape()).toContain('licence_operator_rolls_total{reason="RestartRequested"} 1');
  // Neither the next one nor one that is restored without its status tells of it again.
  await stage.client.mergePatch(licenceServerKind, stage.namespace, 'office', { status: null }, 'status');
  await stage.restart();
  const again = await stage.until('office', 'is ready', isReady, 60_000);
  expect(again.status?.lastRoll).toEqual(done.status?.lastRoll);
  expect(await stage.operator?.scrape()).toContain('licence_operator_rolls_total{reason="RestartRequested"} 0');
  expect((await stage.events()).filter(({ reason }) => reason === 'Rolling')).toHaveLength(1);
}, 120_000);

test('a resource in deletion says what it waits for', async () => {
  await stage.start();
  await stage.create('office', specWithKey({ storage: { reclaimPolicy: 'Delete' } }));
  await stage.until('office', 'is ready', isReady, 60_000);
  // A pod that takes its time, for as long as this holds it.
  const hold = { metadata: { finalizers: ['example.org/hold'] } };
  await stage.client.mergePatch(kinds.Deployment, stage.namespace, 'office', hold);
  await stage.client.delete(licenceServerKind, stage.namespace, 'office');
  const told = await stage.until('office', 'says it', (s) => condition(s, 'Ready')?.reason === 'Terminating');
  expect(condition(told, 'Ready')?.message).toContain('Deployment office');
  await stage.client.mergePatch(kinds.Deployment, stage.namespace, 'office', { metadata: { finalizers: null } });
  await eventually('it is gone', async () => (await stage.get(licenceServerKind, 'office')) === undefined, 60_000);
}, 120_000);

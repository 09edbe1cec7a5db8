import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { userKubeconfig } from '../../../cluster/kubeconfig.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { apiVersion, licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import { rights } from '../../../operator/licenceServer/api/rights.ts';
import { type Fault, type FaultProxy, type Proxied, startFaultProxy } from '../../support/faultProxy.ts';
import { eventually, freshNamespace } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

// One namespace, or one kind, that cannot be watched stops nobody else; and nothing is done before all is known.
let stage: Stage;
let proxy: FaultProxy | undefined;
/** A second namespace that is looked after. */
let other: string;
let user: string;

beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
  other = await freshNamespace(stage.client, 'other');
  user = `operator-of-${stage.namespace}`;
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.create('office', specWithKey());
});
afterEach(async () => {
  await stage.close();
  await proxy?.[Symbol.asyncDispose]();
  proxy = undefined;
  await stage.client.delete(kinds.Namespace, undefined, other).catch(() => {});
});

const ready = (limitMs = 60_000) => stage.until('office', 'is ready', isReady, limitMs);
const both = () => ({ names: [stage.namespace, other] });

/** The operator's rights in a namespace, those of some resources left out. */
async function allow(namespace: string, without: readonly string[] = []): Promise<void> {
  const rules = rights.watched.map((rule) => ({
    ...rule,
    resources: rule.resources.filter((resource) => !without.includes(resource)),
  }));
  const metadata = { name: 'operator', namespace };
  const group = 'rbac.authorization.k8s.io';
  const some = rules.filter(({ resources }) => resources.length > 0);
  await stage.client.apply(kinds.Role, { metadata, rules: some }, { fieldManager: 'test' });
  const binding = {
    metadata,
    roleRef: { apiGroup: group, kind: 'Role', name: 'operator' },
    subjects: [{ apiGroup: group, kind: 'User', name: user }],
  };
  await stage.client.apply(kinds.RoleBinding, binding, { fieldManager: 'test' });
}

const failing = async (): Promise<string[]> =>
  ((await stage.operator?.scrape()) ?? '')
    .split('\n')
    .filter((line) => line.startsWith('licence_operator_watch_failing_seconds{'));

/** Through a proxy that does something to some requests. */
async function startThrough(
  fault: (request: Proxied) => Fault | undefined,
  setting: Parameters<Stage['start']>[0] = {},
): Promise<FaultProxy> {
  proxy = await startFaultProxy(setting.kubeconfig ?? inject('kubeconfig'));
  proxy.fault = fault;
  await stage.start({ ...setting, kubeconfig: proxy.kubeconfig });
  return proxy;
}

const isListOf = (request: Proxied, plural: string, namespace: string): boolean =>
  request.method === 'GET' && !request.isWatch && request.url.pathname.endsWith(`/namespaces/${namespace}/${plural}`);

test('a namespace without rights is named, and the others are worked on from the start', async () => {
  await allow(stage.namespace);
  const kubeconfig = await userKubeconfig(inject('controlPlaneDir'), user);
  await stage.start({ kubeconfig, namespaces: both() });
  await ready();
  const named = await eventually('it is named', async () => {
    const lines = await failing();
    return lines.some((line) => line.includes('kind="Secret"')) && lines;
  });
  expect(named.every((line) => line.includes(`watched_namespace="${other}"`))).toBe(true);
  expect([stage.operator?.watch.settled, stage.operator?.watch.syncedIn(other)]).toEqual([true, false]);
});

test('what cannot be listed is told in the resource with the words of the API server, and work begins as soon as it can', async () => {
  await allow(stage.namespace, ['secrets']);
  const kubeconfig = await userKubeconfig(inject('controlPlaneDir'), user);
  await stage.start({ kubeconfig });
  const told = await stage.until('office', 'says what is missing', (server) => {
    return condition(server, 'Stalled')?.reason === 'NamespaceUnlisted';
  });
  expect(condition(told, 'Ready')?.message).toContain('secrets is forbidden');
  expect(told.status?.observedGeneration).toBe(-1); // as it was created: nothing was acted on
  expect(await stage.get(kinds.Deployment, 'office')).toBeUndefined();
  await allow(stage.namespace);
  const done = await ready(90_000);
  expect(condition(done, 'Stalled')?.status).toBe('False');
}, 180_000);

test('a namespace that goes while the operator runs takes nobody else along', async () => {
  for (const namespace of [stage.namespace, other]) await allow(namespace);
  const kubeconfig = await userKubeconfig(inject('controlPlaneDir'), user);
  const way = await startThrough(() => undefined, { kubeconfig, namespaces: both() });
  await ready();
  await stage.client.delete(kinds.RoleBinding, other, 'operator');
  await stage.client.delete(kinds.Namespace, undefined, other);
  // As the API server ends every watch after some minutes.
  way.cut();
  await eventually('it is named', async () => (await failing()).some((line) => line.includes(other)));
  await stage.create('branch', specWithKey());
  await stage.until('branch', 'is ready', isReady, 60_000);
  expect((await failing()).filter((line) => !line.includes(other))).toEqual([]);
  expect(stage.operator?.watch.silentSeconds).toBeLessThan(60);
});

test('a server whose namespace cannot be heard any more gives its turn in the fleet back', async () => {
  for (const namespace of [stage.namespace, other]) await allow(namespace);
  const kubeconfig = await userKubeconfig(inject('controlPlaneDir'), user);
  const way = await startThrough(() => undefined, { kubeconfig, namespaces: both() });
  await ready();
  // Nobody plays pods in the other namespace: what rolls there does not come up.
  const metadata = { name: 'branch', namespace: other };
  const spec = { keys: [], activation: { authority: { url: 'https://authority.example.org' } } };
  await stage.client.create(licenceServerKind, { apiVersion, kind: 'LicenceServer', metadata, spec });
  const imageIn = async (namespace: string, name: string) =>
    JSON.stringify((await stage.client.get(kinds.Deployment, namespace, name))?.spec).includes('licence-server:next');
  await eventually('it is made', () => stage.client.get(kinds.Deployment, other, 'branch'), 60_000);
  const pause = (value: string | null) =>
    stage.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/pause': value } } });
  await pause('true');
  await stage.restart({ kubeconfig: way.kubeconfig, namespaces: both(), image: 'licence-server:next' });
  await eventually('the branch rolls', () => imageIn(other, 'branch'), 60_000);
  await pause(null);
  const held = await stage.until('office', 'is held', (s) => condition(s, 'Reconciling')?.reason === 'RolloutHeld');
  expect(condition(held, 'Reconciling')?.message).toContain(`${other}/branch`);
  await stage.client.delete(kinds.RoleBinding, other, 'operator');
  way.cut();
  await eventually('it rolls', () => imageIn(stage.namespace, 'office'), 60_000);
  await ready();
}, 240_000);

test('a label that is taken away before the first list has come keeps nobody waiting', async () => {
  const label = (namespace: string, value: string | null) =>
    stage.client.mergePatch(kinds.Namespace, undefined, namespace, { metadata: { labels: { watched: value } } });
  for (const namespace of [stage.namespace, other]) await label(namespace, stage.namespace);
  proxy = await startFaultProxy(inject('kubeconfig'));
  const way = proxy;
  way.fault = (request) => (isListOf(request, 'secrets', other) ? { hang: true } : undefined);
  const starting = stage.start({ kubeconfig: way.kubeconfig, namespaces: { selector: `watched=${stage.namespace}` } });
  await eventually('the list hangs', () => way.requests.some((request) => isListOf(request, 'secrets', other)));
  await label(other, null);
  await starting;
  await ready();
});

test('a namespace that joins with a healthy server: nothing is written before all is known, nor afterwards', async () => {
  await stage.start();
  await ready();
  await stage.operator?.stop();
  const before = await stage.licenceServer('office');
  const pod = await stage.get(kinds.Deployment, 'office');
  const selector = `watched=${stage.namespace}`;
  const { polls } = stage.server('office');
  let lists = 0;
  const way = await startThrough(
    (request) => {
      if (!['secrets', 'deployments', 'roles'].some((plural) => isListOf(request, plural, stage.namespace))) return;
      lists += 1;
      return { delayMs: lists * 700 };
    },
    { namespaces: { selector } },
  );
  expect(stage.operator?.watch.settled).toBe(true);
  const labels = { watched: stage.namespace };
  await stage.client.mergePatch(kinds.Namespace, undefined, stage.namespace, { metadata: { labels } });
  const passes = async () => {
    const found = /reconcile_total\{controller="licenceserver",result="(success|requeue_after)"\} (\d+)/g;
    const text = (await stage.operator?.scrape()) ?? '';
    return [...text.matchAll(found)].reduce((sum, [, , n]) => sum + Number(n), 0);
  };
  await eventually('its server was looked at', async () => (await passes()) >= 1);
  await eventually('and has answered', () => stage.server('office').polls > polls);
  await stage.patch('office', { metadata: { labels: { looked: 'again' } } });
  await eventually('looked at again', async () => (await passes()) >= 2);
  const after = await stage.licenceServer('office');
  expect(lists).toBe(3);
  expect(after.status).toEqual(before.status);
  expect((await stage.get(kinds.Deployment, 'office'))?.metadata.generation).toBe(pod?.metadata.generation);
  expect(
    way.requests.filter((r) => r.isWrite && !r.url.pathname.endsWith('/events')).map((r) => r.url.pathname),
  ).toEqual([]);
  await stage.operator?.stop();
  stage.operator = undefined;
});

test('an optional kind that is there but cannot be listed is named, and everything else goes on; so it does when the kind goes', async () => {
  let isThere = true;
  const names = [
    ['ServiceMonitor', 'servicemonitors'],
    ['PrometheusRule', 'prometheusrules'],
  ];
  const resources = names.map(([kind, name]) => ({ kind, name, namespaced: true, verbs: ['list', 'watch'] }));
  await startThrough(
    ({ url: { pathname } }) => {
      if (pathname === '/apis/monitoring.coreos.com/v1') {
        return isThere ? { answer: 200, body: { kind: 'APIResourceList', resources } } : { answer: 404 };
      }
      if (!pathname.endsWith('/servicemonitors') && !pathname.endsWith('/prometheusrules')) return undefined;
      const message = 'conversion webhook for monitoring.coreos.com/v1, Kind=ServiceMonitor failed: no endpoints';
      return { answer: 500, body: { kind: 'Status', code: 500, reason: 'InternalError', message } };
    },
    { discoveryMs: 300 },
  );
  const told = await ready();
  expect(condition(told, 'Monitored')).toMatchObject({ status: 'False', reason: 'KindBroken' });
  expect(condition(told, 'Monitored')?.message).toContain('conversion webhook');
  expect((await failing()).some((line) => line.includes('kind="ServiceMonitor"'))).toBe(true);
  isThere = false;
  await stage.until('office', 'says no more of it', (server) => condition(server, 'Monitored') === undefined);
  expect(await failing()).toEqual([]);
});

test('an optional kind that can be listed and takes no writes is named, and everything else goes on', async () => {
  const list = { apiVersion: 'monitoring.coreos.com/v1', metadata: { resourceVersion: '1' }, items: [] };
  const resources = ['servicemonitors', 'prometheusrules'].map((name) => ({ name, namespaced: true }));
  await startThrough(({ method, isWatch, url: { pathname } }) => {
    if (pathname === '/apis/monitoring.coreos.com/v1') return { answer: 200, body: { resources } };
    if (!pathname.startsWith('/apis/monitoring.coreos.com/')) return undefined;
    if (isWatch) return { hang: true };
    if (/(servicemonitors|prometheusrules)$/.test(pathname)) return { answer: 200, body: list };
    if (method === 'GET') return { answer: 404, body: { kind: 'Status', code: 404, reason: 'NotFound' } };
    return { answer: 500, body: { kind: 'Status', code: 500, message: 'conversion webhook failed: no endpoints' } };
  });
  const told = await stage.until('office', 'runs', (server) => {
    return condition(server, 'KeysActive')?.status === 'True' && condition(server, 'Stalled')?.status === 'True';
  });
  expect(condition(told, 'Stalled')?.reason).toMatch(/^(ServiceMonitor|PrometheusRule)Refused$/);
  expect(condition(told, 'Stalled')?.message).toContain('conversion webhook failed');
});

test('an optional kind that spec wants and the cluster lacks is said', async () => {
  await startThrough(({ url }) => (url.pathname === '/apis/monitoring.coreos.com/v1' ? { answer: 404 } : undefined));
  await stage.patch('office', { spec: { monitoring: { serviceMonitor: 'Enabled' } } });
  const told = await stage.until('office', 'says it', (server) => condition(server, 'Monitored') !== undefined);
  expect(condition(told, 'Monitored')).toMatchObject({ status: 'False', reason: 'KindMissing' });
  await ready();
  await stage.patch('office', { spec: { monitoring: { serviceMonitor: 'Auto' } } });
  await stage.until('office', 'says no more of it', (server) => condition(server, 'Monitored') === undefined);
});

test('somebody who removes a regenerated key wakes the server that it was made for', async () => {
  await stage.start({ pollMs: 3_600_000 });
  await ready();
  const metadata = {
    name: 'office-regenerated-abc',
    labels: { 'app.kubernetes.io/managed-by': 'licence-operator', 'app.kubernetes.io/instance': 'office' },
  };
  await stage.client.create(kinds.Secret, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...metadata, namespace: stage.namespace },
  });
  const passes = async () => {
    const text = (await stage.operator?.scrape()) ?? '';
    return Number(/workqueue_adds_total\{name="licenceserver",controller="licenceserver"\} (\d+)/.exec(text)?.[1]);
  };
  await eventually(
    'the watch has seen it',
    () => stage.operator?.watch.stores.get(kinds.Secret, stage.namespace, metadata.name) !== undefined,
  );
  const before = await passes();
  await stage.client.delete(kinds.Secret, stage.namespace, metadata.name);
  await eventually('a pass for it', async () => (await passes()) > before);
});

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AuditEntry, readAudit } from '../../../cluster/auditLog.ts';
import { type ControlPlane, startControlPlane } from '../../../cluster/controlPlane.ts';
import { serviceAccountKubeconfig } from '../../../cluster/kubeconfig.ts';
import { type Daemon, startDaemon, until } from '../../../cluster/process.ts';
import { ensureTools } from '../../../cluster/tools.ts';
import { type Kubectl, kubectlFor } from '../../../demo/kubectl.ts';
import { fingerprintOf, rawPublicKey } from '../../../licence/fingerprint.ts';
import { createKey } from '../../../licence/key.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { rights } from '../../../operator/licenceServer/api/rights.ts';
import { chartPath, lenientDefinition, type Rendered } from '../../support/chart.ts';
import { repository } from '../../support/sources.ts';

// The real operator with the ServiceAccount of the installed chart, on a control plane whose audit log tells what it asked.
let plane: ControlPlane;
let kubectl: Kubectl;
let operator: Daemon | undefined;
const account = 'system:serviceaccount:system:operator-licence-operator';
const at = 'accounting';

beforeAll(async () => {
  const tools = await ensureTools(['helm', 'kubectl'], 'to test the charts');
  plane = await startControlPlane();
  kubectl = kubectlFor(tools, { kubeconfig: plane.kubeconfig });
  await kubectl.apply(['system', at].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })));
  await kubectl.apply(['ServiceMonitor', 'PrometheusRule'].map((kind) => lenientDefinition(kind)));
  await kubectl.apply([lenientDefinition('HTTPRoute', 'gateway.networking.k8s.io')]);
  await kubectl.helm([
    'install',
    'operator',
    chartPath('licence-operator'),
    '-n',
    'system',
    '--set',
    `watch.namespaces={${at}}`,
  ]);
  await kubectl(['wait', 'crd', '--all', '--for=condition=Established', '--timeout=30s']);
  operator = await startDaemon('operator', process.execPath, [join(repository, 'operator/main.ts')], {
    logFile: operatorLog(),
    env: {
      KUBECONFIG: await serviceAccountKubeconfig(plane.dir, 'system', 'operator-licence-operator'),
      OPERATOR_WATCH_NAMESPACES: at,
      OPERATOR_NAMESPACE: 'system',
      OPERATOR_LISTEN: '127.0.0.1:0',
      LOG_LEVEL: 'trace',
    },
  });
});
afterAll(async () => {
  await operator?.stop();
  await plane?.stop();
});

/** Where the operator says something, and what it must not say there. */
const databasePassword = randomBytes(12).toString('hex');
const secrets: Record<string, string> = { 'database password': databasePassword };
const said: Record<string, string> = {};

const licenceServer = (name: string, spec: Record<string, unknown>) => ({
  apiVersion: 'licensing.softonit.ru/v1beta1',
  kind: 'LicenceServer',
  metadata: { name, namespace: at },
  spec: {
    keys: [{ name: 'erp', secretRef: { name: 'keys', key: 'erp' } }],
    activation: { authority: { url: 'http://127.0.0.1:1', trustedKeys: { configMapRef: { name: 'vendor-keys' } } } },
    ...spec,
  },
});
const secret = (name: string, stringData: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: at },
  stringData,
});
const keySecret = (seed: number) => secret('keys', { erp: createKey(Buffer.alloc(16, seed)) });
const untilThere = (kind: string, name: string, there = true) =>
  until(
    `${kind} ${name} to ${there ? 'come' : 'go'}`,
    30_000,
    async () => ((await kubectl.get(at, kind, name)) !== undefined) === there,
    operator === undefined ? [] : [operator],
  );
const patch = (name: string, spec: unknown) =>
  kubectl(['-n', at, 'patch', 'lics', name, '--type=merge', '-p', JSON.stringify({ spec })]);

/** `verb group/resource/subresource` of every rule. */
const granted = (
  list: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[],
) =>
  list.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${[group, resource].filter(Boolean).join('/')}`)),
    ),
  );
/** An apply that made the object needed the right to create it too. */
const asked = (entries: readonly AuditEntry[]) =>
  new Set(
    entries.flatMap(({ verb, resource, status }) =>
      (verb === 'patch' && status === 201 ? [verb, 'create'] : [verb]).map((v) => `${v} ${resource}`),
    ),
  );
/** Rights that are needed, though no request of this test shows it. */
const unasked = [
  'get licensing.softonit.ru/licenceservers', // when two writes of a status meet
  'update licensing.softonit.ru/licenceservers/finalizers', // where the API server guards owner references that block deletion
  'get pods', // to hand it on to a server that judges the tokens of pods
  'list pods', // why a server has none that takes requests, once that lasts for seconds
  'get batch/jobs', // whose it is, when a Job has the name already
  'patch events.k8s.io/events', // when the same event comes again
];

const operatorLog = () => join(plane.dir, 'log', 'operator.log');
/** Notes everything that anybody may read, and the secrets as they stand. */
async function listen(): Promise<void> {
  for (const kind of ['lics', 'events.events.k8s.io', 'configmaps', 'deployments', 'replicasets']) {
    said[kind] = `${said[kind] ?? ''}${await kubectl(['-n', at, 'get', kind, '-o', 'json'])}`;
  }
  const address = /"address":"([^"]+)"/.exec(readFileSync(operatorLog(), 'utf8'))?.[1];
  said.metrics = await (await fetch(`${address}/metrics`)).text();
  for (const server of ['office', 'group']) {
    const { client = '', admin = '', metrics = '' } = await kubectl.secret(at, `${server}-tokens`);
    const { 'identity.pem': pem = '' } = await kubectl.secret(at, `${server}-identity`);
    const own = { client, admin, metrics, identity: pem.split('\n')[1] ?? '' };
    for (const [name, value] of Object.entries(own)) secrets[`${name} of ${server}`] = value;
  }
  const { erp = '' } = await kubectl.secret(at, 'keys');
  secrets[`key ${Object.keys(secrets).length}`] = erp;
}

it('the rights of the chart are what the operator uses: never too few, and none for nothing', async () => {
  await kubectl.apply([
    keySecret(1),
    secret('account', { accessKeyId: 'nobody', secretAccessKey: 'nothing' }),
    secret('database', { uri: `postgres://nobody:${databasePassword}@127.0.0.1:1/none` }),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'vendor-keys', namespace: at },
      data: { 'jwks.json': '{"keys":[]}' },
    },
  ]);
  const storage = { reclaimPolicy: 'Delete' };
  await kubectl.apply([
    licenceServer('office', {
      storage,
      access: { clients: 'ServiceAccount' },
      ingress: { host: 'office.example.org' },
      httpRoute: { parentRefs: [{ name: 'public' }], hostnames: ['office.example.org'] },
      monitoring: { prometheusRule: 'Auto' },
    }),
    licenceServer('group', {
      storage: { ...storage, accessModes: ['ReadWriteMany'] },
      database: { secretRef: { name: 'database', key: 'uri' } },
      replicas: 2,
    }),
    licenceServer('again', {
      storage,
      restoreFrom: {
        destination: {
          s3: { endpoint: 'https://127.0.0.1:1', bucket: 'licences', credentialsSecretRef: { name: 'account' } },
        },
      },
    }),
  ]);
  for (const kind of ['deploy', 'svc', 'netpol', 'ingress', 'httproute', 'servicemonitor', 'prometheusrule', 'sa'])
    await untilThere(kind, 'office');
  for (const [kind, name] of [
    ['pvc', 'office-data'],
    ['role', 'office-pods'],
    ['rolebinding', 'office-pods'],
    ['secret', 'office-identity'],
    ['secret', 'office-tokens'],
    ['pdb', 'group'],
  ] as const) {
    await untilThere(kind, name);
  }
  // What a start from a backup made goes when it is over.
  await untilThere('role', 'again-restore');
  const job = await kubectl(['-n', at, 'get', 'jobs', '-o', 'name']).then((names) => names.trim().split('/')[1] ?? '');
  const { privateKey } = generateKeyPairSync('ed25519');
  await kubectl.apply([
    secret('again-restored', {
      'identity.pem': String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
      client: randomBytes(20).toString('hex'),
      admin: randomBytes(20).toString('hex'),
    }),
  ]);
  const restored = {
    archive: 'licence-server-aaaaaaaaaaaaaaaa-20300101T030000Z.tar.gz',
    fingerprint: fingerprintOf(rawPublicKey(privateKey)),
    restoredAt: '2030-01-02T00:00:00Z',
  };
  await kubectl([
    ...['-n', at, 'annotate', 'secret', 'again-restored'],
    `licensing.softonit.ru/restore=${JSON.stringify(restored)}`,
  ]);
  await untilThere('job', job, false);
  // Marks that somebody took off what is to stay come back.
  const mark = 'argocd.argoproj.io/sync-options';
  await kubectl(['-n', at, 'annotate', 'secret', 'office-identity', `${mark}-`]);
  await until('the mark to come back', 30_000, async () => {
    const identity = await kubectl.get<KubeObject>(at, 'secret', 'office-identity');
    return identity?.metadata.annotations?.[mark] !== undefined;
  });
  await listen();
  // What is no longer asked for goes; what was put in the place of a copy is collected.
  await kubectl.apply([keySecret(2)]);
  const monitoring = { serviceMonitor: 'Disabled', prometheusRule: 'Disabled', dashboard: 'Disabled' };
  await patch('office', {
    ingress: null,
    httpRoute: null,
    access: { clients: 'Token' },
    monitoring,
    seats: { leaseSeconds: 240 },
  });
  await patch('group', { replicas: 1 });
  for (const kind of ['ingress', 'httproute', 'servicemonitor', 'prometheusrule'])
    await untilThere(kind, 'office', false);
  for (const kind of ['role', 'rolebinding']) await untilThere(kind, 'office-pods', false);
  await untilThere('pdb', 'group', false);
  await listen();
  await kubectl(['-n', at, 'delete', 'lics', '--all', '--wait=false']);
  for (const name of ['office', 'group', 'again']) await untilThere('lics', name, false);
  await untilThere('pvc', 'office-data', false);
  await operator?.stop();
  said.log = readFileSync(operatorLog(), 'utf8');

  const entries = readAudit(plane.auditLog).filter((entry) => entry.user === account);
  expect(entries.length).toBeGreaterThan(50);
  expect(entries.filter((entry) => entry.status === 403)).toEqual([]);
  const used = asked(entries);
  for (const right of unasked) used.add(right);
  const unused = granted([...rights.watched, ...rights.own]).filter((right) => !used.has(right));
  expect(unused).toEqual([]);
}, 240_000);

it('the roles in the cluster are those rights, and no others', async () => {
  const rulesOf = async (namespace: string, name: string) =>
    granted((await kubectl.get<Rendered>(namespace, 'role', name))?.rules ?? []).sort();
  expect(await rulesOf(at, 'operator-licence-operator')).toEqual(granted(rights.watched).sort());
  expect(await rulesOf('system', 'operator-licence-operator-leader')).toEqual(granted(rights.own).sort());
});

it('no secret is in the log at its most talkative level, nor in metrics, events, status or settings', () => {
  expect(Object.keys(secrets)).toHaveLength(11);
  const names = Object.keys(said);
  expect(names).toHaveLength(7);
  expect(said.log).toContain('"level":"debug"');
  expect(said.metrics).toContain('controller_runtime_reconcile_total');
  const forms = (text: string) => [text, text.replaceAll('-', ''), Buffer.from(text).toString('base64')];
  const found = Object.entries(secrets).flatMap(([what, value]) => {
    expect(value.length, what).toBeGreaterThan(15);
    return names
      .filter((place) => forms(value).some((form) => said[place]?.toLowerCase().includes(form.toLowerCase())))
      .map((place) => `${what} is in the ${place}`);
  });
  expect(found).toEqual([]);
});

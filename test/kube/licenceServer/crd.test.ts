import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ApiError } from '../../../operator/kube/apiError.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import type { SpecInput } from '../../../operator/licenceServer/api/types.ts';
import { adminClient, freshNamespace, installCrd } from './harness.ts';

let client: KubeClient;
let namespace: string;

beforeAll(async () => {
  client = adminClient(inject('kubeconfig'));
  await installCrd(client);
  namespace = await freshNamespace(client, 'crd');
});

const authority = { authority: { url: 'https://authority.example.org' } };
const key = { name: 'erp', secretRef: { name: 'keys', key: 'erp' } };
const minimal: SpecInput = { keys: [key], activation: authority };
const path = () => `/apis/licensing.softonit.ru/v1beta1/namespaces/${namespace}/licenceservers`;
const object = (spec: unknown, name = 'tried') => ({
  apiVersion: 'licensing.softonit.ru/v1beta1',
  kind: 'LicenceServer',
  metadata: { name },
  spec,
});

/** What the API server says of a spec: nothing if it would take it. */
async function refusal(spec: unknown, name?: string): Promise<string | undefined> {
  const query = { dryRun: 'All', fieldValidation: 'Strict' };
  return said(client.request({ method: 'POST', path: path(), query, body: object(spec, name) }));
}

/** The same of a change from one spec to another. */
async function refusalOfChange(before: unknown, after: unknown): Promise<string | undefined> {
  const name = `changed-${Math.random().toString(36).slice(2, 10)}`;
  await client.request({ method: 'POST', path: path(), body: object(before, name) });
  const stored = await client.get(licenceServerKind, namespace, name);
  const body = { ...object(after, name), metadata: stored?.metadata };
  return said(client.request({ method: 'PUT', path: `${path()}/${name}`, query: { dryRun: 'All' }, body }));
}

async function said(answer: Promise<unknown>): Promise<string | undefined> {
  try {
    await answer;
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

const shared = { database: { secretRef: { name: 'db' } }, storage: { accessModes: ['ReadWriteMany'] } };
const windows = [{ schedule: '0 3 * * *', duration: '1h' }];
const withProxy = (proxy: unknown) => ({ ...minimal, activation: { authority: { ...authority.authority, proxy } } });
const withStale = (staleSeats: unknown) => ({ ...minimal, staleSeats });
const withSeatRules = (...rules: readonly object[]) => ({ ...minimal, seats: { rules } });
const withPeer = (peer: unknown) => ({ ...minimal, access: { allowFrom: [peer] } });

/** Rule → a spec that keeps it, one that breaks it, and what the refusal must say. */
const rules: readonly [rule: string, kept: unknown, broken: unknown, says: RegExp][] = [
  [
    'more than one replica needs a database',
    { ...minimal, ...shared, replicas: 2 },
    { ...minimal, replicas: 2, storage: shared.storage },
    /needs database/,
  ],
  [
    'more than one replica needs shared storage',
    { ...minimal, ...shared, replicas: 2 },
    { ...minimal, replicas: 2, database: shared.database },
    /ReadWriteMany/,
  ],
  ['mode Online needs the authority for its keys', minimal, { keys: [key] }, /authority\.url is needed/],
  [
    'mode Offline has no authority to ask',
    { keys: [key], activation: { mode: 'Offline' } },
    { keys: [key], activation: { mode: 'Offline', ...authority } },
    /never asks an authority/,
  ],
  [
    'the authority is reached by http or https',
    minimal,
    { ...minimal, activation: { authority: { url: 'ftp://a.example' } } },
    /http or https URL/,
  ],
  [
    'a certificate authority comes from one place',
    { ...minimal, activation: { authority: { ...authority.authority, caRef: { secret: { name: 'ca' } } } } },
    { ...minimal, activation: { authority: { ...authority.authority, caRef: {} } } },
    /exactly one of configMap and secret/,
  ],
  [
    'a certificate authority of the database comes from one place',
    { ...minimal, database: { ...shared.database, caRef: { configMap: { name: 'ca' } } } },
    { ...minimal, database: { ...shared.database, caRef: { configMap: { name: 'ca' }, secret: { name: 'ca' } } } },
    /exactly one of configMap and secret/,
  ],
  [
    'a proxy is an http or https URL',
    withProxy({ url: 'http://proxy.example.org:3128', noProxy: ['10.0.0.0/8', '.example.org'] }),
    withProxy({ url: 'proxy.example.org:3128' }),
    /must be an http or https URL without an account/,
  ],
  [
    'a proxy with a password is in a Secret',
    withProxy({ secretRef: { name: 'proxy' } }),
    withProxy({ url: 'http://user:secret@proxy.example.org:3128' }),
    /one with a password belongs in a Secret/,
  ],
  [
    'a proxy comes from one place',
    withProxy({}),
    withProxy({ url: 'http://proxy.example.org:3128', secretRef: { name: 'proxy' } }),
    /at most one of url and secretRef/,
  ],
  [
    'a trusted proxy is an address or a network',
    { ...minimal, http: { trustedProxies: ['10.0.0.0/8', '::1', '192.0.2.1', '2001:db8::/32'] } },
    { ...minimal, http: { trustedProxies: ['ingress-nginx'] } },
    /must be an address or a network/,
  ],
  [
    'a path prefix is none of the paths of the server',
    { ...minimal, http: { pathPrefix: '/licences/office' } },
    { ...minimal, http: { pathPrefix: '/v1/licences' } },
    /none of the paths of the server itself/,
  ],
  [
    'a path prefix has no slash at its end',
    { ...minimal, http: { pathPrefix: '/v10' } },
    { ...minimal, http: { pathPrefix: '/licences/' } },
    /pathPrefix/,
  ],
  [
    'a route is attached to a Gateway',
    { ...minimal, httpRoute: { parentRefs: [{ name: 'public' }] } },
    { ...minimal, httpRoute: { parentRefs: [] } },
    /parentRefs/,
  ],
  [
    'key names are unique',
    { ...minimal, keys: [key, { ...key, name: 'other' }] },
    { ...minimal, keys: [key, key] },
    /Duplicate value/,
  ],
  ['a key name is a label', minimal, { ...minimal, keys: [{ ...key, name: 'ERP' }] }, /spec\.keys\[0\]\.name/],
  [
    'a Secret name is a name',
    minimal,
    { ...minimal, keys: [{ ...key, secretRef: { name: 'No_Name', key: 'erp' } }] },
    /secretRef\.name/,
  ],
  [
    'an existing claim excludes a size',
    { ...minimal, storage: { existingClaim: 'data' } },
    { ...minimal, storage: { existingClaim: 'data', size: '1Gi' } },
    /existingClaim excludes/,
  ],
  [
    'an existing claim excludes a class',
    { ...minimal, storage: { existingClaim: 'data' } },
    { ...minimal, storage: { existingClaim: 'data', storageClassName: 'fast' } },
    /existingClaim excludes/,
  ],
  [
    'a size is a quantity of some size',
    { ...minimal, storage: { size: '256Mi' } },
    { ...minimal, storage: { size: '10Mi' } },
    /at least 256Mi/,
  ],
  [
    'a size is a quantity',
    { ...minimal, storage: { size: '2Gi' } },
    { ...minimal, storage: { size: 'large' } },
    /at least 256Mi/,
  ],
  [
    'windows are needed for Window',
    withStale({ when: 'Window', windows }),
    withStale({ when: 'Window' }),
    /needs windows/,
  ],
  [
    'windows are needed to rotate in one',
    { ...withStale({ windows }), keyRotation: { when: 'Window' } },
    { ...minimal, keyRotation: { when: 'Window' } },
    /needs staleSeats\.windows/,
  ],
  ['silence is at least a minute', withStale({ after: '60s' }), withStale({ after: '59s' }), /from 1m to 720h/],
  ['silence is at most 30 days', withStale({ after: '720h' }), withStale({ after: '721h' }), /from 1m to 720h/],
  [
    'clearings are at least a minute apart',
    withStale({ minInterval: '1m' }),
    withStale({ minInterval: '0s' }),
    /from 1m to 720h/,
  ],
  [
    'a window is at most a day',
    withStale({ windows: [{ ...windows[0], duration: '24h' }] }),
    withStale({ windows: [{ ...windows[0], duration: '25h' }] }),
    /from 1m to 24h/,
  ],
  [
    'a proof may take an hour',
    { ...minimal, keyRotation: { verifyTimeout: '1h' } },
    { ...minimal, keyRotation: { verifyTimeout: '61m' } },
    /from 30s to 1h/,
  ],
  ['a duration is one', withStale({ after: '1h30m' }), withStale({ after: 'soon' }), /staleSeats\.after/],
  [
    'a reservation names somebody',
    { ...minimal, seats: { reservations: [{ product: 'erp', seats: 1, users: ['a*'] }] } },
    { ...minimal, seats: { reservations: [{ product: 'erp', seats: 1 }] } },
    /users, bases or hosts/,
  ],
  [
    'a rule has one effect',
    withSeatRules({ name: 'few', product: 'erp', match: { users: ['a*'], groups: ['sales'] }, max: 3 }),
    withSeatRules({ name: 'few', product: 'erp', max: 3, reserve: 1 }),
    /a rule has one of allow/,
  ],
  [
    'a rule keeps out, or it does not say so',
    withSeatRules({ name: 'out', product: 'erp', match: { hosts: ['x'] }, allow: false }),
    withSeatRules({ name: 'out', product: 'erp', allow: true }),
    /allow may only be false/,
  ],
  [
    'a bound lets somebody in',
    withSeatRules({ name: 'each', product: 'erp', maxEach: 1 }),
    withSeatRules({ name: 'each', product: 'erp', maxEach: 0 }),
    /rules\[0\]\.maxEach/,
  ],
  [
    'idleness is a duration within bounds',
    withSeatRules({ name: 'half-an-hour', product: 'erp', idleAfter: '30m' }),
    withSeatRules({ name: 'half-an-hour', product: 'erp', idleAfter: '30s' }),
    /must be a duration from 1m to 24h/,
  ],
  [
    'a seat is held for a duration within bounds',
    withSeatRules({ name: 'ten-minutes', product: 'erp', minimumHold: '10m' }),
    withSeatRules({ name: 'ten-minutes', product: 'erp', minimumHold: '48h' }),
    /must be a duration from 1s to 24h/,
  ],
  [
    'rules have names of their own',
    withSeatRules({ name: 'a', product: 'erp', priority: 1 }, { name: 'b', product: 'erp', priority: 2 }),
    withSeatRules({ name: 'a', product: 'erp', priority: 1 }, { name: 'a', product: 'erp', priority: 2 }),
    /Duplicate value/,
  ],
  [
    'a peer is a range or a selector',
    withPeer({ ipBlock: { cidr: '10.0.0.0/8' } }),
    withPeer({ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }),
    /a peer is either/,
  ],
  ['a peer is something', withPeer({ podSelector: {} }), withPeer({}), /a peer is either/],
  [
    'a range is one',
    withPeer({ ipBlock: { cidr: 'fd00::/8' } }),
    withPeer({ ipBlock: { cidr: '10.0.0.0' } }),
    /address range/,
  ],
  [
    'a lease lasts at least ten seconds',
    { ...minimal, seats: { leaseSeconds: 10 } },
    { ...minimal, seats: { leaseSeconds: 9 } },
    /greater than or equal to 10/,
  ],
  [
    'a port is one',
    { ...minimal, service: { port: 65_535 } },
    { ...minimal, service: { port: 65_536 } },
    /less than or equal to 65535/,
  ],
  ['an unknown field is refused', minimal, { ...minimal, replica: 2 }, /unknown field "spec\.replica"/],
  [
    'a label has a value that is one',
    { ...minimal, commonLabels: { 'example.org/team': 'a_b.c-1', empty: '' } },
    { ...minimal, commonLabels: { team: 'two words' } },
    /spec.commonLabels: .*each value must be one of a label/,
  ],
  [
    'a label has a name that is one',
    { ...minimal, monitoring: { labels: { release: 'prometheus' }, annotations: { note: 'any text, really' } } },
    { ...minimal, monitoring: { labels: { '-release': 'prometheus' } } },
    /spec.monitoring.labels: .*each name must be one of a label/,
  ],
  [
    "the operator's own labels are not set otherwise",
    { ...minimal, commonLabels: { 'app.kubernetes.io/part-of': 'office' } },
    { ...minimal, commonLabels: { 'app.kubernetes.io/instance': 'argo' } },
    /the operator sets itself/,
  ],
  [
    'a word of a closed set is one of it',
    withStale({ policy: 'Ignore' }),
    withStale({ policy: 'Clear' }),
    /Unsupported value: "Clear"/,
  ],
];

describe('the API server', () => {
  test.each(rules)('keeps the rule: %s', async (_, kept, broken, says) => {
    expect(await refusal(kept)).toBeUndefined();
    expect(await refusal(broken)).toMatch(says);
  });

  const changes: readonly [string, unknown, unknown, unknown, RegExp][] = [
    [
      'the storage class stays',
      { storageClassName: 'a' },
      { storageClassName: 'a', size: '2Gi' },
      { storageClassName: 'b' },
      /storageClassName cannot be changed/,
    ],
    [
      'the storage class is not taken away',
      { storageClassName: 'a' },
      { storageClassName: 'a' },
      {},
      /storageClassName cannot be changed/,
    ],
    [
      'access modes stay',
      { accessModes: ['ReadWriteOnce'] },
      { accessModes: ['ReadWriteOnce'] },
      { accessModes: ['ReadWriteMany'] },
      /accessModes cannot be changed/,
    ],
    ['the size never shrinks', { size: '2Gi' }, { size: '3Gi' }, { size: '1Gi' }, /size cannot shrink/],
  ];
  test.each(changes)('keeps the rule: %s', async (_, before, kept, broken, says) => {
    const spec = (storage: unknown) => ({ ...minimal, storage });
    expect(await refusalOfChange(spec(before), spec(kept))).toBeUndefined();
    expect(await refusalOfChange(spec(before), spec(broken))).toMatch(says);
  });

  test('refuses a name from which no others can be made', async () => {
    expect(await refusal(minimal, 'a'.repeat(40))).toBeUndefined();
    expect(await refusal(minimal, 'a'.repeat(41))).toMatch(/at most 40 characters/);
    expect(await refusal(minimal, '1st')).toMatch(/begins with a letter/);
    expect(await refusal(minimal, 'head.office')).toMatch(/DNS label/);
    for (const name of ['default', 'kubernetes'])
      expect(await refusal(minimal, name)).toMatch(/must not be default or/);
  });

  test('fills in the defaults, and no list among them', async () => {
    await client.create(licenceServerKind, { ...object({}, 'defaults'), metadata: { name: 'defaults', namespace } });
    const stored = await client.get(licenceServerKind, namespace, 'defaults');
    expect(stored?.spec).toEqual({
      replicas: 1,
      suspend: false,
      activation: { mode: 'Online' },
      storage: { reclaimPolicy: 'Retain' },
      seats: { leaseSeconds: 120 },
      staleSeats: { policy: 'Roll', after: '30m', threshold: 1, when: 'Idle', minInterval: '1h' },
      keyRotation: { verifyTimeout: '5m', when: 'Always' },
      access: { clients: 'Token' },
      service: { type: 'ClusterIP', port: 8080 },
      monitoring: { serviceMonitor: 'Auto', prometheusRule: 'Disabled', dashboard: 'Auto' },
    });
  });

  test('adds nothing to a list that Git holds otherwise, and says that nobody has looked yet', async () => {
    const asked = withStale({ when: 'Window', windows });
    await client.request({ method: 'POST', path: path(), body: object(asked, 'unseen') });
    const stored = await client.get<KubeObject & { spec: { staleSeats: unknown } }>(
      licenceServerKind,
      namespace,
      'unseen',
    );
    expect(stored?.spec.staleSeats).toMatchObject({ windows });
    expect(stored?.status).toEqual({ observedGeneration: -1 });
  });

  test('scales through the scale subresource', async () => {
    const name = 'scaled';
    await client.request({ method: 'POST', path: path(), body: object({ ...minimal, ...shared }, name) });
    const scale = (replicas: number) => ({
      method: 'PATCH' as const,
      path: `${path()}/${name}/scale`,
      contentType: 'application/merge-patch+json',
      body: { spec: { replicas } },
    });
    await client.request(scale(3));
    const stored = await client.get<{ metadata: { name: string }; spec: { replicas: number } }>(
      licenceServerKind,
      namespace,
      name,
    );
    expect(stored?.spec.replicas).toBe(3);
  });

  test('finds LicenceServers by a selectable field', async () => {
    await client.request({ method: 'POST', path: path(), body: object({ ...minimal, suspend: true }, 'asleep') });
    const { items } = await client.list(licenceServerKind, { namespace, fieldSelector: 'spec.suspend=true' });
    expect(items.map((item) => item.metadata.name)).toEqual(['asleep']);
  });

  test.each(readdirSync('crds/samples'))('takes the sample %s as it is', async (file) => {
    for (const document of parseAllDocuments(readFileSync(`crds/samples/${file}`, 'utf8'))) {
      const sample = document.toJS();
      const kind = sample.kind === 'Secret' ? kinds.Secret : licenceServerKind;
      const where = kind === kinds.Secret ? `/api/v1/namespaces/${namespace}/secrets` : path();
      const query = { dryRun: 'All', fieldValidation: 'Strict' };
      expect(await said(client.request({ method: 'POST', path: where, query, body: sample }))).toBeUndefined();
    }
  });
});

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { parse } from 'yaml';
import { run } from '../../../cluster/process.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { FakeAuthority } from './fakeAuthority.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

/** The definition of HTTPRoutes as Gateway API publishes it, out of its Go module. */
async function gatewayCrd(): Promise<KubeObject> {
  const dir = mkdtempSync(join(tmpdir(), 'gateway-'));
  try {
    const told = await run('go', ['mod', 'download', '-json', 'sigs.k8s.io/gateway-api@v1.3.0'], { cwd: dir });
    const file = 'config/crd/standard/gateway.networking.k8s.io_httproutes.yaml';
    return parse(readFileSync(join((JSON.parse(told) as { Dir: string }).Dir, file), 'utf8'));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('an HTTPRoute is made as soon as the cluster knows the kind, stays as it was written, and goes when it is not asked for', async () => {
  await stage.client.delete(kinds.CustomResourceDefinition, undefined, 'httproutes.gateway.networking.k8s.io');
  await stage.start({ discoveryMs: 200 });
  await stage.putKeys('keys', { erp: freshKey() });
  const httpRoute = { parentRefs: [{ name: 'public', namespace: 'gateways' }], hostnames: ['apps.example.org'] };
  await stage.create('office', specWithKey({ httpRoute, http: { pathPrefix: '/licences' } }));
  await stage.until('office', 'says what is missing', (s) => condition(s, 'Stalled')?.reason === 'HTTPRouteRefused');
  await eventually('its pod runs all the same', () => stage.server('office').starts === 1);

  await stage.client.apply(kinds.CustomResourceDefinition, await gatewayCrd(), { fieldManager: 'test' });
  const route = await eventually('it is made', () => stage.get(kinds.HTTPRoute, 'office').catch(() => undefined));
  expect(route.spec).toMatchObject({
    ...httpRoute,
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/licences' } }],
        backendRefs: [{ name: 'office', port: 8080 }],
      },
    ],
  });
  await stage.until('office', 'is ready', isReady);

  await stage.restart();
  await stage.patch('office', { spec: { service: { annotations: { team: 'a' } } } });
  await eventually('a pass is over', async () => {
    const service = await stage.get(kinds.Service, 'office');
    return service?.metadata.annotations?.team === 'a';
  });
  expect((await stage.get(kinds.HTTPRoute, 'office'))?.metadata.resourceVersion).toBe(route.metadata.resourceVersion);
  await stage.patch('office', { spec: { httpRoute: null } });
  await eventually('it is removed', async () => (await stage.get(kinds.HTTPRoute, 'office')) === undefined);
  expect(stage.server('office').starts).toBe(1);
});

const secretOf = (url: string) => ({ url });
const password = 'p4ssw0rd-of-the-proxy';

test('the password of a proxy is in nothing but its Secret; what is no URL is told without it, and the running server stays as it is', async () => {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  const proxy = { secretRef: { name: 'proxy', key: 'url' }, noProxy: ['.example.org'] };
  const authority = { url: 'https://authority.example.org', proxy };
  await stage.create('office', specWithKey({ activation: { authority } }));
  const isMissing = (what: RegExp) => (s: Parameters<typeof condition>[0]) =>
    condition(s, 'Ready')?.reason === 'ProxyMissing' && what.test(condition(s, 'Ready')?.message ?? '');
  await stage.until('office', 'waits for the Secret', isMissing(/Secret proxy does not exist; create it/));
  await stage.putKeys('proxy', secretOf(`user:${password}@proxy`));
  await stage.until(
    'office',
    'says that it is none',
    isMissing(/what Secret proxy has under "url" is no URL of a proxy/),
  );
  await stage.putKeys('proxy', secretOf(`http://user:${password}@proxy.example.org:3128`));
  await stage.until('office', 'is ready', isReady);

  const deployment = await stage.get<KubeObject & { spec: { template: { spec: { volumes: { name: string }[] } } } }>(
    kinds.Deployment,
    'office',
  );
  const volumes = deployment?.spec.template.spec.volumes;
  expect(volumes).toContainEqual(expect.objectContaining({ name: 'proxy' }));
  const everything = [];
  for (const kind of [kinds.Deployment, kinds.ConfigMap, kinds.ReplicaSet, kinds.Event, kinds.Service]) {
    everything.push(...(await stage.client.list(kind, { namespace: stage.namespace })).items);
  }
  const { items: secrets } = await stage.client.list(kinds.Secret, { namespace: stage.namespace });
  everything.push(...secrets.filter(({ metadata }) => metadata.name !== 'proxy'), await stage.licenceServer('office'));
  const encoded = Buffer.from(password).toString('base64').slice(0, -4);
  expect(JSON.stringify(everything)).not.toMatch(new RegExp(`${password}|${encoded}`));

  await stage.putKeys('proxy', secretOf('none'));
  const told = await stage.until('office', 'tells of it', (s) =>
    JSON.stringify(s.status?.conditions).includes('is no URL of a proxy'),
  );
  expect(JSON.stringify(told.status)).not.toContain(password);
  expect(stage.server('office').starts).toBe(1);
});

test('the operator, too, reaches the authority through the proxy, with its password', async () => {
  const authority = new FakeAuthority();
  await authority.listen();
  const seen: string[] = [];
  const proxy = createServer((incoming, outgoing) => {
    seen.push(`${incoming.url} ${incoming.headers['proxy-authorization']}`);
    const { pathname } = new URL(incoming.url ?? '');
    const onward = request(
      new URL(pathname, authority.url),
      { method: incoming.method ?? 'GET', headers: { ...incoming.headers, host: 'cabinet.invalid' } },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    await stage.start({ regeneration: true });
    const { port } = proxy.address() as AddressInfo;
    await stage.putKeys('proxy', secretOf(`http://user:${password}@127.0.0.1:${port}`));
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.putKeys('customer', { token: authority.token });
    const url = 'http://cabinet.invalid/base';
    const asked = { url, tokenSecretRef: { name: 'customer' }, proxy: { secretRef: { name: 'proxy' } } };
    await stage.create('office', specWithKey({ activation: { authority: asked } }));
    await stage.until('office', 'is ready', isReady);
    await stage.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/regenerate-at': '1' } } });
    await stage.until('office', 'has a new key', (s) => s.status?.regeneration?.phase === 'Made');
    const account = `Basic ${Buffer.from(`user:${password}`).toString('base64')}`;
    for (const one of seen) expect(one).toMatch(new RegExp(`^${url}/v1/keys/.* ${account}$`));
    expect(seen.length).toBe(authority.calls.length);
  } finally {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
    await authority.close();
  }
});

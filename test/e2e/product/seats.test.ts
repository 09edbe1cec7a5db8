import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Monitoring, startMonitoring } from '../../../demo/monitoring.ts';
import { image, podSpec, restricted } from '../../support/pods.ts';
import { eventually, type Product, startTestServer, type TestServer, useProduct } from '../../support/product.ts';
import { repository } from '../../support/sources.ts';

const namespace = 'e2e-seats';

/** A pod of a client program: it has nothing but a JavaScript runtime and the server's client token. */
const clientPod = (server: TestServer) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'client', namespace },
  spec: {
    ...podSpec,
    containers: [
      {
        name: 'client',
        ...image,
        command: ['node', '-e', 'setInterval(() => {}, 1e6)'],
        env: [
          { name: 'SERVER', value: `http://${server.name}.${namespace}.svc.cluster.local:8080` },
          {
            name: 'TOKEN',
            valueFrom: { secretKeyRef: { name: `${server.name}-tokens`, key: 'client' } },
          },
        ],
        securityContext: restricted,
      },
    ],
  },
});

const dir = mkdtempSync(join(tmpdir(), 'seats-'));
/** The shipped alerts, but an alert outlives its cause by ten seconds instead of five minutes; promtool shows those. */
function soonCalm(): string {
  const shipped = readFileSync(join(repository, 'charts/licence-operator/files/alerts.yaml'), 'utf8');
  expect(shipped).toContain('keep_firing_for: 5m');
  const file = join(dir, 'alerts.yaml');
  writeFileSync(file, shipped.replaceAll('keep_firing_for: 5m', 'keep_firing_for: 10s'));
  return file;
}

describe('seats, metrics and the alert', () => {
  let product: Product;
  let server: TestServer;
  let monitoring: Monitoring;

  beforeAll(async () => {
    product = await useProduct();
    server = await startTestServer(product, { namespace }, { seatLimit: 2 });
    monitoring = await startMonitoring(product.cluster, product.kubectl, {
      scraped: [
        { job: server.name, namespace, service: server.name, port: 8080, token: await server.token('metrics') },
        { job: 'licence-operator', namespace: 'licence-system', service: 'licence-operator', port: 8080 },
      ],
      rules: [soonCalm()],
      intervalSeconds: 2,
    });
    await product.kubectl.apply([clientPod(server)]);
    await product.kubectl(['-n', namespace, 'wait', 'pod/client', '--for=condition=Ready', '--timeout=60s']);
  });
  afterAll(async () => {
    await monitoring?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Runs a request inside the client's pod, through the Service's name. */
  const fromPod = async (method: string, path: string, body?: unknown): Promise<{ status: number; body: never }> => {
    const script = `fetch(process.env.SERVER + ${JSON.stringify(path)}, {
      method: ${JSON.stringify(method)},
      headers: { authorization: 'Bearer ' + process.env.TOKEN, ${body ? "'content-type': 'application/json'" : ''} },
      ${body ? `body: ${JSON.stringify(JSON.stringify(body))},` : ''}
    }).then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.text() })))`;
    const out = JSON.parse(await product.kubectl(['-n', namespace, 'exec', 'client', '--', 'node', '-e', script]));
    return { status: out.status, body: out.body === '' ? undefined : JSON.parse(out.body) } as never;
  };
  const checkOut = (user: string) =>
    fromPod('POST', '/v1/checkouts', {
      product: 'erp',
      mode: 'sticky',
      holder: { base: 'trade', user, host: 'pc', session: '' },
    }) as Promise<{
      status: number;
      body: { leaseId: string; seats: { limit: number; inUse: number }; reason?: string };
    }>;
  const value = async (expression: string) => (await monitoring.query(expression))[0]?.value;
  const exhausted = async () =>
    (await monitoring.firing()).filter((a) => a.labels.alertname === 'LicenceSeatsExhausted').map((a) => a.labels);

  it('counts the seats of a client in another pod, alerts on the last one, and calms down when one comes back', async () => {
    const anna = await checkOut('anna');
    expect(anna.status).toBe(201);
    expect(anna.body.seats).toEqual({ limit: 2, inUse: 1 });
    expect((await checkOut('anna')).status).toBe(200); // the same holder: no second seat
    await eventually('one seat in Prometheus', 30_000, async () => (await value('licence_seats_in_use')) === 1);
    expect(await value('licence_seats_limit')).toBe(2);
    expect(await exhausted()).toEqual([]);

    const boris = await checkOut('boris');
    expect(boris.status).toBe(201);
    const denied = await checkOut('clara');
    expect(denied.status).toBe(409);
    expect(denied.body.reason).toBe('SeatsExhausted');
    const [labels] = await eventually('the alert in Alertmanager', 150_000, async () => {
      const found = await exhausted();
      return found.length > 0 && found;
    });
    expect(labels).toMatchObject({ product: 'erp', namespace, service: server.name });
    expect(Object.keys(labels ?? {})).not.toContain('holder');

    expect((await fromPod('DELETE', `/v1/leases/${boris.body.leaseId}`)).status).toBeLessThan(300);
    await eventually('the alert resolved', 60_000, async () => (await exhausted()).length === 0);
    expect(await value('sum(licence_checkouts_total{outcome="denied"})')).toBe(1);
  });

  it('shows the counts to kubectl', async () => {
    await eventually('seats in kubectl get', 90_000, async () => (await server.observed()).status?.seats === '1/2');
    const line = await product.kubectl(['-n', namespace, 'get', 'lics', server.name, '--no-headers']);
    expect(line).toMatch(/True\s+1\/2/);
  });

  it('gives Prometheus the operator with the names that dashboards know', async () => {
    await eventually('reconciles in Prometheus', 30_000, async () => {
      return ((await value('controller_runtime_reconcile_total{result="success"}')) ?? 0) > 0;
    });
    expect(await value('leader_election_master_status')).toBe(1);
  });
});

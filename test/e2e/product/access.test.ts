import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CertificateAuthority, createAuthority } from '../../../cluster/pki.ts';
import { image, podSpec, restricted } from '../../support/pods.ts';
import { eventually, type Product, startTestServer, type TestServer, useProduct } from '../../support/product.ts';

// One licence server as a careful team would run it: three pods on a PostgreSQL of their own, TLS, clients that prove
// themselves by the tokens of their pods.
const namespace = 'e2e-access';
const name = 'hub';
const host = `${name}.${namespace}.svc`;
const script = (file: string) => readFileSync(new URL(`../../support/${file}`, import.meta.url), 'utf8');
const password = randomBytes(12).toString('hex');

const database = [
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'seats-db', namespace },
    stringData: { uri: `postgres://licence:${password}@seats-db.${namespace}.svc:5432/postgres`, password },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'seats-db', namespace },
    spec: { selector: { app: 'seats-db' }, ports: [{ port: 5432 }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'seats-db', namespace, labels: { app: 'seats-db' } },
    spec: {
      ...podSpec,
      containers: [
        {
          name: 'postgres',
          ...image,
          command: ['sh', '-ec'],
          args: [
            `initdb -D /tmp/data -U licence -A scram-sha-256 --pwfile=/password/password >/dev/null
             echo 'host all all all scram-sha-256' >>/tmp/data/pg_hba.conf
             exec postgres -D /tmp/data -k /tmp -c listen_addresses='*' -c fsync=off`,
          ],
          readinessProbe: { exec: { command: ['pg_isready', '-h', '127.0.0.1'] }, periodSeconds: 1 },
          securityContext: restricted,
          volumeMounts: [
            { name: 'work', mountPath: '/tmp' },
            { name: 'password', mountPath: '/password' },
          ],
        },
      ],
      volumes: [
        { name: 'work', emptyDir: {} },
        { name: 'password', secret: { secretName: 'seats-db', defaultMode: 0o440 } },
      ],
    },
  },
];

/** A pod of client programs; it has tokens of its own service account, one of them for somebody else. */
const clientPod = (pod: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: pod, namespace },
  spec: {
    ...podSpec,
    containers: [
      {
        name: 'client',
        ...image,
        command: ['node', '-e', 'setInterval(() => {}, 1e6)'],
        env: [
          { name: 'SERVER', value: `https://${host}:8080` },
          { name: 'NODE_EXTRA_CA_CERTS', value: '/ca/ca.crt' },
        ],
        securityContext: restricted,
        volumeMounts: [
          { name: 'work', mountPath: '/tmp' },
          { name: 'ca', mountPath: '/ca' },
          { name: 'client', mountPath: '/tokens/client' },
          { name: 'foreign', mountPath: '/tokens/foreign' },
        ],
      },
    ],
    volumes: [
      { name: 'work', emptyDir: {} },
      { name: 'ca', secret: { secretName: 'hub-tls', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      ...[
        ['client', host],
        ['foreign', `other.${namespace}.svc`],
      ].map(([volume, audience]) => ({
        name: volume,
        projected: { sources: [{ serviceAccountToken: { path: 'token', audience, expirationSeconds: 3_600 } }] },
      })),
    ],
  },
});

describe('three pods behind a Service, TLS, and clients known by their pods', () => {
  let product: Product;
  let server: TestServer;
  let authority: CertificateAuthority;
  let dir: string;
  const kubectl = (args: readonly string[], options = {}) => product.kubectl(['-n', namespace, ...args], options);

  /** The Secret of a new certificate; answers its serial number. */
  const putCertificate = async (file: string): Promise<string> => {
    const pair = await authority.server(file, host, [`DNS:${host}`]);
    const read = (path: string) => readFileSync(path, 'utf8');
    await product.kubectl.apply([
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'hub-tls', namespace },
        type: 'kubernetes.io/tls',
        stringData: { 'tls.crt': read(pair.cert), 'tls.key': read(pair.key), 'ca.crt': authority.certPem },
      },
    ]);
    return new X509Certificate(read(pair.cert)).serialNumber;
  };

  beforeAll(async () => {
    product = await useProduct();
    dir = mkdtempSync(join(tmpdir(), 'hub-'));
    authority = await createAuthority(dir);
    await putCertificate('first');
    await product.kubectl.apply([...database, clientPod('till'), clientPod('clients')]);
    server = await startTestServer(
      product,
      { namespace, name },
      { seatLimit: 30 },
      {
        replicas: 3,
        database: { secretRef: { name: 'seats-db', key: 'uri' } },
        storage: { accessModes: ['ReadWriteMany'] },
        access: { clients: 'ServiceAccount' },
        tls: { secretName: 'hub-tls' },
        seats: { leaseSeconds: 3_600 },
      },
    );
    await kubectl(['wait', 'pod/till', 'pod/clients', '--for=condition=Ready', '--timeout=60s']);
    await kubectl(['rollout', 'status', `deploy/${name}`, '--timeout=120s'], { timeoutMs: 130_000 });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /** One request from inside a pod; `token` is a file below /tokens. */
  const ask = async (pod: string, token: string, method: string, path: string, body?: unknown) => {
    const code = `fetch(process.env.SERVER + ${JSON.stringify(path)}, {
      method: ${JSON.stringify(method)},
      headers: {
        authorization: 'Bearer ' + require('fs').readFileSync('/tokens/${token}/token', 'utf8').trim(),
        ...(${body !== undefined} ? { 'content-type': 'application/json' } : {}),
      },
      ${body === undefined ? '' : `body: ${JSON.stringify(JSON.stringify(body))},`}
    }).then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.json() })))`;
    return JSON.parse(await kubectl(['exec', pod, '--', 'node', '-e', code])) as {
      status: number;
      body: { reason?: string; leaseId?: string };
    };
  };
  const sql = async (text: string) =>
    (
      await kubectl([
        'exec',
        'seats-db',
        '--',
        'env',
        `PGPASSWORD=${password}`,
        'psql',
        '-h',
        '127.0.0.1',
        '-U',
        'licence',
        '-d',
        'postgres',
        '-Atc',
        text,
      ])
    ).trim();

  it('a pod takes a seat with the token that it has for this server, and the seat ends with the pod', async () => {
    const wanted = { product: 'erp', holder: { base: 'shop', user: 'anna', host: 'till', session: '' } };
    const foreign = await ask('till', 'foreign', 'POST', '/v1/checkouts', wanted);
    expect([foreign.status, foreign.body.reason]).toEqual([401, 'TokenInvalid']);
    const granted = await ask('till', 'client', 'POST', '/v1/checkouts', wanted);
    expect(granted).toMatchObject({ status: 201 });
    const admin = await ask('till', 'client', 'GET', '/v1/leases');
    expect([admin.status, admin.body.reason]).toEqual([401, 'TokenInvalid']);
    const lease = `lease_id = '${granted.body.leaseId}'`;
    const uid = await kubectl(['get', 'pod', 'till', '-o', 'jsonpath={.metadata.uid}']);
    expect(await sql(`SELECT subject FROM lease WHERE ${lease}`)).toBe(`${namespace}/till/${uid}`);
    await kubectl(['delete', 'pod', 'till']);
    // the lease itself would last an hour; U is the code of "its pod is gone"
    const ended = await eventually('the seat to come free', 90_000, async () => {
      return (
        (await sql(`SELECT count(*) FROM lease WHERE ${lease}`)) === '0' &&
        sql(`SELECT code FROM event WHERE ${lease} ORDER BY at`)
      );
    });
    expect(ended.split('\n').at(-1)).toBe('U');
  });

  it('a new certificate is served to new connections while the old ones go on', async () => {
    const pods = (await kubectl(['get', 'pods', '-l', `app.kubernetes.io/instance=${name}`, '-o', 'name']))
      .trim()
      .split('\n');
    const serial = await putCertificate('second');
    const watching = kubectl(
      ['exec', '-i', 'clients', '--', 'env', `NEW_SERIAL=${serial}`, 'node', '--input-type=module', '-'],
      { input: script('tlsWatch.mjs'), timeoutMs: 170_000 },
    );
    // a change of the pod has the kubelet look at its volumes at once instead of within a minute or two
    await kubectl(['annotate', ...pods, 'example.org/look-again=now', '--overwrite']);
    const seen = JSON.parse(await watching);
    console.log(`certificate replaced: ${JSON.stringify(seen)}`);
    expect(seen).toMatchObject({ inARow: 10, connections: 1, statuses: [200] });
    expect(seen.serials).not.toContain(serial); // the kept connection is as old as it was
    await server.waitFor('Ready');
  });

  /** Restarts all pods while clients work; answers what the clients counted. With LICENCE_DRAIN_SECONDS=0 some fail. */
  const restartUnderLoad = async () => {
    const load = kubectl(['exec', '-i', 'clients', '--', 'node', '--input-type=module', '-'], {
      input: script('loadClient.mjs'),
      timeoutMs: 280_000,
    });
    const before = await podNames();
    expect(before).toHaveLength(3);
    await kubectl(['rollout', 'restart', `deploy/${name}`]);
    await kubectl(['rollout', 'status', `deploy/${name}`, '--timeout=180s'], { timeoutMs: 190_000 });
    await eventually('the old pods to be gone', 90_000, async () => {
      const now = await podNames();
      return now.length === 3 && now.every((pod) => !before.includes(pod));
    });
    await kubectl(['exec', 'clients', '--', 'node', '-e', "require('fs').writeFileSync('/tmp/stop', '')"]);
    return JSON.parse(await load) as { requests: number; connections: number; failed: Record<string, number> };
  };

  it('kubectl rollout restart fails no request of clients with kept connections', async () => {
    const counts = await restartUnderLoad();
    console.log(`rolling restart of three pods: ${JSON.stringify(counts)}`);
    expect(counts.failed).toEqual({});
    expect(counts.requests).toBeGreaterThan(100);
    expect(counts.connections).toBeGreaterThan(12); // each client had to leave a pod at least once
  });

  const podNames = async () =>
    (
      await kubectl([
        'get',
        'pods',
        '-l',
        `app.kubernetes.io/instance=${name}`,
        '-o',
        'jsonpath={.items[*].metadata.name}',
      ])
    )
      .split(' ')
      .filter(Boolean);
});

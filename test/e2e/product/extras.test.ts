import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createAuthority } from '../../../cluster/pki.ts';
import { type Daemon, startDaemon } from '../../../cluster/process.ts';
import { ensureNamespaces, sampleObjects } from '../../../demo/product.ts';
import { leftBehind, type Remaining } from '../../support/leftBehind.ts';
import { image, podSpec, restricted } from '../../support/pods.ts';
import { eventually, type Product, startTestServer, type TestServer, useProduct } from '../../support/product.ts';
import { repository } from '../../support/sources.ts';

// What a platform team adds to a licence server in daily life, on a real node.
const namespace = 'e2e-extras';
const object = (apiVersion: string, kind: string, at: string, name: string, body: object, labels = {}) => ({
  apiVersion,
  kind,
  metadata: { name, namespace: at, labels },
  ...body,
});
const pod = (at: string, name: string, container: object, volumes: readonly unknown[]) => [
  object(
    'v1',
    'Pod',
    at,
    name,
    { spec: { ...podSpec, containers: [{ name, ...image, securityContext: restricted, ...container }], volumes } },
    { app: name },
  ),
  object('v1', 'Service', at, name, { spec: { selector: { app: name }, ports: [{ port: 8443, targetPort: 8443 }] } }),
];

interface RunningPod {
  readonly metadata: { readonly uid: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly tolerations: readonly { readonly key?: string }[];
    readonly imagePullSecrets?: readonly { readonly name: string }[];
    readonly containers: readonly {
      readonly name: string;
      readonly env?: readonly { name: string; value?: string }[];
    }[];
  };
}

let product: Product;
let dir: string;
beforeAll(async () => {
  product = await useProduct();
  dir = mkdtempSync(join(tmpdir(), 'extras-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('a licence server with what a platform team adds to it', () => {
  let server: TestServer;
  const kubectl = (...args: string[]) => product.kubectl(['-n', namespace, ...args]);
  const patch = (spec: unknown) =>
    kubectl('patch', 'lics', server.name, '--type=merge', '-p', JSON.stringify({ spec }));
  const pods = () => product.reads.list<RunningPod>(namespace, 'pod', `app.kubernetes.io/instance=${server.name}`);
  const condition = async (type: string) => (await server.observed()).status?.conditions?.find((c) => c.type === type);
  const said = (type: string, reason: string, limitMs = 60_000) =>
    eventually(`${type} ${reason}`, limitMs, async () => {
      const found = await condition(type);
      return found?.reason === reason ? found : undefined;
    });

  beforeAll(async () => {
    // The vendor's authority behind TLS, with a certificate of a private authority.
    const authority = await createAuthority(join(dir, 'pki'));
    const host = `private-authority.${namespace}.svc`;
    const pair = await authority.server('authority', host, [`DNS:${host}`]);
    const forward = `const { readFileSync: read } = require('fs');
      require('tls').createServer({ cert: read('/tls/tls.crt'), key: read('/tls/tls.key') }, (socket) => {
        const to = require('net').connect(8080, 'licence-authority.vendor.svc');
        socket.pipe(to).pipe(socket);
        for (const end of [socket, to]) end.on('error', () => { socket.destroy(); to.destroy(); });
      }).listen(8443)`;
    await product.kubectl.apply([
      object('v1', 'ConfigMap', namespace, 'private-ca', { data: { 'ca.crt': authority.certPem } }),
      object('v1', 'Secret', namespace, 'private-authority', {
        type: 'kubernetes.io/tls',
        stringData: { 'tls.crt': readFileSync(pair.cert, 'utf8'), 'tls.key': readFileSync(pair.key, 'utf8') },
      }),
      object('v1', 'Secret', namespace, 'registry', {
        type: 'kubernetes.io/dockerconfigjson',
        stringData: { '.dockerconfigjson': '{"auths":{"registry.example":{"auth":"bm86Ym9keQ=="}}}' },
      }),
      ...pod(
        namespace,
        'private-authority',
        { command: ['node', '-e', forward], volumeMounts: [{ name: 'tls', mountPath: '/tls' }] },
        [{ name: 'tls', secret: { secretName: 'private-authority', defaultMode: 0o440 } }],
      ),
    ]);
    const beat = `setInterval(() => require('fs').writeFileSync('/shared/beat', 'beats'), 200)`;
    const shared = { name: 'shared', mountPath: '/shared' };
    server = await startTestServer(
      product,
      { namespace },
      { seatLimit: 3 },
      {
        storage: { reclaimPolicy: 'Delete' },
        imagePullSecrets: [{ name: 'registry' }],
        activation: {
          authority: {
            url: `https://${host}:8443`,
            trustedKeys: { configMapRef: { name: 'vendor-keys', key: 'jwks.json' } },
            caRef: { configMap: { name: 'private-ca' } },
          },
        },
        ingress: { host: 'licences.example.org' },
        podTemplate: {
          metadata: { labels: { team: 'platform' } },
          spec: {
            tolerations: [{ key: 'licences', operator: 'Exists', effect: 'NoSchedule' }],
            volumes: [{ name: 'shared', emptyDir: {} }],
            containers: [
              { name: 'server', volumeMounts: [shared] },
              {
                name: 'beat',
                ...image,
                command: ['node', '-e', beat],
                securityContext: restricted,
                volumeMounts: [shared],
              },
            ],
          },
        },
      },
    );
  });

  it('activates through an authority with a certificate of its own, in a pod with a sidecar that passes "restricted"', async () => {
    expect((await server.status()).keys).toMatchObject([{ name: 'erp', state: 'Active' }]);
    const level = await product.kubectl.get<RunningPod>('', 'namespace', namespace);
    expect(level?.metadata.labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
    const [running] = await pods();
    expect(running?.spec.containers.map((c) => c.name)).toEqual(['server', 'beat']);
    expect(running?.spec.tolerations.map((t) => t.key)).toContain('licences');
    expect(running?.spec.imagePullSecrets).toEqual([{ name: 'registry' }]);
    expect(running?.metadata.labels.team).toBe('platform');
    // The sidecar runs, and shares its volume with the server.
    const read = () => kubectl('exec', `deploy/${server.name}`, '-c', 'server', '--', 'cat', '/shared/beat');
    expect(await eventually('the beat', 30_000, read)).toBe('beats');
  });

  it('lets in its own namespace, the operator and nobody else', async () => {
    const policy = await product.kubectl.get<{ spec: unknown }>(namespace, 'networkpolicy', server.name);
    const of = (name: string) => ({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } });
    expect(policy?.spec).toEqual({
      podSelector: {
        matchLabels: { 'app.kubernetes.io/name': 'licence-server', 'app.kubernetes.io/instance': server.name },
      },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: {} }, of('licence-system')], ports: [{ port: 'http', protocol: 'TCP' }] }],
    });
    // And so it is on the way: the node enforces policies.
    const ask = `fetch('http://${server.name}.${namespace}.svc:8080/healthz/live', { signal: AbortSignal.timeout(3000) })
      .then((answer) => console.log(answer.status), () => console.log('no way'))`;
    const from = (at: string, what: string) => product.kubectl(['-n', at, 'exec', what, '--', 'node', '-e', ask]);
    expect({
      neighbour: (await from(namespace, 'pod/private-authority')).trim(),
      operator: (await from('licence-system', 'deploy/licence-operator')).trim(),
      stranger: (await from('vendor', 'deploy/licence-authority')).trim(),
    }).toEqual({ neighbour: '200', operator: '200', stranger: 'no way' });
    expect(await kubectl('get', 'ingress', server.name, '-o', 'jsonpath={.spec.rules[0].host}')).toBe(
      'licences.example.org',
    );
  });

  it('is planned for from the pod of the operator, with its rights: nothing changes, and nothing is out of its sight', async () => {
    const plan = ['node', '/app/dist/operator/main.js', 'plan', '-n', namespace, '-o', 'json'];
    const text = await product.kubectl(['-n', 'licence-system', 'exec', 'deploy/licence-operator', '--', ...plan]);
    const { items, notes } = JSON.parse(text) as { items: readonly { name: string }[]; notes: readonly string[] };
    expect(items.find(({ name }) => name === server.name)).toMatchObject({
      outcome: 'Unchanged',
      restarts: [],
      children: [],
      seats: [{ product: 'erp', inUse: 0, limit: 3 }],
    });
    expect(notes).toEqual([]);
  });

  it('touches nothing while it is paused and says what is pending; asleep it keeps everything, and wakes as the same computer', async () => {
    const [before] = await pods();
    const { fingerprint } = await server.status();
    await kubectl('annotate', 'lics', server.name, 'licensing.softonit.ru/pause=true');
    await patch({ seats: { leaseSeconds: 600 }, suspend: true });
    expect((await said('Reconciling', 'Paused')).message).toContain('ConfigChanged');
    expect((await pods()).map((p) => p.metadata.uid)).toEqual([before?.metadata.uid]);
    await kubectl('annotate', 'lics', server.name, 'licensing.softonit.ru/pause-');
    await said('Suspended', 'Suspended');
    await eventually('no pod', 60_000, async () => (await pods()).length === 0);
    await patch({ suspend: false });
    await said('Suspended', 'NotSuspended');
    await server.waitFor('Ready');
    const after = await server.status();
    expect(after.fingerprint).toBe(fingerprint);
    expect(after.keys).toMatchObject([{ name: 'erp', state: 'Active', generation: 1 }]);
  });

  it('goes with its volume and its identity, since it was asked to', async () => {
    const volume = await kubectl('get', 'pvc', `${server.name}-data`, '-o', 'jsonpath={.spec.volumeName}');
    expect(volume).toMatch(/^pvc-/);
    await kubectl('delete', 'lics', server.name, '--timeout=240s');
    const remaining = async () => {
      const list = ['get', 'pod,pvc,secret,deploy', '-l', `app.kubernetes.io/instance=${server.name}`, '-o', 'json'];
      const { items } = JSON.parse(await kubectl(...list)) as { readonly items: readonly Remaining[] };
      const left = await product.kubectl.get<Remaining>('', 'pv', volume);
      return leftBehind(left === undefined ? items : [...items, left]);
    };
    // What is to go with it was deleted before it went itself: that is the operator's part, whatever the machine.
    expect((await remaining()).forgotten).toEqual([]);
    // The rest is the garbage collector's and the provisioner's: a matter of time, and named if it takes too long.
    await eventually('nothing left', 240_000, async () => {
      const { waitedFor, forgotten } = await remaining();
      if (waitedFor.length + forgotten.length > 0) throw new Error([...forgotten, ...waitedFor].join('\n'));
      return true;
    });
  });
});

it('helm test finds the operator ready, from a pod of its own', async () => {
  const said = await product.kubectl.helm(['test', 'licence-operator', '-n', 'licence-system', '--timeout', '90s'], {
    timeoutMs: 100_000,
  });
  expect(said).toMatch(/Phase:\s+Succeeded/);
});

describe('an operator outside of the cluster, for namespaces with a label', () => {
  const outside = 'e2e-outside';
  const name = 'branch';
  let operator: Daemon | undefined;
  let logFile: string;
  const kubectl = (...args: string[]) => product.kubectl(['-n', outside, ...args]);
  /** As CloudNativePG makes it, without the URI. */
  const putDatabase = (password: string) =>
    product.kubectl.apply([
      object('v1', 'Secret', outside, 'seats-app', {
        stringData: { username: 'app', user: 'app', password, dbname: 'postgres', host: 'database', port: '8443' },
      }),
    ]);
  const sql = (text: string) =>
    kubectl('exec', 'database', '--', 'psql', '-h', '/tmp', '-p', '8443', '-U', 'app', '-d', 'postgres', '-Atc', text);

  beforeAll(async () => {
    await ensureNamespaces(product.kubectl, [outside]);
    logFile = join(dir, 'operator.log');
    operator = await startDaemon('operator', process.execPath, ['operator/main.ts'], {
      logFile,
      cwd: repository,
      env: {
        KUBECONFIG: inject('cluster').kubeconfig,
        OPERATOR_NAMESPACE_SELECTOR: 'licensing=outside',
        OPERATOR_SERVER_ADDRESS: 'apiserver-proxy',
        OPERATOR_SERVER_IMAGE: image.image,
        OPERATOR_NAMESPACE: outside,
        OPERATOR_LISTEN: '127.0.0.1:0',
        OPERATOR_POLL_SECONDS: '2',
      },
    });
    await putDatabase('first');
    const start = `initdb -D /tmp/data -U app -A trust >/dev/null
      printf 'local all all trust\\nhost all all all scram-sha-256\\n' >/tmp/data/pg_hba.conf
      exec postgres -D /tmp/data -k /tmp -p 8443 -c listen_addresses='*' -c fsync=off`;
    await product.kubectl.apply(
      pod(outside, 'database', { command: ['sh', '-ec', start], volumeMounts: [{ name: 'work', mountPath: '/tmp' }] }, [
        { name: 'work', emptyDir: {} },
      ]),
    );
    const { key } = await product.vendor.issue({ organisation: 'Test Ltd', product: 'erp', seatLimit: 4 });
    const spec = { database: { secretRef: { name: 'seats-app' } } };
    await product.kubectl.apply(await sampleObjects({ namespace: outside, name, vendor: product.vendor, key, spec }));
    await eventually('the password', 90_000, () => sql(`ALTER USER app PASSWORD 'first'`));
  });
  afterAll(async () => {
    await operator?.stop();
    await product.kubectl(['delete', 'namespace', outside, '--wait=false']);
  });

  const state = async () =>
    (
      await product.kubectl.get<{
        readonly status?: {
          readonly seats?: string;
          readonly lastRoll?: { readonly reasons: readonly string[] };
          readonly conditions?: readonly { readonly type: string; readonly status: string }[];
        };
      }>(outside, 'licenceserver', name)
    )?.status;
  const ready = async () => (await state())?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');

  it('looks after a server as soon as its namespace has the label, and asks it through the API server', async () => {
    expect(await state()).toEqual({ observedGeneration: -1 }); // as nobody has looked at it
    await product.kubectl(['label', 'namespace', outside, 'licensing=outside']);
    try {
      await eventually('the server to be ready', 150_000, async () => (await ready()) === true && state());
    } catch (error) {
      throw new Error(`${error}\n${JSON.stringify(await state())}\n${readFileSync(logFile, 'utf8').slice(-3_000)}`);
    }
    // These can only come from the server itself.
    expect((await state())?.seats).toBe('0/4');
    // Its seats are in the database that the Secret names by its parts.
    expect(Number(await sql('SELECT count(*) FROM lease'))).toBe(0);
  });

  it('rolls the pod when the password of the database is another one', async () => {
    await sql(`ALTER USER app PASSWORD 'second: / @'`);
    await putDatabase('second: / @');
    await eventually('the roll', 60_000, async () => (await state())?.lastRoll?.reasons.includes('ConfigChanged'));
    await eventually('the server to be ready again', 120_000, async () => (await ready()) === true);
    const clients = 'SELECT count(*) FROM pg_stat_activity WHERE client_addr IS NOT NULL';
    expect(Number(await sql(clients))).toBeGreaterThan(0);
  });
});

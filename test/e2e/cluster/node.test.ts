import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { accessCluster, type Forward } from '../../../cluster/cluster.ts';
import { run, until } from '../../../cluster/process.ts';
import { image, podSpec, restricted } from '../../support/pods.ts';

const cluster = accessCluster(inject('cluster'));
const namespace = `cluster-${Date.now()}`;
const kubectl = (args: readonly string[], input?: string) =>
  run(inject('clients').kubectl, ['--kubeconfig', cluster.kubeconfig, '--namespace', namespace, ...args], {
    ...(input === undefined ? {} : { input }),
  });
/** Counts in a file on its volume how often it was started; `/to?url=` asks on behalf of the caller. */
const program = `
  const fs = require('fs'), file = '/data/starts';
  const starts = (fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')) : 0) + 1;
  fs.writeFileSync(file, String(starts));
  require('http').createServer(async (request, response) => {
    const to = new URL(request.url, 'http://x').searchParams.get('url');
    const answer = to ? await fetch(to).then((r) => r.text(), (e) => String(e.cause ?? e)) : starts;
    response.end(String(answer));
  }).listen(8080);`;
const objects = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'app' },
      spec: {
        replicas: 1,
        strategy: { type: 'Recreate' },
        selector: { matchLabels: { app: 'app' } },
        template: {
          metadata: { labels: { app: 'app' } },
          spec: {
            ...podSpec,
            containers: [
              {
                name: 'app',
                ...image,
                command: ['node', '-e', program],
                securityContext: restricted,
                readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
                volumeMounts: [{ name: 'data', mountPath: '/data' }],
              },
            ],
            volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'app' },
      spec: { type: 'NodePort', selector: { app: 'app' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ],
};

let app: Forward;
const ask = (path: string) => fetch(`${app.url}${path}`, { headers: { connection: 'close' } }).then((r) => r.text());

beforeAll(async () => {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  const space = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } };
  await kubectl(['create', '-f', '-'], JSON.stringify(space));
  await kubectl(['create', '-f', '-'], JSON.stringify(objects));
  await kubectl(['rollout', 'status', 'deployment/app', '--timeout=90s']);
  const nodePort = await kubectl(['get', 'service', 'app', '-o', 'jsonpath={.spec.ports[0].nodePort}']);
  app = await cluster.forward(`${cluster.nodeAddress}:${nodePort}`);
  // A pod is ready a moment before the rules of its service are.
  await until('the first answer', 20_000, async () => (await ask('/')) !== '');
});
afterAll(async () => {
  await app?.close();
  await kubectl(['delete', 'namespace', namespace, '--wait=false']);
});

it('a restricted pod writes to its volume, and finds it again after it was deleted and after its container was killed', async () => {
  expect(await ask('/')).toBe('1');
  await kubectl(['delete', 'pod', '-l', 'app=app', '--wait']);
  await kubectl(['rollout', 'status', 'deployment/app', '--timeout=60s']);
  await until('the second start', 20_000, async () => (await ask('/')) === '2');
  const id = await kubectl([
    'get',
    'pod',
    '-l',
    'app=app',
    '-o',
    'jsonpath={.items[0].status.containerStatuses[0].containerID}',
  ]);
  await cluster.ctr(['tasks', 'kill', '--signal', 'SIGKILL', id.replace('containerd://', '')]);
  await until('the third start', 30_000, async () => (await ask('/')) === '3');
});

it('pods reach each other by name, and a port of this machine only when it is let in', async () => {
  const toName = `/to?url=${encodeURIComponent(`http://app.${namespace}.svc.cluster.local/`)}`;
  await until('name resolution', 20_000, async () => /^\d+$/.test(await ask(toName)));
  const server = createServer((_, response) => response.end('hello from outside')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const toOutside = `/to?url=${encodeURIComponent(`http://${cluster.nodeAddress}:${port}/`)}`;
  expect(await ask(toOutside)).toContain('ECONNREFUSED');
  const way = await cluster.forwardInto(port);
  await until('the way in', 10_000, async () => (await ask(toOutside)) === 'hello from outside');
  await way.close();
  server.close();
});

it('Pod Security refuses a pod with root', async () => {
  await expect(kubectl(['run', 'root', `--image=${image.image}`])).rejects.toThrow('violates PodSecurity');
});

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { KubeClient } from '../../operator/kube/client.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../operator/licenceServer/api/coordinates.ts';
import { type OperatorProcess, startOperatorProcess } from '../support/operatorProcess.ts';
import { adminClient, eventually, freshNamespace, installCrd } from './licenceServer/harness.ts';
import { freshKey, specWithKey } from './licenceServer/operator.ts';

/** How long LicenceServers come, change and go: MECHANICS_CHURN_SECONDS=300, or 3600 for an hour. */
const churnSeconds = Number(process.env.MECHANICS_CHURN_SECONDS ?? 6);

// The operator as its own process: its memory and its signals are looked at from outside.
const dir = mkdtempSync(join(tmpdir(), 'operator-process-'));
let client: KubeClient;
let namespace: string;
let operator: OperatorProcess;
beforeAll(async () => {
  client = adminClient(inject('kubeconfig'));
  await installCrd(client);
  namespace = await freshNamespace(client, 'process');
  operator = await startOperatorProcess(join(dir, 'operator.log'), {
    KUBECONFIG: inject('kubeconfig'),
    OPERATOR_WATCH_NAMESPACES: namespace,
    OPERATOR_NAMESPACE: namespace,
    OPERATOR_SNAPSHOT_DIR: dir,
    // A snapshot may take longer than a lease lasts, on a machine with much else to do.
    OPERATOR_LEADER_ELECTION: 'false',
    OPERATOR_QPS: '0',
  });
});
afterAll(async () => {
  await operator?.[Symbol.asyncDispose]();
  await client.delete(kinds.Namespace, undefined, namespace);
  await client.close();
  rmSync(dir, { recursive: true });
});

const putKey = (name: string, key: string) =>
  client.apply(
    kinds.Secret,
    { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData: { erp: key } },
    { fieldManager: 'person' },
  );
const create = (name: string) =>
  client.create(licenceServerKind, {
    apiVersion: 'licensing.softonit.ru/v1beta1',
    kind: 'LicenceServer',
    metadata: { name, namespace },
    spec: specWithKey({ keys: [{ name: 'erp', secretRef: { name, key: 'erp' } }] }),
  });
const deployed = (name: string) =>
  eventually(`the Deployment of ${name}`, () => client.get(kinds.Deployment, namespace, name), 60_000);

it('writes a heap snapshot on SIGUSR2, for its owner only, and says in the log where', {
  timeout: 180_000,
}, async () => {
  await putKey('office', freshKey());
  await create('office');
  await deployed('office');
  const before = new Set(readdirSync(dir));
  operator.daemon.kill('SIGUSR2');
  const line = await eventually(
    'the snapshot',
    () => operator.lines().find((l) => l.msg === 'the heap snapshot is written'),
    120_000,
  );
  const path = String(line.path);
  expect(path).toContain('.heapsnapshot');
  expect(readdirSync(dir).filter((file) => !before.has(file))).toEqual([path.slice(dir.length + 1)]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const text = readFileSync(path, 'utf8');
  expect(text.length).toBe(line.bytes);
  expect(JSON.parse(text).snapshot.node_count).toBeGreaterThan(10_000);
  rmSync(path);
  await client.delete(licenceServerKind, namespace, 'office');
});

it(`keeps nothing of what has gone: ${churnSeconds} s of LicenceServers that come, change and go`, {
  timeout: 120_000 + churnSeconds * 1_500,
}, async () => {
  let made = 0;
  const churn = async (seconds: number) => {
    const until = Date.now() + seconds * 1_000;
    await Promise.all(
      Array.from({ length: 4 }, async (_, hand) => {
        while (Date.now() < until) {
          const name = `c${hand}-${made++}`;
          await putKey(name, freshKey());
          await create(name);
          await deployed(name);
          await putKey(name, freshKey());
          await client.mergePatch(licenceServerKind, namespace, name, { spec: { seats: { leaseSeconds: 120 } } });
          await client.delete(licenceServerKind, namespace, name);
          for (const of of [name, `${name}-identity`]) await client.delete(kinds.Secret, namespace, of);
          await client.delete(kinds.PersistentVolumeClaim, namespace, `${name}-data`);
        }
      }),
    );
    // Everything that belonged to them is collected, and the operator has heard of it.
    await eventually(
      'all is gone',
      async () => {
        const { items } = await client.list(kinds.Deployment, { namespace });
        return items.length === 0;
      },
      90_000,
    );
  };
  await churn(churnSeconds / 3);
  const early = await operator.liveHeap();
  const madeEarly = made;
  await churn((churnSeconds * 2) / 3);
  await wait(500);
  const late = await operator.liveHeap();
  const grown = late - early;
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  console.log(
    `${made} LicenceServers made and removed; live heap ${mib(early)} after ${madeEarly}, ${mib(late)} at the end`,
  );
  // A kilobyte for each would be a leak that a month of such churn shows.
  expect(grown).toBeLessThan(2 * 2 ** 20 + (made - madeEarly) * 1_000);
  expect(made).toBeGreaterThan(madeEarly);
});

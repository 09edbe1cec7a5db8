import { beforeEach, expect, test } from 'vitest';
import { ApiError } from '../../../../../operator/kube/apiError.ts';
import type { KubeClient } from '../../../../../operator/kube/client.ts';
import type { KubeObject } from '../../../../../operator/kube/object.ts';
import { Store } from '../../../../../operator/kube/store.ts';
import { readSpec } from '../../../../../operator/licenceServer/api/readSpec.ts';
import { LookUp } from '../../../../../operator/licenceServer/observe/lookUp.ts';
import { createServerClient, type ServerTarget } from '../../../../../operator/licenceServer/observe/serverClient.ts';
import { licenceServer, serverStatus } from '../world.ts';

const server = licenceServer({ keys: [] });
const secret = (resourceVersion: string, admin?: string): KubeObject & { data: Record<string, string> } => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace: 'accounting', name: 'office-tokens', uid: 's', resourceVersion },
  data: admin === undefined ? {} : { admin: Buffer.from(admin).toString('base64') },
});

let secrets: Store;
let inCluster: KubeObject | Error;
let reads: string[];
let sent: string[];
let lookUp: LookUp;

const servers = createServerClient({
  send: async ({ token }) => {
    sent.push(token);
    return { status: 200, body: () => serverStatus() };
  },
  close: async () => {},
});
const target = (): ServerTarget => {
  const token = lookUp.adminToken(server);
  if (token === undefined) throw new Error('no token');
  return { namespace: 'accounting', service: 'office', port: 1, portName: 'http', tls: false, token };
};
const ask = () => servers.status(target());
const pass = async () => {
  const read = readSpec(server);
  if (!read.ok) throw new Error(read.message);
  await lookUp.read(server, read.spec, new AbortController().signal);
  lookUp.endPass('accounting/office');
};
const put = (object: KubeObject) => {
  inCluster = object;
  secrets.put(object);
};

beforeEach(() => {
  reads = [];
  sent = [];
  secrets = new Store();
  const get = (async (_kind: unknown, _namespace: unknown, name: string) => {
    reads.push(name);
    if (inCluster instanceof Error) throw inCluster;
    return name === inCluster.metadata.name ? inCluster : undefined;
  }) as KubeClient['get'];
  lookUp = new LookUp({ client: { get }, secrets, configMaps: new Store() });
  put(secret('1', 'first\nsecond'));
});

test('a pass reads no token; the first question does, and the next ones stand on it', async () => {
  await pass();
  expect(reads).toEqual([]);
  expect(await ask()).toMatchObject({ ok: true });
  await pass();
  await ask();
  expect([reads, sent]).toEqual([['office-tokens'], ['first', 'first']]);
});

test('another version of the Secret is read anew', async () => {
  await pass();
  await ask();
  const before = target().token.version;
  put(secret('2', 'second'));
  expect(target().token.version).not.toBe(before);
  await ask();
  expect([reads.length, sent]).toEqual([2, ['first', 'second']]);
});

test('one that the operator itself made is not read', async () => {
  lookUp.learn(server, secret('1', 'first'));
  await ask();
  expect([reads, sent]).toEqual([[], ['first']]);
});

test('without the Secret there is nothing to ask with; a Secret without the token says what to do', async () => {
  secrets.clear();
  expect(lookUp.adminToken(server)).toBeUndefined();
  put(secret('3'));
  const message =
    'server office.accounting cannot be asked: Secret office-tokens has nothing under "admin"; add a token there';
  expect(await ask()).toEqual({ ok: false, message });
  expect(sent).toEqual([]);
});

test('a read that fails is told of, and tried again at the next question', async () => {
  await pass();
  const good = inCluster;
  inCluster = new ApiError('GET /x', {
    status: 403,
    reason: 'Forbidden',
    message: 'no',
    retryAfterSeconds: undefined,
    details: undefined,
  });
  const message =
    'server office.accounting cannot be asked: Secret office-tokens cannot be read: the API server answered 403 Forbidden';
  expect(await ask()).toEqual({ ok: false, message });
  inCluster = good;
  expect(await ask()).toMatchObject({ ok: true });
});

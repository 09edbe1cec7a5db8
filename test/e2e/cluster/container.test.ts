import { chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { accessCluster, type Forward } from '../../../cluster/cluster.ts';
import { type Computer, createComputer, until } from '../../db/server/support/serverProcess.ts';

// The image as docs/standalone.md runs it: no pod, no operator, a container of a runtime. Its user is nobody on the node.
const cluster = accessCluster(inject('cluster'));
const uid = 10_001;
const port = 18_080;
const token = 'an-admin-token-of-a-test';
let computer: Computer;
let way: Forward;

beforeAll(async () => {
  computer = await createComputer(3);
  const etc = join(computer.dataDir, '..', 'etc');
  mkdirSync(join(etc, 'tokens'), { recursive: true });
  mkdirSync(join(etc, 'keys'));
  writeFileSync(join(etc, 'tokens', 'admin'), `${token}\n`);
  writeFileSync(join(etc, 'keys', 'head-office'), 'no key at all\n');
  for (const path of [computer.dataDir, ...readdirSync(computer.dataDir, { recursive: true, encoding: 'utf8' })]) {
    chownSync(path.startsWith('/') ? path : join(computer.dataDir, path), uid, uid);
  }
  way = await cluster.forward(`${cluster.nodeAddress}:${port}`);
});
afterAll(async () => {
  await way.close();
  computer.remove();
});

/** Runs a container in the foreground; resolves with what it printed when its program has ended with status 0. */
function runContainer(id: string, ...args: readonly string[]): Promise<string> {
  const dir = join(computer.dataDir, '..');
  const bind = (src: string, dst: string, how: string) => [
    '--mount',
    `type=bind,src=${src},dst=${dst},options=rbind:${how}`,
  ];
  const memory = (dst: string, mode: string) => [
    '--mount',
    `type=tmpfs,src=tmpfs,dst=${dst},options=uid=${uid}:mode=${mode}`,
  ];
  const env = {
    LICENCE_LISTEN: `0.0.0.0:${port}`,
    LICENCE_TRUSTED_KEYS: '/etc/licence/jwks.json',
    LICENCE_TOKENS_DIR: '/etc/licence/tokens',
    LICENCE_KEYS_DIR: '/etc/licence/keys',
    LICENCE_SOCKET_DIR: '/run/postgresql',
  };
  return cluster.ctr([
    ...['run', '--rm', '--net-host', '--read-only'],
    ...memory('/tmp', '1777'),
    ...memory('/run/postgresql', '0700'),
    ...bind(computer.dataDir, '/var/Softonit/Licence Server', 'rw'),
    ...bind(join(dir, 'jwks.json'), '/etc/licence/jwks.json', 'ro'),
    ...bind(join(dir, 'etc', 'tokens'), '/etc/licence/tokens', 'ro'),
    ...bind(join(dir, 'etc', 'keys'), '/etc/licence/keys', 'ro'),
    ...Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    ...['localhost/licence-server:dev', id],
    ...args,
  ]);
}
const call = async (method: string, path: string, body?: unknown) => {
  const response = await fetch(way.url + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: JSON.parse((await response.text()) || '{}') };
};
const ready = () =>
  until('the server to be ready', async () => (await fetch(`${way.url}/healthz/ready`)).status === 200, 120_000);
const inside = (id: string, name: string, ...command: readonly string[]) =>
  cluster.ctr(['tasks', 'exec', '--exec-id', name, id, ...command]);

it('runs as a plain container: not root, on a read-only root, its data in the volume, and ends cleanly when it is told to', async () => {
  const program = ['node', '/app/dist/server/main.js'];
  const first = runContainer('plain-1');
  first.catch(() => {}); // judged below
  await Promise.race([ready(), first]);
  expect((await inside('plain-1', 'who', 'id', '-u')).trim()).toBe(String(uid));
  const { fingerprint, keys } = (await call('GET', '/v1/status')).body;
  // the activation of the volume serves; the key of the keys directory is read, and said to be none
  expect(keys.map((k: { state: string }) => k.state).sort()).toEqual(['Active', 'Refused']);
  const holder = { base: 'trade', user: 'anna', host: 'pc' };
  const { leaseId } = (await call('POST', '/v1/checkouts', { product: 'erp', holder })).body;

  await inside('plain-1', 'export', ...program, 'export', '/var/Softonit/Licence Server/export.tar.gz');
  expect(statSync(join(computer.dataDir, 'export.tar.gz'))).toMatchObject({ uid });
  const findings = await inside('plain-1', 'doctor', ...program, 'doctor').catch((error) => String(error.output));
  expect(findings).toMatch(/ok {4}lock +a server runs on it/);
  expect(findings).toMatch(/fail {2}configured-keys +\/etc\/licence\/keys\/head-office/);
  expect(findings).toMatch(/, 1 wrong/);

  await cluster.ctr(['tasks', 'kill', '--signal', 'SIGTERM', 'plain-1']);
  expect(await first).toContain('"msg":"ready"'); // and status 0
  const postgres = join(computer.dataDir, 'postgres');
  expect(readFileSync(join(postgres, '15', 'PG_VERSION'), 'utf8').trim()).toBe('15');

  const second = runContainer('plain-2');
  second.catch(() => {});
  await Promise.race([ready(), second]);
  expect((await call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
  expect((await call('GET', '/v1/status')).body.fingerprint).toBe(fingerprint);
  await cluster.ctr(['tasks', 'kill', '--signal', 'SIGTERM', 'plain-2']);
  await second;
}, 300_000);

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run } from '../../../../cluster/process.ts';
import { startAuthority, type TestAuthority, tokens } from '../../../support/authority.ts';
import { ServerProcess, until } from '../support/serverProcess.ts';

let dir: string;
let dataDir: string;
let authority: TestAuthority;
let authorityUrl: string;
let server: ServerProcess | undefined;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'snapshot-'));
  dataDir = join(dir, 'data');
  authority = await startAuthority({ clonePolicy: 'refuse' });
  authorityUrl = await authority.open();
  const jwks = await (await fetch(new URL('/.well-known/jwks.json', authorityUrl))).text();
  writeFileSync(join(dir, 'jwks.json'), jwks);
});
afterEach(async () => {
  await server?.stop();
  await authority.end();
  rmSync(dir, { recursive: true, force: true });
});

/** The server on its volume, with the PostgreSQL that lies there. */
async function start(env: Record<string, string> = {}): Promise<ServerProcess> {
  server = await ServerProcess.start({
    LICENCE_DATA_DIR: dataDir,
    LICENCE_LISTEN: '127.0.0.1:0',
    LICENCE_TRUSTED_KEYS: join(dir, 'jwks.json'),
    LICENCE_AUTHORITY_URL: authorityUrl,
    LICENCE_KEYS_DIR: join(dir, 'keys'),
    LICENCE_CLEAR_STALE: 'never',
    ...env,
  });
  expect(server.address, server.output).not.toBe('');
  return server;
}
const tokenOf = (role: string) => readFileSync(join(dataDir, 'tokens', role), 'utf8').trim();
async function call(method: string, path: string, body?: unknown) {
  const response = await fetch(`${server?.address}${path}`, {
    method,
    headers: { authorization: `Bearer ${tokenOf('admin')}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: JSON.parse((await response.text()) || '{}') };
}
const checkOut = (user: string) =>
  call('POST', '/v1/checkouts', { product: 'erp', mode: 'sticky', holder: { base: 'b', user, host: 'h' } });
const users = async () =>
  (await call('GET', '/v1/leases')).body.leases.map((lease: { holder: { user: string } }) => lease.holder.user).sort();
/** What makes this computer the one that it is. */
async function computer() {
  const { fingerprint, keys } = (await call('GET', '/v1/status')).body;
  const { regenerationsLeft } = keys[0];
  return { fingerprint, tokens: ['client', 'admin', 'metrics'].map(tokenOf), regenerationsLeft };
}
const isActive = (since = '') =>
  until('the key is active', async () => {
    const { keys } = (await call('GET', '/v1/status')).body;
    return keys[0]?.state === 'Active' && keys[0].activatedAt > since && keys[0];
  });
const alarms = async () => {
  const metrics = await fetch(`${server?.address}/metrics`, {
    headers: { authorization: `Bearer ${tokenOf('metrics')}` },
  });
  const [, count] = /^licence_activation_clones_suspected_total (\d+)/m.exec(await metrics.text()) ?? [];
  const { body } = await authority.call<{ licences: object[] }>('GET', '/v1/licences', undefined, tokens.vendor);
  return [count, JSON.stringify(body).includes('"cloneSuspected":true')];
};

it('a snapshot of the volume that is put back is the same computer with the same tokens; nothing is spent, and no copy is suspected', async () => {
  const { key } = await authority.issue({ product: 'erp', seatLimit: 10 });
  mkdirSync(join(dir, 'keys'));
  writeFileSync(join(dir, 'keys', 'erp'), key);
  await start();
  const first = await isActive();
  expect((await checkOut('before')).status).toBe(201);
  const before = await computer();
  await server?.stop();
  await run('cp', ['-a', dataDir, join(dir, 'snapshot')]);

  // it goes on: seats, and an activation that the snapshot knows nothing of
  await start({ LICENCE_REACTIVATE: 'after-the-snapshot' });
  await isActive(first.activatedAt);
  expect((await checkOut('after')).status).toBe(201);
  expect(await users()).toEqual(['after', 'before']);
  await server?.stop();

  rmSync(dataDir, { recursive: true });
  await run('cp', ['-a', join(dir, 'snapshot'), dataDir]);
  await start();
  expect(await isActive()).toMatchObject({ activatedAt: first.activatedAt, generation: 1 });
  expect(await computer()).toEqual(before);
  expect(await users()).toEqual(['before']);
  expect((await checkOut('again')).status).toBe(201);
  await server?.stop();

  // the next activation goes on from the one of then, which is no copy's
  await start({ LICENCE_REACTIVATE: 'after-it-was-put-back' });
  await isActive(first.activatedAt);
  expect(await computer()).toEqual(before);
  expect(await alarms()).toEqual(['0', false]);
});

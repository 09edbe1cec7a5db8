import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ActivationResponse } from '../../../../licence/authorityWire.ts';
import { createKey } from '../../../../licence/key.ts';
import { createHttp, type Http } from '../../../../runtime/httpShell.ts';
import { createLog } from '../../../../runtime/log.ts';
import { loadIdentity } from '../../../../server/keys/identity.ts';
import { registerKeyRoutes } from '../../../../server/keys/routes.ts';
import { startAuthority, type TestAuthority, tokens } from '../../../support/authority.ts';
import { createKeysServer, type KeysServer } from '../../../support/keysServer.ts';

let authority: TestAuthority;
let url: string;
let server: KeysServer;
let http: Http;
const roles = new Map<string, string | undefined>();
beforeAll(async () => {
  authority = await startAuthority();
  url = await authority.open();
});
afterAll(() => authority.end());
beforeEach(async () => {
  server = await createKeysServer(url);
  await server.trust(authority.signingKeys.jwks());
  await server.start();
  http = createHttp(createLog('server', 'silent'));
  http.addHook('onRoute', (route) => {
    roles.set(`${String(route.method)} ${route.url}`, route.config?.role);
  });
  registerKeyRoutes(http, server.keys, await loadIdentity({ dataDir: server.dataDir }));
});
afterEach(async () => {
  await http.close();
  await server.end();
});

async function call(method: 'GET' | 'POST' | 'DELETE', path: string, payload?: object) {
  const answer = await http.inject({ method, url: path, ...(payload === undefined ? {} : { payload }) });
  return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json(), headers: answer.headers };
}

describe('the routes of keys', () => {
  it('ask for the administrator, but for the identity', () => {
    expect(Object.fromEntries(roles)).toEqual({
      'GET /v1/keys': 'admin',
      'HEAD /v1/keys': 'admin',
      'POST /v1/keys': 'admin',
      'POST /v1/keys::check': 'admin',
      'DELETE /v1/keys/:keyId': 'admin',
      'GET /v1/activation/request': 'admin',
      'HEAD /v1/activation/request': 'admin',
      'POST /v1/activation/request': 'admin',
      'POST /v1/activation/response': 'admin',
      'GET /v1/identity': 'client',
      'HEAD /v1/identity': 'client',
    });
  });

  it('install, list, check and remove a key', async () => {
    const issued = await authority.issue();
    expect(await call('POST', '/v1/keys:check', { key: issued.key })).toMatchObject({
      status: 200,
      body: { usable: true },
    });
    expect(await call('POST', '/v1/keys', { key: issued.key, source: 'web' })).toMatchObject({
      status: 201,
      body: { keyId: issued.keyId, state: 'Active', source: 'web', product: 'erp' },
    });
    const { body } = await call('GET', '/v1/keys');
    expect(body).toMatchObject({ keys: [{ keyId: issued.keyId, regenerationsLeft: 3 }] });
    expect(JSON.stringify(body)).not.toContain(issued.key);
    expect((await call('DELETE', `/v1/keys/${issued.keyId}`)).status).toBe(204);
    expect(await call('DELETE', `/v1/keys/${issued.keyId}`)).toMatchObject({
      status: 404,
      body: { reason: 'KeyUnknown' },
    });
    expect((await call('GET', '/v1/keys')).body).toEqual({ keys: [] });
  });

  it.each([
    ['a typing error', { key: 'AAAAA' }, 400, 'KeyMalformed'],
    ['an unknown key', { key: createKey(Buffer.alloc(16, 77)) }, 404, 'KeyUnknown'],
    ['no key', {}, 400, 'InvalidRequest'],
    ['a book', { key: 'A'.repeat(100_000) }, 400, 'InvalidRequest'],
    ['a source that only files have', { key: 'AAAAA', source: 'file' }, 400, 'InvalidRequest'],
  ])('refuse %s', async (_, payload, status, reason) => {
    expect(await call('POST', '/v1/keys', payload)).toMatchObject({ status, body: { reason } });
  });

  it('say when to come back while the authority is away', async () => {
    const { key } = await authority.issue();
    await authority.shut();
    try {
      const answer = await call('POST', '/v1/keys', { key });
      expect(answer).toMatchObject({
        status: 503,
        body: { reason: 'AuthorityUnreachable' },
        headers: { 'retry-after': '30' },
      });
    } finally {
      await authority.open();
    }
  });

  it('carry an activation through an air gap', async () => {
    const { key, keyId } = await authority.issue();
    const request = (await call('POST', '/v1/activation/request', { key })).body;
    const { body } = await authority.call<ActivationResponse>(
      'POST',
      '/v1/activations:respond',
      request,
      tokens.customer,
    );
    expect(await call('POST', '/v1/activation/response', body)).toMatchObject({
      status: 201,
      body: { keyId, state: 'Active' },
    });
    expect(await call('POST', '/v1/keys:check', { key, activation: body.activation })).toMatchObject({
      status: 200,
      body: { usable: true, keyId, product: 'erp', seatLimit: 50 },
    });
    expect(await call('POST', '/v1/keys:check', { key, activation: 'a.b.c' })).toMatchObject({
      status: 200,
      body: { usable: false, keyId, fault: { reason: 'ActivationDamaged' } },
    });
    expect(await call('POST', '/v1/keys:check', { key, activation: 'A'.repeat(30_000) })).toMatchObject({
      status: 400,
    });
    const foreign = { activation: 'a.b.c' };
    expect(await call('POST', '/v1/activation/response', foreign)).toMatchObject({
      status: 409,
      body: { reason: 'ActivationDamaged' },
    });
  });

  it('need the name of a configured key only when there are several', async () => {
    expect(await call('GET', '/v1/activation/request')).toMatchObject({ status: 400 });
    const [a, b] = [await authority.issue(), await authority.issue()];
    await server.configure({ a: a.key });
    await server.keys.refresh();
    expect(await call('GET', '/v1/activation/request')).toMatchObject({ status: 200, body: { key: a.key } });
    await server.configure({ a: a.key, b: b.key });
    await server.keys.refresh();
    expect((await call('GET', '/v1/activation/request')).body.detail).toContain('a, b');
    expect(await call('GET', '/v1/activation/request?name=b')).toMatchObject({ status: 200, body: { key: b.key } });
    expect(await call('DELETE', `/v1/keys/${a.keyId}`)).toMatchObject({
      status: 409,
      body: { reason: 'KeyConfigured' },
    });
  });

  it('tell who the server is', async () => {
    const { body } = await call('GET', '/v1/identity');
    expect(body).toEqual({
      fingerprint: server.keys.status().fingerprint,
      publicKey: expect.stringMatching(/^[\w-]{43}$/),
    });
  });
});

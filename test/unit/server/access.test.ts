import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inClusterUrl } from '../../../server/access/apiServer.ts';
import { subjectIn } from '../../../server/access/podTokens.ts';
import { ServiceAccounts } from '../../../server/access/serviceAccounts.ts';

const audience = 'office.shop.svc';
const issuer = 'https://kubernetes.default.svc.cluster.local';
const till = { podUid: 'shop/till-0/u-1', podName: 'till-0', namespace: 'shop' };

const review = (more: Record<string, unknown> = {}) => ({
  status: {
    authenticated: true,
    audiences: [audience],
    user: {
      username: 'system:serviceaccount:shop:till',
      extra: { 'authentication.kubernetes.io/pod-uid': ['u-1'], 'authentication.kubernetes.io/pod-name': ['till-0'] },
    },
    ...more,
  },
});

it('a reviewed token counts only if it is of a pod, accepted, and for this audience', () => {
  expect(subjectIn(review(), audience)).toEqual(till);
  expect(subjectIn(review({ authenticated: false }), audience)).toBeUndefined();
  expect(subjectIn(review({ audiences: ['https://kubernetes.default.svc'] }), audience)).toBeUndefined();
  expect(subjectIn(review({ audiences: undefined }), audience)).toBeUndefined();
  expect(subjectIn(review({ user: { username: 'admin' } }), audience)).toBeUndefined();
  expect(subjectIn({}, audience)).toBeUndefined();
});

it('service accounts outside a cluster are refused with what to use instead', () => {
  expect(() => inClusterUrl({})).toThrow('use token or open here');
  expect(inClusterUrl({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' })).toBe(
    'https://[fd00::1]:6443',
  );
});

/** A key that the API server signs tokens with. */
const signer = async (kid: string) => {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const sign = (claims: JWTPayload = {}, seconds = 600) =>
    new SignJWT({
      'kubernetes.io': { namespace: 'shop', pod: { name: 'till-0', uid: 'u-1' }, serviceaccount: { name: 'till' } },
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid })
      .setIssuer(claims.iss ?? issuer)
      .setAudience(claims.aud ?? audience)
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(privateKey);
  return { sign, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256' } };
};

describe('tokens of pods', () => {
  let api: Server;
  let dir: string;
  let accounts: ServiceAccounts;
  let keys: unknown[];
  let asked: string[];
  /** Status and body of an address; everything else is not found. */
  let answers: Record<string, [number, unknown]>;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'sa-'));
    writeFileSync(join(dir, 'token'), 'own-token');
    asked = [];
    keys = [];
    answers = {
      '/.well-known/openid-configuration': [200, { issuer, jwks_uri: 'https://elsewhere.example.org/jwks' }],
      '/api/v1/namespaces/shop/pods/till-0': [200, { metadata: { uid: 'u-1' }, status: { phase: 'Running' } }],
      '/api/v1/namespaces/far/pods/till-0': [403, { kind: 'Status' }],
      '/apis/authentication.k8s.io/v1/tokenreviews': [201, review()],
    };
    api = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      const published: [number, unknown] = [200, { keys }];
      const takesKeys = request.headers.accept?.includes('application/jwk-set+json');
      if (request.url === '/openid/v1/jwks' && takesKeys) answers[request.url] ??= published;
      const [status, body] = answers[request.url ?? ''] ?? [406, {}];
      response.writeHead(status).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
    const { port } = api.address() as { port: number };
    accounts = new ServiceAccounts({
      apiUrl: `http://127.0.0.1:${port}`,
      dir,
      audience,
      log: pino({ level: 'silent' }),
    });
  });
  afterEach(async () => {
    await accounts.close();
    api.closeAllConnections();
    await new Promise((resolve) => api.close(resolve));
    rmSync(dir, { recursive: true });
  });

  it('are verified with the published keys, once a minute each; who the pod is stands in them', async () => {
    const { sign, jwk } = await signer('k1');
    keys = [jwk];
    const token = await sign();
    expect(await accounts.subjectOf(token)).toEqual(till);
    expect(await accounts.subjectOf(token)).toEqual(till);
    expect(asked).toEqual([
      'GET /.well-known/openid-configuration Bearer own-token',
      'GET /openid/v1/jwks Bearer own-token',
      'GET /api/v1/namespaces/shop/pods/till-0 Bearer own-token',
    ]);
  });

  it('are refused for another audience or issuer, without a pod, out of date, or signed by somebody else', async () => {
    const { sign, jwk } = await signer('k1');
    const other = await signer('k1');
    keys = [jwk];
    const refused = [
      await sign({ aud: 'https://kubernetes.default.svc' }),
      await sign({ iss: 'https://elsewhere.example.org' }),
      await sign({ 'kubernetes.io': { namespace: 'shop' } }),
      await sign({}, -120),
      await other.sign(),
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await sign()).split('.')[1]}.`,
      'no token at all',
    ];
    for (const token of refused) expect(await accounts.subjectOf(token)).toBeUndefined();
    expect(await accounts.subjectOf(await sign())).toEqual(till); // all else was right
  });

  it('are refused when their pod is gone, and when another pod has its name', async () => {
    const { sign, jwk } = await signer('k1');
    keys = [jwk];
    for (const pod of [
      [404, {}],
      [200, { metadata: { uid: 'u-2' }, status: { phase: 'Running' } }],
      [200, { metadata: { uid: 'u-1' }, status: { phase: 'Succeeded' } }],
    ] as [number, unknown][]) {
      answers['/api/v1/namespaces/shop/pods/till-0'] = pod;
      expect(await accounts.stateOf(till.podUid)).toBe('gone');
      expect(await accounts.subjectOf(await sign({ jti: String(Math.random()) }))).toBeUndefined();
    }
  });

  it('count in a namespace whose pods cannot be seen; such a seat ends with its lease', async () => {
    const { sign, jwk } = await signer('k1');
    keys = [jwk];
    const token = await sign({ 'kubernetes.io': { namespace: 'far', pod: { name: 'till-0', uid: 'u-9' } } });
    expect((await accounts.subjectOf(token))?.podUid).toBe('far/till-0/u-9');
    expect(await accounts.stateOf('far/till-0/u-9')).toBe('unknown');
  });

  it('are put to the API server one by one where its keys cannot be read', async () => {
    answers['/.well-known/openid-configuration'] = [403, {}];
    expect(await accounts.subjectOf('pod-token')).toEqual(till);
    expect(asked).toContain('POST /apis/authentication.k8s.io/v1/tokenreviews Bearer own-token');
  });

  it('are neither accepted nor refused while the API server is out of order', async () => {
    answers['/.well-known/openid-configuration'] = [500, {}];
    await expect(accounts.subjectOf('pod-token')).rejects.toThrow('status 500');
  });
});

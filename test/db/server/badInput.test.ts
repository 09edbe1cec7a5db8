import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TokenFiles } from '../../../server/access/tokens.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from './support/seatServer.ts';

let database: TestDatabase;
let s: SeatServer;
let dir: string;
let tokens: TokenFiles;
const secrets = {
  client: 'client-token-0123456789',
  admin: 'admin-token-0123456789',
  metrics: 'metrics-token-0123456789',
};
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const writeTokens = (role: string, lines: readonly string[]) => writeFileSync(join(dir, role), `${lines.join('\n')}\n`);

beforeAll(async () => {
  database = await createTestDatabase(ledgerTemplate);
  dir = mkdtempSync(join(tmpdir(), 'tokens-'));
  for (const [role, token] of Object.entries(secrets)) writeTokens(role, [token]);
  tokens = new TokenFiles(dir, pino({ level: 'silent' }));
  s = await startSeatServer(database.url, { access: { kind: 'token', tokens } });
});
afterAll(async () => {
  await s.stop();
  await database.drop();
  rmSync(dir, { recursive: true });
});

const holder = { base: 'b', user: 'u', host: 'h', session: '' };
const checkOut = (body: unknown) => s.call('POST', '/v1/checkouts', body, bearer(secrets.client));

describe('a body that is not right is refused, and the refusal names the field and the rule', () => {
  const cases: [string, unknown, RegExp][] = [
    ['malformed JSON', '{"product":', /not JSON/],
    ['no body', '', /body/],
    ['a list', [], /body: must be an object/],
    ['null', 'null', /body: must be an object/],
    ['no holder', { product: 'erp' }, /holder: must be an object/],
    ['no user', { product: 'erp', holder: { ...holder, user: undefined } }, /holder.user: must be a text/],
    ['an empty base', { product: 'erp', holder: { ...holder, base: '' } }, /holder.base: must not be empty/],
    [
      'a user of 10 000 characters',
      { product: 'erp', holder: { ...holder, user: 'x'.repeat(10_000) } },
      /at most 200 characters, not 10000/,
    ],
    ['a control character', { product: 'erp', holder: { ...holder, user: 'a\u001fb' } }, /control characters/],
    ['a zero byte', { product: 'erp', holder: { ...holder, session: '\u0000' } }, /control characters/],
    ['half a surrogate pair', { product: 'erp', holder: { ...holder, host: 'a\ud800' } }, /control characters/],
    ['a product that is a number', { product: 7, holder }, /product: must be a text/],
    ['a long product', { product: 'x'.repeat(64), holder }, /at most 63 characters/],
    ['the mode of reports', { product: 'erp', holder, mode: 'reported' }, /mode: must be "leased"/],
    ['a wait of a day', { product: 'erp', holder, wait: 86_400 }, /wait: must be a whole number/],
    ['half a second of wait', { product: 'erp', holder, wait: 0.5 }, /wait: must be a whole number/],
    ['a release date in words', { product: 'erp', holder, programReleasedOn: 'yesterday' }, /YYYY-MM-DD/],
    ['30 February', { product: 'erp', holder, programReleasedOn: '2026-02-30' }, /YYYY-MM-DD/],
    ['the 13th month', { product: 'erp', holder, programReleasedOn: '2026-13-01' }, /YYYY-MM-DD/],
    ['an empty nonce', { product: 'erp', holder, nonce: '' }, /nonce: must be a text/],
  ];
  it.each(cases)('%s', async (_name, body, detail) => {
    const answer = await checkOut(body);
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.body).toMatchObject({ status: 400, reason: 'InvalidRequest', detail: expect.stringMatching(detail) });
  });

  it('ten megabytes', async () => {
    const answer = await checkOut({ product: 'erp', holder, nonce: 'x'.repeat(10_000_000) });
    expect([answer.status, answer.body.reason]).toEqual([413, 'BodyTooLarge']);
  });
  it('the longest holder there may be is held, listed and given back', async () => {
    const longest = {
      base: '漢'.repeat(200),
      user: '語'.repeat(200),
      host: '漢'.repeat(200),
      session: '語'.repeat(200),
    };
    const { status, body } = await checkOut({ product: 'erp', holder: longest });
    expect(status).toBe(201);
    const listed = await s.call(
      'GET',
      `/v1/leases?base=${encodeURIComponent(longest.base)}`,
      undefined,
      bearer(secrets.admin),
    );
    expect(listed.body.leases).toMatchObject([{ holder: longest }]);
    await s.call('DELETE', `/v1/leases/${body.leaseId}`, undefined, bearer(secrets.client));
  });
  it.each(['2026-01-02T03:04:05', '2026-01-02T03:04:05Z', '2026-01-02T06:04:05+03:00'])(
    'a moment without a zone is UTC: usage from %s',
    async (from) => {
      const query = `from=${encodeURIComponent(from)}&to=2026-01-02T03:04:06&step=60`;
      expect((await s.call('GET', `/v1/usage?${query}`, undefined, bearer(secrets.admin))).status).toBe(200);
      // a second earlier is before it, whatever the zone of this computer
      const early = query.replace('03:04:06', '03:04:05');
      expect((await s.call('GET', `/v1/usage?${early}`, undefined, bearer(secrets.admin))).body.detail).toMatch(
        /^to: /,
      );
    },
  );
  it('null is an absent member, in every member that may be absent', async () => {
    const nulls = { mode: null, wait: null, nonce: null, programReleasedOn: null };
    const { status, body } = await checkOut({ product: 'erp', holder: { ...holder, session: null }, ...nulls });
    expect(status).toBe(201);
    await s.call('DELETE', `/v1/leases/${body.leaseId}`, undefined, bearer(secrets.client));
    const released = { reason: 'x', product: null };
    expect((await s.call('POST', '/v1/stale:release', released, bearer(secrets.admin))).status).toBe(200);
    expect((await checkOut({ product: null, holder })).body.detail).toMatch(/^product: /);
  });
  it('a report that names another base in its body than in its path reports nothing', async () => {
    const report = (base: unknown, sessions: unknown[] = []) =>
      s.call('PUT', '/v1/bases/a%20b/sessions', { base, sessions }, bearer(secrets.client));
    expect((await report('a b')).body.base).toBe('a b');
    expect((await report(null)).status).toBe(200);
    const { status, body } = await report('a+b');
    expect([status, body.detail]).toEqual([
      400,
      'base: the body says "a+b", the path "a b"; name the same base in both',
    ]);
    expect((await report(7)).status).toBe(400);
    // by the names that the client sent
    expect((await report('a b', [{ product: 'erp', user: 'u', host: 'h', session: 7 }])).body.detail).toBe(
      'sessions.0.session: must be a text',
    );
  });
  it('another content type', async () => {
    const answer = await s.call('POST', '/v1/checkouts', 'a=b', {
      ...bearer(secrets.client),
      'content-type': 'text/xml',
    });
    expect([answer.status, answer.body.reason]).toEqual([415, 'UnsupportedMediaType']);
  });
  it('members with special names are nothing special', async () => {
    const answer = await checkOut(
      `{"product":"erp","holder":${JSON.stringify(holder)},"__proto__":{"mode":"sticky"},"constructor":1}`,
    );
    expect(answer.status).toBe(201);
    expect(answer.body.expiresAt).toBeDefined();
  });
  it.each([
    ['POST', '/v1/leases/nonsense/heartbeat', 400],
    ['DELETE', '/v1/leases/nonsense', 400],
    ['DELETE', '/v1/leases/01234567-89ab-7fff-8123-456789abcdef', 204],
    ['POST', '/v1/leases/01234567-89ab-7fff-8123-456789abcdef/heartbeat', 410],
    ['PUT', '/v1/bases/a%00b/sessions', 400],
    ['PUT', '/v1/bases/%zz/sessions', 400],
    ['POST', '/v1/heartbeats', 400],
    ['PATCH', '/v1/checkouts', 405],
  ] as const)('%s %s', async (method, path, status) => {
    const answer = await s.call(
      method as 'POST',
      path,
      method === 'PUT' ? { sessions: [] } : undefined,
      bearer(secrets.client),
    );
    expect(answer.status).toBe(status);
  });
  it.each(['limit=0', 'limit=x', 'state=none', 'cursor=%00', 'user=%00', `base=${'x'.repeat(201)}`])(
    'GET /v1/leases?%s',
    async (query) => {
      expect((await s.call('GET', `/v1/leases?${query}`, undefined, bearer(secrets.admin))).status).toBe(400);
    },
  );
  it.each([
    'from=x',
    'step=1',
    'from=2026-01-02&to=2026-01-01',
    'from=2026-02-30&to=2026-03-05&step=3600',
    'from=1990-01-01&step=60',
    'product=%00',
  ])('GET /v1/usage?%s', async (query) => {
    expect((await s.call('GET', `/v1/usage?${query}`, undefined, bearer(secrets.admin))).status).toBe(400);
  });
});

describe('tokens', () => {
  const routes: [string, string, string[]][] = [
    ['POST', '/v1/checkouts', ['client', 'admin']],
    ['POST', '/v1/heartbeats', ['client', 'admin']],
    ['PUT', '/v1/bases/b/sessions', ['client', 'admin']],
    ['DELETE', '/v1/leases/01234567-89ab-7fff-8123-456789abcdef', ['client', 'admin']],
    ['GET', '/v1/identity', ['client', 'admin']],
    ['GET', '/v1/leases', ['admin']],
    ['GET', '/v1/status', ['admin']],
    ['GET', '/v1/products', ['admin']],
    ['GET', '/v1/denials', ['admin']],
    ['GET', '/v1/usage', ['admin']],
    ['GET', '/v1/audit', ['admin']],
    ['GET', '/v1/keys', ['admin']],
    ['POST', '/v1/keys', ['admin']],
    ['POST', '/v1/keys:check', ['admin']],
    ['POST', '/v1/stale:release', ['admin']],
    ['POST', '/v1/leases/01234567-89ab-7fff-8123-456789abcdef:release', ['admin']],
    ['GET', '/metrics', ['metrics', 'admin']],
  ];
  it.each(routes)('%s %s', async (method, path, allowed) => {
    for (const [role, token] of Object.entries(secrets)) {
      const { status } = await s.call(method as 'GET', path, undefined, bearer(token));
      if (allowed.includes(role))
        expect([401, 403, 404], role).not.toContain(status === 404 && path.includes(':release') ? 0 : status);
      else expect(status, role).toBe(403);
    }
    expect((await s.call(method as 'GET', path)).status).toBe(401);
  });
  it.each(['/healthz/live', '/healthz/ready', '/openapi.json'])('%s needs none', async (path) => {
    expect((await s.call('GET', path)).status).toBe(200);
  });
  it('may come as X-Licence-Token where a proxy takes Authorization away', async () => {
    expect((await s.call('GET', '/v1/leases', undefined, { 'x-licence-token': secrets.admin })).status).toBe(200);
  });
  it('are replaced without a restart and without a moment in which neither works', async () => {
    const status = async (token: string) => (await s.call('GET', '/v1/leases', undefined, bearer(token))).status;
    tokens.start();
    const next = 'admin-token-9876543210';
    writeTokens('admin', [secrets.admin, next]);
    await expect.poll(() => status(next), { timeout: 10_000 }).toBe(200);
    expect(await status(secrets.admin)).toBe(200);
    writeTokens('admin', [next]);
    await expect.poll(() => status(secrets.admin), { timeout: 10_000 }).toBe(401);
    writeTokens('admin', [secrets.admin]);
    await expect.poll(() => status(secrets.admin), { timeout: 10_000 }).toBe(200);
    tokens.stop();
  });
  it('that are wrong are refused more and more slowly, good ones never', async () => {
    const answers = [];
    for (let i = 0; i < 40; i++)
      answers.push((await s.call('GET', '/v1/leases', undefined, bearer(`wrong-${i}`))).status);
    expect(answers[0]).toBe(401);
    expect(answers.at(-1)).toBe(429);
    expect((await s.call('GET', '/v1/leases', undefined, bearer(secrets.admin))).status).toBe(200);
  });
  it('never get into a log line', async () => {
    await checkOut({ product: 'erp', holder: { ...holder, user: 'x'.repeat(300) } });
    for (const token of Object.values(secrets)) expect(s.log()).not.toContain(token);
  });
});

it('a request that trickles in is ended, and others are served meanwhile', async () => {
  s.app.server.headersTimeout = 300;
  s.app.server.requestTimeout = 300;
  s.app.server.setTimeout(0);
  const address = await s.app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect(Number(new URL(address).port), '127.0.0.1');
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk;
  });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write('POST /v1/checkouts HTTP/1.1\r\nHost: x\r\n');
  expect((await fetch(`${address}/healthz/ready`)).status).toBe(200);
  await closed;
  expect(said).toContain('408');
}, 60_000);

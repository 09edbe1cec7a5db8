import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { ServerProcess, until } from './support/serverProcess.ts';

// A whole story with every secret planted, at the level that logs most; then everything that was said is searched for them.
const planted = (what: string) => `planted-${what.replaceAll(' ', '-')}-${randomBytes(9).toString('hex')}`;
const secrets: Record<string, string> = {};
const secret = (what: string, value = planted(what)): string => {
  secrets[what] = value;
  return value;
};

let dir: string;
const databases: TestDatabase[] = [];
const running: ServerProcess[] = [];
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'secrets-'));
});
afterAll(async () => {
  await Promise.all(running.map((program) => program.stop('SIGKILL')));
  await Promise.all(databases.map((database) => database.drop()));
  rmSync(dir, { recursive: true });
});

/** Files in a directory below the test's own. */
const files = (name: string, contents: Record<string, string>): string => {
  mkdirSync(join(dir, name), { recursive: true });
  for (const [file, text] of Object.entries(contents)) writeFileSync(join(dir, name, file), text, { mode: 0o600 });
  return join(dir, name);
};
/** A new database, reached with a password in its address. */
const databaseWith = async (template: Parameters<typeof createTestDatabase>[0], password: string): Promise<string> => {
  const database = await createTestDatabase(template);
  databases.push(database);
  const url = new URL(database.url);
  url.password = password;
  return url.href;
};
const start = async (...args: Parameters<typeof ServerProcess.start>) => {
  const program = await ServerProcess.start(...args);
  running.push(program);
  return program;
};

it('no secret is in a log, a metric, a status, the audit or an answer that does not give it out', async () => {
  const tokens = {
    client: secret('client token'),
    admin: secret('admin token'),
    metrics: secret('metrics token'),
    vendor: secret('vendor token'),
    customer: secret('customer token'),
  };
  const said: string[] = [];
  const call = async (program: ServerProcess, token: string, method: string, path: string, body?: unknown) => {
    const answer = await fetch(program.address + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    return { status: answer.status, text, body: text.startsWith('{') ? JSON.parse(text) : undefined };
  };

  const authority = await start(
    {
      LOG_LEVEL: 'trace',
      AUTHORITY_LISTEN: '127.0.0.1:0',
      AUTHORITY_DATA_DIR: join(dir, 'authority'),
      AUTHORITY_TOKENS_DIR: files('vendor', { vendor: tokens.vendor, customer: tokens.customer }),
      DATABASE_URL: await databaseWith(
        { name: 'secrets_empty', prepare: async () => {} },
        secret('authority password'),
      ),
    },
    'authority',
  );
  const issue = async (what: string) => {
    const licence = { organisation: 'Test', product: 'erp', seatLimit: 3 };
    const { status, text, body } = await call(authority, tokens.vendor, 'POST', '/v1/licences', licence);
    if (status !== 201) throw new Error(`no licence was issued: ${text}`);
    secret(what, body.key);
    return body as { key: string; licenceId: string; keyId: string };
  };
  const first = await issue('configured key');
  const second = await issue('installed key');
  const jwks = await (await fetch(`${authority.address}/.well-known/jwks.json`)).text();

  const mistyped = secret('mistyped key', `${second.key.slice(0, -1)}!`);

  const identity = generateKeyPairSync('ed25519').privateKey;
  const pem = String(identity.export({ type: 'pkcs8', format: 'pem' }));
  secret('identity', pem.split('\n')[1]);
  secret('identity as a number', String(identity.export({ format: 'jwk' }).d));
  const server = await start({
    LOG_LEVEL: 'trace',
    LICENCE_LISTEN: '127.0.0.1:0',
    LICENCE_DATA_DIR: join(dir, 'server'),
    LICENCE_KEYS_DIR: files('keys', { erp: first.key, typo: mistyped }),
    LICENCE_TOKENS_DIR: files('tokens', { client: tokens.client, admin: tokens.admin, metrics: tokens.metrics }),
    LICENCE_IDENTITY_FILE: join(files('identity', { 'identity.pem': pem }), 'identity.pem'),
    LICENCE_TRUSTED_KEYS: join(files('trust', { 'jwks.json': jwks }), 'jwks.json'),
    LICENCE_AUTHORITY_URL: authority.address,
    DATABASE_URL: await databaseWith(ledgerTemplate, secret('server password')),
  });
  await until('the configured key to be active', async () => {
    const { body } = await call(server, tokens.admin, 'GET', '/v1/status');
    return body.keys.some((key: { name: string; state: string }) => key.name === 'erp' && key.state === 'Active');
  });

  const admin = (method: string, path: string, body?: unknown) => call(server, tokens.admin, method, path, body);
  const wrong = secret('wrong token');
  const holder = { base: 'b', user: 'anna', host: 'h' };
  const granted = await until('a seat', async () => {
    const answer = await call(server, tokens.client, 'POST', '/v1/checkouts', { product: 'erp', holder, nonce: 'n' });
    return answer.status === 201 && answer;
  });
  const answers = [
    granted,
    await admin('POST', '/v1/keys:check', { key: second.key }),
    await admin('POST', '/v1/keys', { key: second.key }),
    await admin('POST', '/v1/keys', { key: mistyped }),
    await admin('POST', '/v1/keys', `{"key":"${second.key}"`), // no JSON
    await admin('POST', '/v1/keys', { key: second.key, product: 'other' }),
    await call(server, wrong, 'GET', '/v1/status'),
    await call(server, wrong, 'POST', '/v1/checkouts', { product: 'erp', holder }),
    await call(server, tokens.client, 'POST', '/v1/keys', { key: second.key }),
    await call(server, tokens.client, 'GET', `/v1/nothing?token=${wrong}`),
    await admin('DELETE', `/v1/keys/${second.keyId}`),
    await call(authority, wrong, 'POST', '/v1/licences', {}),
    await call(authority, wrong, 'POST', '/v1/activations', { key: second.key }),
    await call(authority, tokens.customer, 'GET', `/v1/keys/${second.keyId}`),
    await call(authority, tokens.vendor, 'POST', `/v1/keys/${second.keyId}:revoke`, { reason: 'test' }),
  ];
  said.push(...answers.map((answer) => answer.text));
  for (const path of [
    '/v1/status',
    '/v1/keys',
    '/v1/audit',
    '/v1/denials',
    '/v1/leases',
    '/openapi.json',
    '/metrics',
  ]) {
    said.push((await admin('GET', path)).text);
  }
  for (const path of ['/v1/licences', '/v1/audit', '/v1/signing-keys', '/metrics', '/openapi.json']) {
    said.push((await call(authority, tokens.vendor, 'GET', path)).text);
  }
  expect(await server.stop()).toBe(0);
  expect(await authority.stop()).toBe(0);

  // programs that cannot reach their database, or cannot read its address, complain; their complaint must not quote it
  const password = secret('password of no database');
  const waits = 'the database cannot be used yet';
  for (const [url, complaint, end] of [
    [`postgres://u:${password}@127.0.0.1:1/none`, waits, 'SIGKILL'],
    [`postgres://u:${password}@:nonsense:/%%`, 'DATABASE_URL has a port that is no number', 2],
    [`postgres://u:1/?${password}@host/name`, 'DATABASE_URL cannot be taken apart', 2],
  ] as const) {
    const env = { LOG_LEVEL: 'trace', DATABASE_URL: url };
    const lost = [
      await start({ ...env, LICENCE_DATA_DIR: join(dir, 'lost'), LICENCE_LISTEN: '127.0.0.1:0' }, 'server', complaint),
      await start(
        { ...env, AUTHORITY_DATA_DIR: join(dir, 'lost authority'), AUTHORITY_LISTEN: '127.0.0.1:0' },
        'authority',
        complaint,
      ),
    ];
    for (const program of lost) {
      expect(program.output).toContain(complaint);
      expect(await (end === 'SIGKILL' ? program.stop(end) : program.exited)).toBe(end);
    }
  }

  const outputs = running.map((program) => program.output);
  // what stands for the secrets is there, so the right things were searched
  expect(outputs.join('')).toContain(first.keyId);
  expect(outputs.join('')).toContain('key activated');
  expect(said.join('')).toContain(second.keyId);
  const forms = (text: string) => [text, text.replaceAll('-', ''), encodeURIComponent(text)];
  const places: Record<string, string> = {
    ...Object.fromEntries(outputs.map((output, i) => [`log ${i + 1}`, output])),
    answers: said.join('\n'),
  };
  const found = Object.entries(secrets).flatMap(([what, value]) =>
    Object.entries(places)
      .filter(([, text]) => forms(value).some((form) => text.toLowerCase().includes(form.toLowerCase())))
      .map(([place]) => `${what} is in the ${place}`),
  );
  expect(found).toEqual([]);
  const size = Object.values(places).reduce((sum, text) => sum + text.length, 0);
  console.log(`${Object.keys(secrets).length} secrets, none in ${size} characters of logs and answers`);
}, 120_000);

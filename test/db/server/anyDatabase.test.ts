import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { poolSetup as authoritySetup } from '../../../authority/database.ts';
import { createAuthority } from '../../../cluster/pki.ts';
import { startPostgres, unprivilegedUser } from '../../../cluster/postgres.ts';
import { databaseAddress } from '../../../runtime/database/address.ts';
import { messageOf } from '../../../runtime/database/fault.ts';
import { Session, setUp } from '../../../runtime/database/session.ts';
import { poolSetup, quickSetup, seatSetup } from '../../../server/seats/seatSql.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { type Computer, createComputer, runServer, ServerProcess, until } from './support/serverProcess.ts';

let computer: Computer;
const made: { readonly role: string; readonly database: TestDatabase }[] = [];
let servers: ServerProcess[] = [];
beforeAll(async () => {
  computer = await createComputer(50);
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop('SIGKILL')));
  servers = [];
  for (const { role, database } of made.splice(0)) {
    await database.drop();
    await as(inject('postgresUrl'), `DROP ROLE ${role}`);
  }
});
afterAll(() => computer.remove());

async function as(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

/** A database of a role that is no superuser and owns nothing else; ROLE and DB in the statements stand for them. */
async function ownDatabase(...statements: readonly string[]) {
  const role = `r${randomBytes(4).toString('hex')}`;
  const database = await createTestDatabase();
  made.push({ role, database });
  await as(database.url, `CREATE ROLE ${role} LOGIN; ALTER DATABASE ${database.name} OWNER TO ${role}`);
  for (const sql of statements) await as(database.url, sql.replaceAll('ROLE', role).replaceAll('DB', database.name));
  const url = new URL(database.url);
  url.username = role;
  return { url: url.href, adminUrl: database.url, role };
}
const start = async (url: string, env: Record<string, string> = {}) => {
  const server = await ServerProcess.start({
    ...computer.env,
    DATABASE_URL: url,
    LICENCE_CLEAR_STALE: 'never',
    ...env,
  });
  servers.push(server);
  return server;
};
const serves = async (server: ServerProcess) => {
  expect(server.address, server.output).not.toBe('');
  const { status, body } = await server.checkOut('anna');
  expect(status).toBe(201);
  expect((await server.call('POST', `/v1/leases/${body.leaseId}/heartbeat`)).status).toBe(200);
  const bases = { sessions: [{ product: 'erp', user: 'vera', host: 'h' }] };
  expect((await server.call('PUT', '/v1/bases/b1/sessions', bases)).status).toBe(200);
  const { leases } = (await server.call('GET', '/v1/leases')).body;
  expect(leases).toHaveLength(2);
  expect(leases[0].acquiredAt).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  expect((await server.call('GET', '/healthz/ready')).status).toBe(200);
};

it.for([
  ['datestyle German', "ALTER DATABASE DB SET datestyle = 'German'"],
  [
    'datestyle SQL, DMY and a time zone',
    "ALTER USER ROLE SET datestyle = 'SQL, DMY'",
    "ALTER USER ROLE SET timezone = 'Asia/Kolkata'",
  ],
  [
    'serializable and short time-outs',
    "ALTER USER ROLE SET default_transaction_isolation = 'serializable'",
    "ALTER USER ROLE SET statement_timeout = '1s'",
    "ALTER USER ROLE SET idle_in_transaction_session_timeout = '1s'",
  ],
])('%s', { timeout: 120_000 }, async ([, ...statements]) => {
  const { url } = await ownDatabase(...statements);
  await serves(await start(url));
});

it('each session sets what it relies on, whatever the role has', async () => {
  const { url } = await ownDatabase(
    "ALTER USER ROLE SET datestyle = 'German'",
    "ALTER USER ROLE SET default_transaction_isolation = 'serializable'",
    'ALTER USER ROLE SET synchronous_commit = off',
    'ALTER USER ROLE SET bytea_output = escape',
    'ALTER USER ROLE SET standard_conforming_strings = off',
    'ALTER USER ROLE SET extra_float_digits = 0',
    'ALTER USER ROLE SET idle_session_timeout = 60000',
  );
  const settings = async (setup: string) => {
    const client = new Session({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    try {
      await setUp(client, setup);
      const names = [
        'DateStyle',
        'default_transaction_isolation',
        'synchronous_commit',
        'bytea_output',
        'standard_conforming_strings',
        'extra_float_digits',
        'idle_session_timeout',
        'statement_timeout',
        'search_path',
      ];
      const { rows } = await client.query('SELECT current_setting(n) AS v FROM unnest($1::text[]) n', [names]);
      return rows.map((r) => r.v);
    } finally {
      await client.end();
    }
  };
  const durable = ['ISO, MDY', 'read committed', 'on', 'hex', 'on', '1', '0', '8s', 'public'];
  expect(await settings(seatSetup)).toEqual(durable);
  expect(await settings(poolSetup)).toEqual(durable);
  expect(await settings(quickSetup)).toEqual(durable.with(2, 'off'));
  expect(await settings(authoritySetup)).toEqual(durable.with(7, '10s'));
});

it("a schema of the role's own: serves, is exported, imported into another such database, and stays the one ledger", async () => {
  const { url, adminUrl, role } = await ownDatabase('CREATE SCHEMA AUTHORIZATION ROLE');
  const server = await start(url);
  await serves(server);
  expect(await server.stop()).toBe(0);
  expect((await as(adminUrl, `SELECT to_regclass('${role}.lease') AS t`)).rows[0].t).not.toBeNull();
  const file = join(computer.dataDir, '..', 'export.tar.gz');
  const env = (to: string) => ({ ...computer.env, DATABASE_URL: to });
  const exported = await runServer(env(url), 'export', file, '--with-identity');
  expect(exported.stderr).toContain('exported 2 seats');
  const looked = await runServer(env(url), 'doctor');
  expect(looked.stdout.toString()).toMatch(
    new RegExp(`ok {4}database .*PostgreSQL \\d+, schema ${role}, 2 seats in use`),
  );

  const other = await ownDatabase('CREATE SCHEMA AUTHORIZATION ROLE');
  const dataDir = mkdtempSync(join(tmpdir(), 'import-'));
  try {
    const imported = await runServer({ ...env(other.url), LICENCE_DATA_DIR: dataDir }, 'import', file);
    expect(imported.stderr).toContain('imported 2 seats');
  } finally {
    rmSync(dataDir, { recursive: true });
  }
  expect((await as(other.adminUrl, `SELECT count(*)::int AS n FROM ${other.role}.lease`)).rows[0].n).toBe(2);
}, 180_000);

it('a schema that is made later under the name of the role hides no ledger', async () => {
  const { url, adminUrl, role } = await ownDatabase();
  const first = await start(url);
  await serves(first);
  expect(await first.stop()).toBe(0);
  await as(adminUrl, `CREATE SCHEMA AUTHORIZATION ${role}`);
  const second = await start(url);
  expect((await second.call('GET', '/v1/leases')).body.leases).toHaveLength(2);
}, 120_000);

it('a database without an encoding keeps every name', { timeout: 120_000 }, async () => {
  const { url, adminUrl, role } = await ownDatabase();
  const name = `ascii_${role}`;
  await as(adminUrl, `CREATE DATABASE ${name} OWNER ${role} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0`);
  const server = await start(url.replace(/[^/]*$/, name));
  const holder = { base: 'Бухгалтерия', user: 'Анна ß', host: 'пк-1', session: '' };
  expect((await server.call('POST', '/v1/checkouts', { product: 'erp', holder })).status).toBe(201);
  const { leases } = (await server.call('GET', '/v1/leases')).body;
  expect(leases).toMatchObject([{ holder }]);
  expect(await server.stop()).toBe(0);
  await as(adminUrl, `DROP DATABASE ${name}`);
});

it.for([
  [
    'WIN1251',
    /its encoding is WIN1251: names outside of it cannot be kept; make another with CREATE DATABASE … ENCODING 'UTF8'/,
  ],
  ['no right', /the role \w+ may make no tables in the schema public; GRANT CREATE ON SCHEMA public/],
  ['no schema', /the search_path of the role \w+ leads to no schema; ALTER ROLE/],
] as const)('refused at start and by the doctor: %s', { timeout: 120_000 }, async ([what, words]) => {
  const { url, adminUrl, role } = await ownDatabase();
  let to = url;
  if (what === 'WIN1251') {
    const name = `win_${role}`;
    await as(adminUrl, `CREATE DATABASE ${name} OWNER ${role} ENCODING 'WIN1251' LOCALE 'C' TEMPLATE template0`);
    to = url.replace(/[^/]*$/, name);
  } else if (what === 'no right') {
    await as(
      adminUrl,
      `ALTER DATABASE ${new URL(url).pathname.slice(1)} OWNER TO postgres; REVOKE CREATE ON SCHEMA public FROM PUBLIC`,
    );
  } else await as(adminUrl, `ALTER ROLE ${role} SET search_path = nowhere`);
  try {
    const server = await start(to);
    expect(await server.exited).toBe(1);
    expect(server.output).toMatch(words);
    expect(server.output).toContain('the database of DATABASE_URL cannot be used');
    const looked = await runServer({ ...computer.env, DATABASE_URL: to }, 'doctor');
    expect(looked.status).toBe(2);
    expect(looked.stdout.toString().split('→')[0]).toMatch(new RegExp(words.source.split(';')[0] ?? ''));
  } finally {
    if (to !== url) await as(adminUrl, `DROP DATABASE win_${role} WITH (FORCE)`);
  }
});

it('two connections only: check-outs work, heartbeats do not, and readiness says why', async () => {
  const { url } = await ownDatabase('ALTER USER ROLE CONNECTION LIMIT 2');
  const server = await start(url);
  const { body } = await until(
    'a seat',
    async () => {
      const taken = await server.checkOut('anna');
      return taken.status < 300 && taken;
    },
    90_000,
  );
  const { status } = await server.call('POST', `/v1/leases/${body.leaseId}/heartbeat`);
  expect(status).toBe(503);
  const told = await until(
    'readiness to fall',
    async () => {
      const answer = await server.call('GET', '/healthz/ready');
      return answer.status === 503 && String(answer.body);
    },
    60_000,
  );
  expect(told).toMatch(/^the database refuses work \(\w+\): too many connections for role/);
}, 180_000);

it('TLS: every sslmode does what libpq does with it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ca-'));
  chmodSync(dir, 0o755);
  const ca = await createAuthority(join(dir, 'ca'));
  chmodSync(join(dir, 'ca'), 0o755);
  const pair = await ca.server('database', 'database', ['DNS:db.example']); // not the name that is asked for
  const [cert, key] = [join(dir, 'server.crt'), join(dir, 'server.key')];
  copyFileSync(pair.cert, cert);
  copyFileSync(pair.key, key);
  chmodSync(key, 0o600);
  const user = unprivilegedUser();
  if (user) for (const file of [cert, key]) chownSync(file, user.uid, user.gid);
  const other = await createAuthority(join(dir, 'other'));
  const postgres = await startPostgres({ ssl: 'on', ssl_cert_file: cert, ssl_key_file: key });
  const plain = inject('postgresUrl');
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  /** true: over TLS; false: without; else why not. */
  const reach = async (url: string, query: string, caFile?: string): Promise<boolean | string> => {
    const client = new Session(databaseAddress(`${url}?${query}`, caFile, {}, 'test').config);
    try {
      await client.connect();
      const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
      return rows[0].ssl;
    } catch (error) {
      return messageOf(error);
    } finally {
      await client.end().catch(() => {});
    }
  };
  try {
    const { adminUrl: tls } = postgres;
    for (const query of ['', 'sslmode=allow', 'sslmode=prefer']) {
      expect(await reach(tls, query), query).toBe(true);
      expect(await reach(plain, query), query).toBe(false);
    }
    expect(await reach(tls, 'sslmode=disable')).toBe(false);
    expect(await reach(tls, 'sslmode=require')).toBe(true);
    expect(await reach(plain, 'sslmode=require')).toMatch(/does not support SSL/);
    expect(await reach(tls, `sslmode=require&sslrootcert=${other.cert}`)).toMatch(
      /unable to verify|signature|self.signed/i,
    );
    expect(await reach(tls, `sslmode=verify-ca&sslrootcert=${ca.cert}`)).toBe(true);
    expect(await reach(tls, 'sslmode=verify-ca', ca.cert)).toBe(true);
    expect(await reach(tls, 'sslmode=verify-ca', other.cert)).toMatch(/unable to verify|signature|self.signed/i);
    expect(await reach(tls, 'sslmode=verify-full', ca.cert)).toMatch(/does not match certificate's altnames/);
    expect(await reach(tls, 'sslmode=verify-full')).toMatch(/unable to (verify|get)|self.signed/i);
    expect(await reach(tls, 'sslmode=verify-full&sslrootcert=system')).toMatch(/unable to (verify|get)|self.signed/i);
    expect(await reach(tls, 'sslmode=verify-full&sslrootcert=/no/ca.crt')).toMatch(/^cannot read \/no\/ca\.crt/);
    expect(warnings).toEqual([]);
  } finally {
    process.off('warning', onWarning);
    await postgres.stop();
    rmSync(dir, { recursive: true });
  }
}, 120_000);

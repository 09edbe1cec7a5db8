import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
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

it('two connections only: who gets none is told to come back, nothing is a fault of the program, and readiness says why', async () => {
  const { url } = await ownDatabase('ALTER USER ROLE CONNECTION LIMIT 2');
  const server = await start(url);
  // Who goes without depends on who came first: seats, heartbeats, lists, or all of them, where the server's own beat and counting have both.
  const nobodys = '01890a5d-ac96-774b-bcce-b302099a8057';
  const heard = new Set<number>();
  await until(
    'some to go without',
    async () => {
      heard.add((await server.call('POST', `/v1/leases/${nobodys}/heartbeat`)).status);
      heard.add((await server.checkOut('anna')).status);
      heard.add((await server.call('GET', '/v1/products')).status);
      return heard.has(503);
    },
    90_000,
  );
  expect([...heard].filter((status) => status >= 500)).toEqual([503]);
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

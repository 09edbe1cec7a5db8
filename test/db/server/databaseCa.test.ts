import { chownSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type CertificateAuthority, createAuthority } from '../../../cluster/pki.ts';
import { type Postgres, startPostgres, unprivilegedUser } from '../../../cluster/postgres.ts';
import { type Computer, createComputer, ServerProcess, until } from './support/serverProcess.ts';

let dir: string;
let one: CertificateAuthority;
let two: CertificateAuthority;
let postgres: Postgres;
let computer: Computer;
let server: ServerProcess | undefined;
const shown = () => join(dir, 'shown');
const caFile = () => join(dir, 'ca.pem');

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'database-ca-'));
  // of the user that PostgreSQL runs as
  mkdirSync(shown(), { mode: 0o711 });
  const user = unprivilegedUser();
  if (user) for (const path of [dir, shown()]) chownSync(path, user.uid, user.gid);
  [one, two] = [await createAuthority(join(dir, 'one')), await createAuthority(join(dir, 'two'))];
  await present(one);
  postgres = await startPostgres({
    ssl: 'on',
    ssl_cert_file: join(shown(), 'tls.crt'),
    ssl_key_file: join(shown(), 'tls.key'),
  });
  computer = await createComputer(50);
});
afterEach(() => server?.stop());
afterAll(async () => {
  await postgres?.stop();
  computer?.remove();
  rmSync(dir, { recursive: true });
});

/** The certificate that PostgreSQL shows from its next reload on. */
async function present(ca: CertificateAuthority): Promise<string> {
  const pair = await ca.server('database', 'database', ['IP:127.0.0.1']);
  const user = unprivilegedUser();
  for (const [from, name] of [
    [pair.cert, 'tls.crt'],
    [pair.key, 'tls.key'],
  ] as const) {
    const to = join(shown(), name);
    copyFileSync(from, to);
    if (user) chownSync(to, user.uid, user.gid);
  }
  return readFileSync(pair.cert, 'utf8');
}
async function sql(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.adminUrl });
  await client.connect();
  await client.query(text).finally(() => client.end());
}
/** All connections of the server end: the next ones look at certificates again. */
const cut = () =>
  sql(
    "SELECT pg_reload_conf(), pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'licence-server'",
  );
const start = async (pem: string, env: Record<string, string> = {}, readyWhen?: string) => {
  writeFileSync(caFile(), pem);
  const own = { DATABASE_URL: postgres.adminUrl, DATABASE_CA: caFile(), PGSSLMODE: 'verify-full', ...env };
  server = await ServerProcess.start({ ...computer.env, LICENCE_CLEAR_STALE: 'never', ...own }, 'server', readyWhen);
  return server;
};
let users = 0;
const serves = (of: ServerProcess) =>
  until('a seat is taken', async () => (await of.checkOut(`user-${++users}`)).status === 201);
const troubleOf = async (of: ServerProcess) => (await of.call('GET', '/v1/status')).body.trouble ?? '';

it('an exchanged authority of the database is taken up without a restart; a file that is none is told, and the last one counts', async () => {
  const running = await start(one.certPem);
  await serves(running);
  await present(two);
  writeFileSync(caFile(), `${one.certPem}${two.certPem}`);
  await cut();
  await serves(running);

  writeFileSync(caFile(), 'half a fi');
  await cut();
  await serves(running);
  expect(await troubleOf(running)).toBe(
    `database: ${caFile()} holds no certificates as PEM; the last sound ones count`,
  );

  writeFileSync(caFile(), two.certPem);
  await cut();
  await serves(running);
  await until('nothing is wrong any more', async () => (await troubleOf(running)) === '');
});

it('the authorities may be the certificate itself, or the whole chain; of another authority it is not believed', async () => {
  const leaf = await present(one);
  await sql('SELECT pg_reload_conf()');
  for (const pem of [leaf, `${leaf}${one.certPem}`]) {
    const running = await start(pem);
    await serves(running);
    await running.stop();
  }
  // the URI's own word counts before PGSSLMODE
  const unchecked = await start(two.certPem, { DATABASE_URL: `${postgres.adminUrl}?sslmode=no-verify` });
  await serves(unchecked);
  await unchecked.stop();
  const refusing = await start(two.certPem, {}, 'the database cannot be used yet');
  expect(refusing.output).toMatch(/certificate/);
});

it('a file that holds no certificates keeps a server from starting, and is named', async () => {
  const running = await start('no certificate', {}, 'the database cannot be used yet');
  expect(running.output).toContain(`${caFile()} holds no certificates as PEM`);
  expect(running.address).toBe('');
});

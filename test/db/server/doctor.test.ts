import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { readConfig } from '../../../runtime/config.ts';
import { lockDirectory } from '../../../runtime/directoryLock.ts';
import { findInstallations, ownerOfData, unprivilegedAccount } from '../../../runtime/postgres/programs.ts';
import { archiveNameOf } from '../../../server/backup/archiveName.ts';
import { examine } from '../../../server/doctor/doctor.ts';
import { checkIdentity } from '../../../server/doctor/fileChecks.ts';
import type { Finding } from '../../../server/doctor/finding.ts';
import { settings } from '../../../server/settings.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { type Computer, createComputer, runServer } from './support/serverProcess.ts';

let database: TestDatabase;
let major: number;
let computer: Computer;
let dir: string;
let licence: string;
const text = (path: string) => readFileSync(path, 'utf8');
const look = (env: Record<string, string> = {}, nowMs = Date.now()) =>
  examine(readConfig(settings, { ...computer.env, ...env }), () => nowMs);
const wrong = (findings: readonly Finding[]): string[] =>
  findings.filter((f) => f.state !== 'ok').map((f) => `${f.state} ${f.check}: ${f.message} → ${f.todo}`);

beforeAll(async () => {
  database = await createTestDatabase(ledgerTemplate);
  major = (await findInstallations()).all[0]?.major ?? 0;
});
afterAll(() => database.drop());
beforeEach(async () => {
  computer = await createComputer(7);
  dir = computer.dataDir;
  licence = join(dir, 'Licence', readdirSync(join(dir, 'Licence'))[0] ?? '');
  chmodSync(dir, 0o700);
});
afterEach(() => computer.remove());

/** As root the tests run PostgreSQL as another user, whose its data are. */
function giveToPostgres(data: string): void {
  const { uid, gid } = ownerOfData(unprivilegedAccount());
  for (const path of [data, ...readdirSync(data).map((name) => join(data, name))]) chownSync(path, uid, gid);
}

/** Everything below the directory, with what a change would change. */
const stamps = () =>
  (readdirSync(dir, { recursive: true }) as string[]).map((name) => {
    const { ino, mtimeMs, mode, size } = statSync(join(dir, name));
    return [name, ino, mtimeMs, mode, size];
  });

it('finds nothing wrong with a sound computer, and changes nothing', async () => {
  lockDirectory(dir, 'licence-server').release(); // there was a server once
  mkdirSync(join(dir, 'postgres', String(major)), { recursive: true });
  writeFileSync(join(dir, 'postgres', String(major), 'PG_VERSION'), `${major}\n`);
  chmodSync(join(dir, 'postgres', String(major)), 0o700);
  giveToPostgres(join(dir, 'postgres', String(major)));
  const before = stamps();
  const findings = await look();
  expect(wrong(findings)).toEqual([]);
  expect(findings.map((f) => f.message)).toContainEqual(expect.stringContaining('7 seats of erp for Test'));
  expect(stamps()).toEqual(before);
  expect(wrong(await look({ DATABASE_URL: database.url }))).toEqual([]);
});

it.each<[string, () => Record<string, string> | undefined, RegExp]>([
  [
    'a directory that is open to all',
    () => void chmodSync(dir, 0o777),
    /fail data-directory: .* by everybody \(0777\) → chmod 700/,
  ],
  [
    'no directory',
    () => ({ LICENCE_DATA_DIR: join(dir, 'none') }),
    /warn data-directory: .* is not there → .* name it in LICENCE_DATA_DIR/,
  ],
  [
    'a file in the place of Licence',
    () => {
      rmSync(join(dir, 'Licence'), { recursive: true });
      writeFileSync(join(dir, 'Licence'), '');
    },
    /fail data-directory: .*Licence is no directory/,
  ],
  [
    'an import that was cut short',
    () => void mkdirSync(join(dir, 'import.ready')),
    /warn data-directory: an import .* → start the server/,
  ],
  ['no PostgreSQL', () => ({ LICENCE_POSTGRES_BIN: '/nowhere' }), /fail postgres: no PostgreSQL was found/],
  [
    'data of a PostgreSQL that is not installed',
    () => void mkdirSync(join(dir, 'postgres', '9'), { recursive: true }),
    /fail postgres: the data is of PostgreSQL 9, and only a PostgreSQL 9 can read them, which is not here .* → .* LICENCE_POSTGRES_BIN/,
  ],
  [
    'data that a newer PostgreSQL will take over',
    () => {
      mkdirSync(join(dir, 'postgres', '9'), { recursive: true });
      writeFileSync(join(dir, 'postgres', '9.dump'), '');
    },
    /warn postgres: the next start takes the data of 9 over .* → export before/,
  ],
  [
    'data with rights for a group, as a kubelet gives them',
    () => {
      const data = join(dir, 'postgres', String(major));
      mkdirSync(data, { recursive: true });
      giveToPostgres(data);
      chmodSync(data, 0o2770);
    },
    /warn postgres-rights: .*postgres\/\d+ has the rights 2770, which PostgreSQL refuses → the next start puts it right/,
  ],
  [
    'data of another user, as a restore may make them',
    () => {
      const data = join(dir, 'postgres', String(major));
      mkdirSync(data, { recursive: true });
      writeFileSync(join(data, 'PG_VERSION'), `${major}\n`);
      giveToPostgres(data);
      chownSync(join(data, 'PG_VERSION'), 54_321, 54_321);
    },
    /fail postgres-rights: .*PG_VERSION belongs to user 54321, and PostgreSQL runs as user \d+ → chown -R \d+:\d+ '/,
  ],
  [
    'data in the directory of another major',
    () => {
      mkdirSync(join(dir, 'postgres', String(major)), { recursive: true });
      writeFileSync(join(dir, 'postgres', String(major), 'PG_VERSION'), '9');
    },
    /fail postgres: the data in \d+ say that they are of PostgreSQL 9/,
  ],
  [
    'a database that is not there',
    () => ({ DATABASE_URL: 'postgres://127.0.0.1:1/x' }),
    /fail database: it cannot be used: connect ECONNREFUSED .* → correct DATABASE_URL/,
  ],
  [
    'an identity for all to read',
    () => void chmodSync(join(dir, 'identity.pem'), 0o644),
    /warn identity: .*can be read by others \(0644\).* → chmod 600/,
  ],
  [
    'a lost identity',
    () => void rmSync(join(dir, 'identity.pem')),
    /fail identity: .*is not there → put it back from a backup/,
  ],
  [
    'an identity that is none',
    () => void writeFileSync(join(dir, 'identity.pem'), 'x'),
    /fail identity: .*is no Ed25519 private key/,
  ],
  ['no trusted keys', () => ({ LICENCE_TRUSTED_KEYS: '/nowhere' }), /fail trusted-keys: .*cannot be read \(ENOENT\)/],
  ['no activation', () => void rmSync(licence), /warn activations: there is none/],
  [
    'a damaged activation',
    () => void writeFileSync(licence, `${text(licence)}x`),
    /fail activations: .*\(ActivationDamaged\)/,
  ],
  [
    'an activation under another name',
    () => void renameSync(licence, join(dir, 'Licence', 'a.lic')),
    /fail activations: .*a\.lic is of key \w{12}/,
  ],
  [
    'a key with a typing error',
    () => ({ LICENCE_KEYS_DIR: fileIn('head-office', 'SL-1') }),
    /fail configured-keys: .*head-office/,
  ],
  ['a keys directory that is not there', () => ({ LICENCE_KEYS_DIR: '/nowhere' }), /fail configured-keys: .*ENOENT/],
  [
    'an authority that is away',
    () => ({ LICENCE_AUTHORITY_URL: 'http://127.0.0.1:1' }),
    /warn authority: .* cannot be reached .* → what is activated serves without it/,
  ],
  [
    'a clock that was set back',
    () => void writeFileSync(join(dir, 'settings.json'), JSON.stringify({ latestSeenAt: '2100-01-01T00:00:00.000Z' })),
    /fail clock: .*2100-01-01T00:00:00Z has been seen → set it/,
  ],
  [
    'a damaged settings.json',
    () => void writeFileSync(join(dir, 'settings.json'), '{'),
    /warn settings-file: .*settings.json cannot be used/,
  ],
  [
    'no admin token',
    () => ({ LICENCE_ACCESS: 'token', LICENCE_TOKENS_DIR: fileIn('client', 'a-token-of-a-client') }),
    /fail tokens: .*admin has no token: the server does not start/,
  ],
  [
    'a short token',
    () => ({ LICENCE_ACCESS: 'token', LICENCE_TOKENS_DIR: fileIn('admin', 'short') }),
    /warn tokens: .*admin has a token shorter than 16/,
  ],
  [
    'open access from everywhere',
    () => ({ LICENCE_LISTEN: '0.0.0.0:0' }),
    /warn tokens: access is open: whoever reaches 0\.0\.0\.0/,
  ],
  ['no certificate', () => ({ LICENCE_TLS_DIR: '/nowhere' }), /fail certificate: cannot read .*tls\.crt/],
  [
    'an address of another computer',
    () => ({ LICENCE_LISTEN: '192.0.2.1:8080' }),
    /fail port: .*EADDRNOTAVAIL.* → set LICENCE_LISTEN/,
  ],
])('finds %s', async (_name, plant, expected) => {
  expect(wrong(await look(plant() ?? {}))).toContainEqual(expect.stringMatching(expected));
});

/** A directory with one file. */
function fileIn(name: string, content: string): string {
  const made = mkdtempSync(join(tmpdir(), 'doctor-'));
  temporary.push(made);
  writeFileSync(join(made, name), content);
  return made;
}
const temporary: string[] = [];
afterEach(() => {
  for (const made of temporary.splice(0)) rmSync(made, { recursive: true });
});

it('takes a port in use for the server that runs, and else for another program', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.on('listening', resolve));
  const env = { LICENCE_LISTEN: `127.0.0.1:${(other.address() as AddressInfo).port}`, DATABASE_URL: database.url };
  expect(wrong(await look(env))).toEqual([expect.stringMatching(/^fail port: .*is in use → stop the other program/)]);
  const lock = lockDirectory(dir, 'licence-server');
  const findings = await look(env);
  expect(wrong(findings)).toEqual([]);
  expect(findings.map((f) => f.message)).toContainEqual(
    expect.stringMatching(`a server runs on it .process ${process.pid} on`),
  );
  lock.release();
  other.close();
});

it('compares clock and keys with the authority', async () => {
  let [body, date] = [text(computer.env.LICENCE_TRUSTED_KEYS ?? ''), new Date()];
  const authority = createServer((_request, answer) => {
    answer.setHeader('date', date.toUTCString());
    answer.end(body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => authority.on('listening', resolve));
  const env = { LICENCE_AUTHORITY_URL: `http://127.0.0.1:${(authority.address() as AddressInfo).port}` };
  expect(wrong(await look(env))).toEqual([]);
  date = new Date(Date.now() - 3_600_000);
  body = body.replace('"v1"', '"v2"');
  expect(wrong(await look(env))).toEqual([
    expect.stringMatching(/^warn authority: it signs with keys that are not trusted: v2 → save/),
    expect.stringMatching(/^fail clock: it is 3\d\d\d s away from the authority's → set it/),
  ]);
  body = '<html>';
  expect(wrong(await look(env))).toContainEqual(expect.stringMatching(/^fail authority: .*not as an authority does/));
  authority.close();
});

it('judges activations by the clock', async () => {
  expect(wrong(await look({}, Date.parse('2025-06-01T00:00:00Z')))).toContainEqual(
    expect.stringMatching(/^fail activations: .*\(ActivationFromFuture\)/),
  );
});

it('finds a database of a newer version, and takes an empty one for a new one', async () => {
  await using empty = await createTestDatabase();
  expect((await look({ DATABASE_URL: empty.url })).find((f) => f.check === 'database')?.message).toMatch(
    /^PostgreSQL \d+, empty; the first start makes the tables$/,
  );
  await using newer = await createTestDatabase(ledgerTemplate);
  const client = new pg.Client({ connectionString: newer.url });
  await client.connect();
  await client.query("INSERT INTO migration (name, hash) VALUES ('999-future.sql', 'x')");
  await client.end();
  expect(wrong(await look({ DATABASE_URL: newer.url }))).toEqual([
    expect.stringMatching(/^fail database: it has the migration 999-future\.sql .* → use a newer version/),
  ]);
});

it('is a command with an exit status of its own, in text and JSON', async () => {
  const env = { ...computer.env, DATABASE_URL: database.url };
  const sound = await runServer(env, 'doctor');
  expect(sound).toMatchObject({ status: 0, stderr: '' });
  expect(sound.stdout.toString()).toMatch(/^ok {4}environment .*\n[\s\S]* ok, 0 to look at, 0 wrong\n$/);
  rmSync(licence);
  const warned = await runServer(env, 'doctor', '-o', 'json');
  expect(warned.status).toBe(1);
  const { findings }: { findings: Finding[] } = JSON.parse(warned.stdout.toString());
  expect(findings.filter((f) => f.state !== 'ok').map((f) => f.check)).toEqual(['activations']);
  expect(await runServer({ ...env, LICENCE_ACESS: 'open' }, 'doctor')).toMatchObject({ status: 2, stderr: '' });
  expect(await runServer(env, 'doctor', '-o', 'xml')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('text or json'),
  });
});

it('looks into the place of the backups, puts nothing there, and says how old the newest is', async () => {
  const place = mkdtempSync(join(tmpdir(), 'backups '));
  const nightly = { LICENCE_BACKUP_DIR: place, LICENCE_BACKUP_SCHEDULE: '0 3 * * *' };
  const ofBackups = async (env: Record<string, string>, nowMs?: number) => {
    const [finding] = (await look(env, nowMs)).filter((f) => f.check === 'backups');
    return finding && [finding.state, finding.message];
  };
  expect(await ofBackups({})).toBeUndefined();
  expect(await ofBackups(nightly)).toEqual(['warn', `none of this computer is in ${place}`]);
  expect(readdirSync(place)).toEqual([]);
  const { identity } = await checkIdentity(readConfig(settings, computer.env));
  const name = archiveNameOf(identity?.fingerprint ?? '', Date.parse('2030-01-01T03:00:00Z'), false);
  writeFileSync(join(place, name), 'content');
  const said = `1 of this computer in ${place}, the newest of 2030-01-01T03:00:00Z (${name}, 7 bytes)`;
  expect(await ofBackups(nightly, Date.parse('2030-01-01T20:00:00Z'))).toEqual(['ok', said]);
  expect(await ofBackups(nightly, Date.parse('2030-01-03T20:00:00Z'))).toEqual([
    'warn',
    `${said}; the next one is overdue`,
  ]);
  rmSync(place, { recursive: true });
  expect(await ofBackups(nightly)).toEqual(['fail', expect.stringContaining(place)]);
  expect(await ofBackups({ LICENCE_BACKUP_SCHEDULE: '0 3 * * *' })).toEqual([
    'fail',
    'LICENCE_BACKUP_SCHEDULE is set, and no place for backups',
  ]);
});

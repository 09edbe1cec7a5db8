import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRetired } from '../../../runtime/retiredMigrations.ts';
import { migrationsDir } from '../../../server/db/database.ts';
import { verifyArchive } from '../../../server/transfer/archive.ts';
import { exportServer } from '../../../server/transfer/exportServer.ts';
import { finishImport, importServer } from '../../../server/transfer/importServer.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { startSeatServer } from './support/seatServer.ts';
import { type Computer, createComputer, postgresOf, runServer, ServerProcess, until } from './support/serverProcess.ts';

const log = pino({ level: 'silent' });
const named = { product: 'zup', seatLimit: 2, countBy: 'user', reassignAfterDays: 30 } as const;
let computer: Computer;
let database: TestDatabase;
let dir: string;
/** Exports with everything, and with no secret. */
let file: string;
let plain: string;
const heldBy: Record<string, string> = {};

/** An empty data directory of the test's own, with what is given in it. */
const emptyDir = (files: Record<string, string> = {}): string => {
  const made = mkdtempSync(join(dir, 'target '));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(made, name, '..'), { recursive: true });
    writeFileSync(join(made, name), text);
  }
  return made;
};
const exportTo = (to: string, secrets = false) =>
  exportServer(
    {
      dataDir: computer.dataDir,
      databaseUrl: database.url,
      withIdentity: secrets,
      withTokens: secrets,
      file: to,
      version: '0.0.0',
    },
    log,
  );
/** Every row of every table but those of the running itself, and the sequences. */
async function contentOf(url: string): Promise<Record<string, unknown>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query("SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public' ORDER BY 1");
  const content: Record<string, unknown> = {};
  for (const { t } of rows.filter((r) => r.t !== 'replica')) {
    const columns = t === 'migration' ? 'name, hash' : '*';
    const all = await client.query(`SELECT row_to_json(x)::text AS r FROM (SELECT ${columns} FROM ${t}) x ORDER BY 1`);
    content[t] = all.rows.map((r) => r.r);
  }
  content.sequences = (await client.query('SELECT sequencename, last_value FROM pg_sequences ORDER BY 1')).rows;
  await client.end();
  return content;
}

beforeAll(async () => {
  computer = await createComputer(5);
  mkdirSync(join(computer.dataDir, 'tokens'));
  writeFileSync(join(computer.dataDir, 'tokens', 'admin'), 'an-admin-token-of-a-test\n');
  writeFileSync(join(computer.dataDir, 'settings.json'), '{"keys":{}}');
  dir = mkdtempSync(join(tmpdir(), 'transfer-'));
  file = join(dir, 'export.tar.gz');
  plain = join(dir, 'plain.tar.gz');
  database = await createTestDatabase(ledgerTemplate);
  const server = await startSeatServer(database.url, {
    licences: [{ seatLimit: 5 }, named],
    reservations: [{ users: ['anna'] }],
  });
  for (const user of ['anna', 'борис', '"quoted" \\n']) heldBy[user] = (await server.checkOut(user)).body.leaseId;
  await server.call('POST', '/v1/assignments:change', { product: 'zup', assign: ['Анна', 'boris'] });
  heldBy.named = (await server.checkOut('анна', { product: 'zup', mode: 'sticky' })).body.leaseId;
  heldBy.sticky = (await server.checkOut('sticky', { mode: 'sticky' })).body.leaseId;
  await server.report('trade', ['vera']);
  expect((await server.checkOut('refused')).status).toBe(409);
  await server.call('POST', '/v1/stale:release', { reason: 'to have an act' });
  await until('the refusal to be on record', async () => (await server.call('GET', '/v1/denials')).body.denials[0]);
  await until('both acts to be on record', async () => (await server.call('GET', '/v1/audit')).body.acts[1]);
  await server.usage.sample();
  await server.stop();
  await exportTo(file, true);
  await exportTo(plain);
});
afterAll(async () => {
  await until('PostgreSQL to end', async () => postgresOf(dir).length === 0);
  await database.drop();
  computer.remove();
  rmSync(dir, { recursive: true, force: true });
});

describe('an export', () => {
  it('is one file for its owner alone that tar can list, with the identity and the tokens only when that was said', async () => {
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const names = execFileSync('tar', ['tzf', file], { encoding: 'utf8' }).trim().split('\n');
    expect(names).toEqual(
      expect.arrayContaining(['identity.pem', 'tokens/admin', 'settings.json', 'tables/lease/000001.jsonl']),
    );
    expect(names.at(-1)).toBe('manifest.json');
    expect(await verifyArchive(file)).toMatchObject({
      tables: { lease: 6, assignment: 2, denial: 1, audit: 2, usage: 6 },
    });
    const content = gunzipSync(readFileSync(plain)).toString('latin1');
    expect(content).not.toMatch(/PRIVATE KEY|identity\.pem|an-admin-token/);
  });

  it('never takes the place of a file and leaves no draft', async () => {
    const was = readFileSync(file);
    await expect(exportTo(file)).rejects.toThrow(`${file} exists already; choose another name`);
    expect(readFileSync(file)).toEqual(was);
    await expect(exportTo(join(dir, 'no such folder', 'x'))).rejects.toThrow('ENOENT');
    expect(readdirSync(dir).filter((n) => n.startsWith('.'))).toEqual([]);
  });

  it('of what is no ledger says so', async () => {
    await using other = await createTestDatabase();
    const asked = {
      dataDir: computer.dataDir,
      withIdentity: false,
      withTokens: false,
      version: '',
      file: join(dir, 'x'),
    };
    await expect(exportServer({ ...asked, databaseUrl: other.url }, log)).rejects.toThrow('holds no ledger');
    await expect(exportServer(asked, log)).rejects.toThrow(`there is no database in ${computer.dataDir}`);
    await expect(exportServer({ ...asked, databaseUrl: 'postgres://127.0.0.1:1/x' }, log)).rejects.toThrow(
      'the database cannot be reached',
    );
    expect(existsSync(asked.file)).toBe(false);
  });
});

describe('an import', () => {
  it('into another database is the same, row for row, and goes on counting', async () => {
    await using target = await createTestDatabase();
    const dataDir = emptyDir();
    const before = await contentOf(database.url);
    expect((before.lease as unknown[]).length).toBe(6);
    await importServer({ dataDir, databaseUrl: target.url, file }, log);
    expect(await contentOf(target.url)).toEqual(before);
    for (const name of ['identity.pem', 'settings.json', 'tokens/admin', ...licencesOf(computer.dataDir)]) {
      expect(readFileSync(join(dataDir, name))).toEqual(readFileSync(join(computer.dataDir, name)));
      expect(statSync(join(dataDir, name)).mode & 0o777).toBe(0o600);
    }
    const server = await startSeatServer(target.url, { licences: [{ seatLimit: 5 }, named] });
    for (const leaseId of Object.values(heldBy)) {
      expect((await server.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
    }
    expect((await server.checkOut('anna')).body.leaseId).toBe(heldBy.anna);
    expect((await server.checkOut('АННА', { product: 'zup', mode: 'sticky' })).body.leaseId).toBe(heldBy.named);
    expect((await server.checkOut('vera', { product: 'zup' })).body.reason).toBe('NotAssigned');
    const move = { product: 'zup', assign: ['vera'], remove: ['boris'] };
    expect((await server.call('POST', '/v1/assignments:change', move)).body.reason).toBe('ReassignedTooEarly');
    await server.call('POST', '/v1/stale:release', { reason: 'another act' });
    const acts = await until('the act after the import', async () => {
      const { acts } = (await server.call('GET', '/v1/audit')).body;
      return acts[0].reason === 'another act' && acts;
    });
    expect(acts[0].id).toBeGreaterThan(acts[1].id);
    await server.stop();
    await expect(importServer({ dataDir: emptyDir(), databaseUrl: target.url, file }, log)).rejects.toThrow(
      'has tables already; an import goes into an empty one',
    );
  });

  it('of an export of an older version brings its schema up to date', async () => {
    const older = join(dir, 'older.tar.gz');
    const { migrations } = await verifyArchive(file);
    const later = ['denial_tally', 'ledger_owner', 'base_owner', 'outage', 'seat', 'tally', 'assignment'];
    const ofLater = new RegExp(`^tables/(${later.join('|')})/`);
    const asItWas = (told: Told) => {
      // what the build before the functions had files of their own told of itself
      told.migrations = [...migrations.slice(0, 1), ...readRetired(migrationsDir).filter(({ name }) => name < '008')];
      for (const table of later) delete told.tables[table];
      told.entries = told.entries.filter(({ name }) => !ofLater.test(name));
    };
    await repack(older, asItWas, [], ofLater);
    await using target = await createTestDatabase();
    await importServer({ dataDir: emptyDir(), databaseUrl: target.url, file: older }, log);
    expect((await contentOf(target.url)).migration).toHaveLength(migrations.length);
  });

  it('that was killed between two moves is ended by the next start', () => {
    const dataDir = emptyDir({
      'import.ready/Licence/a.lic': 'a',
      'import.ready/identity.pem': 'i',
      'postgres/15/x': 'p',
    });
    mkdirSync(join(dataDir, 'Licence')); // a start has made it
    finishImport(dataDir);
    expect(contents(dataDir)).toEqual([
      'Licence',
      'Licence/a.lic',
      'identity.pem',
      'postgres',
      'postgres/15',
      'postgres/15/x',
    ]);
  });

  it('by the program makes a stopped data directory the same computer; a running and a stopped one can be exported', async () => {
    const dataDir = emptyDir();
    const env = { ...computer.env, LICENCE_DATA_DIR: dataDir, LICENCE_CLEAR_STALE: 'never' };
    expect(await runServer(env, 'import', file)).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^imported 6 seats and 1 activations of sha256:/),
    });
    const server = await ServerProcess.start(env);
    try {
      const { fingerprint, keys, products } = (await server.call('GET', '/v1/status')).body;
      expect({ fingerprint, state: keys[0].state, inUse: products[0].seatsInUse }).toEqual({
        fingerprint: (await verifyArchive(file)).fingerprint,
        state: 'Active',
        inUse: 5,
      });
      for (const leaseId of Object.values(heldBy)) {
        expect((await server.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
      }
      const streamed = await runServer(env, 'export', '-', '--with-identity');
      writeFileSync(join(dir, 'streamed.tar.gz'), streamed.stdout);
      expect(await verifyArchive(join(dir, 'streamed.tar.gz'))).toMatchObject({ fingerprint, tables: { lease: 6 } });
      expect(await runServer(env, 'import', file)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('is in use by another licence-server'),
      });
    } finally {
      await server.stop();
    }
    const stopped = join(dir, 'stopped.tar.gz');
    expect(await runServer(env, 'export', stopped)).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('keep identity.pem of this computer'),
    });
    expect(await verifyArchive(stopped)).toMatchObject({ tables: { lease: 6 } });
    expect(postgresOf(dataDir)).toEqual([]);
  }, 240_000);
});

describe('an import that is refused changes nothing', () => {
  let target: TestDatabase;
  beforeAll(async () => {
    target = await createTestDatabase();
  });
  afterAll(() => target.drop());
  const refused = async (dataDir: string, archive: string, message: string | RegExp) => {
    const was = contents(dataDir);
    await expect(importServer({ dataDir, databaseUrl: target.url, file: archive }, log)).rejects.toThrow(message);
    expect(contents(dataDir)).toEqual(was);
    expect(await contentOf(target.url)).toEqual({ sequences: [] });
  };

  it.each(['Licence/x.lic', 'settings.json', 'tokens/admin'])('where there is %s already', async (name) => {
    await refused(
      emptyDir({ [name]: 'x' }),
      file,
      `it has ${name.split('/')[0]}; an import goes into an empty directory`,
    );
  });
  it('where there is a database already', async () => {
    const dataDir = emptyDir({ 'postgres/15/PG_VERSION': '15' });
    await expect(importServer({ dataDir, file }, log)).rejects.toThrow('it has postgres; an import goes into an empty');
  });

  it('on another computer, and where nobody knows which', async () => {
    const other = await createComputer(1);
    const identity = readFileSync(join(other.dataDir, 'identity.pem'), 'utf8');
    other.remove();
    await refused(emptyDir({ 'identity.pem': identity }), file, /is the identity of sha256:.*the export is of sha256:/);
    await refused(emptyDir(), plain, /has no identity.*export again with --with-identity/);
    await using another = await createTestDatabase();
    const own = emptyDir({ 'identity.pem': readFileSync(join(computer.dataDir, 'identity.pem'), 'utf8') });
    await importServer({ dataDir: own, databaseUrl: another.url, file: plain }, log);
  });

  it('when the file is damaged: cut off, a bit turned, an entry changed, added or left out, of another kind', async () => {
    const damaged = join(dir, 'damaged.tar.gz');
    const whole = readFileSync(file);
    const tar = gunzipSync(whole);
    const attempt = async (content: Buffer | string, message: RegExp) => {
      writeFileSync(damaged, content);
      await refused(emptyDir(), damaged, message);
    };
    await attempt(whole.subarray(0, -200), /damaged\.tar\.gz cannot be used: .*; take another export/);
    const turned = Buffer.from(whole);
    turned[whole.length >> 1] = (turned[whole.length >> 1] ?? 0) ^ 0x10;
    await attempt(turned, /damaged\.tar\.gz cannot be used/);
    const forged = Buffer.from(tar); // a sound file of somebody else's seat
    expect(forged.write('ANNA', tar.indexOf('anna'))).toBe(4);
    await attempt(gzipSync(forged), /is not what was exported/);
    await attempt('no archive at all', /cannot be used/);
    await attempt('', /cannot be used/);
    rmSync(damaged);
    await refused(emptyDir(), damaged, /cannot read .*ENOENT/);

    await repack(damaged, (told) => told.entries.pop());
    await refused(emptyDir(), damaged, /its manifest does not name tokens\/admin/);
    await repack(damaged, (told) => told.entries.push({ name: 'Licence/b.lic', size: 1, sha256: '' }));
    await refused(emptyDir(), damaged, /Licence\/b\.lic is missing in it/);
    await repack(damaged, () => {}, ['evil']);
    await refused(emptyDir(), damaged, /it holds "evil", which no export does/);
    await repack(damaged, (told) => {
      told.tables.lease = 7;
    });
    await refused(emptyDir(), damaged, /has 6 of 7 rows of lease/);
  });

  it('when the export is of a newer version', async () => {
    const newer = join(dir, 'newer.tar.gz');
    await repack(newer, (told) => {
      told.version = '9.9.9';
      told.migrations.push({ name: '999-future.sql', hash: 'x' });
    });
    await refused(emptyDir(), newer, /of version 9\.9\.9 and has the migration 999-future\.sql/);
  });
});

const licencesOf = (dataDir: string): string[] => readdirSync(join(dataDir, 'Licence')).map((n) => `Licence/${n}`);
/** The names in a directory, without the lock. */
const contents = (path: string): string[] =>
  (readdirSync(path, { recursive: true }) as string[]).filter((n) => !n.startsWith('licence-server.')).sort();

interface Told {
  version: string;
  migrations: { name: string; hash: string }[];
  tables: Record<string, number>;
  entries: { name: string; size: number; sha256: string }[];
}
/** The export with another manifest, and with files that are not in it. */
async function repack(
  to: string,
  change: (told: Told) => unknown,
  more: readonly string[] = [],
  less?: RegExp,
): Promise<void> {
  const stage = mkdtempSync(join(dir, 'stage-'));
  execFileSync('tar', ['xzf', file, '-C', stage]);
  const manifest = join(stage, 'manifest.json');
  const told: Told = JSON.parse(readFileSync(manifest, 'utf8'));
  const entries = told.entries.map((e) => e.name).filter((name) => less?.test(name) !== true);
  change(told);
  writeFileSync(manifest, JSON.stringify(told));
  for (const name of more) writeFileSync(join(stage, name), 'x');
  execFileSync('tar', ['czf', to, '-C', stage, ...entries, ...more, 'manifest.json']);
}

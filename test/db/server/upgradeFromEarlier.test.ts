import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { upgradedFrom } from '../../../cluster/earlier.ts';
import { verifyArchive } from '../../../server/transfer/archive.ts';
import { importServer } from '../../../server/transfer/importServer.ts';
import { orSkipped } from '../../support/orSkipped.ts';
import { createTestDatabase } from '../../support/testDatabase.ts';
import { earlierSources } from './support/earlierSources.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { startSeatServer } from './support/seatServer.ts';
import { createComputer, postgresOf, ServerProcess, until } from './support/serverProcess.ts';

// What people have is upgraded: an export that the build of 324d1f7 made of itself, with all that it answered then; a data directory that it leaves; and
// its client programs go on. The export is of a running server with tokens and identity (of a test's own vendor and computer): seats of all kinds, names with
// capitals and beyond ASCII, a reservation, seats that were given back by each cause, refusals of each reason, somebody in the queue, acts, usage, three keys.

const stored = join(import.meta.dirname, 'support', 'export-324d1f7');
const file = `${stored}.tar.gz`;
type Row = Record<string, unknown>;
const { jwks, answers } = JSON.parse(readFileSync(`${stored}.json`, 'utf8')) as {
  jwks: unknown;
  answers: Record<string, unknown>;
};
const log = pino({ level: 'silent' });
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'upgrade-'));
});
afterAll(async () => {
  await until('PostgreSQL to end', async () => postgresOf(dir).length === 0);
  rmSync(dir, { recursive: true, force: true });
});

const entry = (name: string) => execFileSync('tar', ['xzOf', file, name], { encoding: 'utf8' });
const rowsOf = (table: string): Row[] =>
  entry(`tables/${table}/000001.jsonl`)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
async function connected(url: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}
const sorted = (rows: readonly Row[]) => rows.map((row) => JSON.stringify(row)).sort();

describe('an export of the build that people have', () => {
  it('comes into a database of now row for row, and the server of now answers of it what the earlier one did', async () => {
    await using database = await createTestDatabase();
    const dataDir = mkdtempSync(join(dir, 'imported-'));
    await importServer({ dataDir, databaseUrl: database.url, file }, log);
    await using client = await connected(database.url);
    const { tables } = await verifyArchive(file);
    const told = Object.entries(tables).filter(([, n]) => n > 0);
    expect(told.map(([table]) => table).sort()).toEqual([
      'audit',
      'base',
      'cluster',
      'denial',
      'event',
      'lease',
      'pool',
      'usage',
      'waiter',
    ]);
    for (const [table, n] of told) {
      const then = rowsOf(table);
      expect([table, then.length]).toEqual([table, n]);
      const columns = Object.keys(then[0] ?? {});
      const { rows } = await client.query(
        `SELECT row_to_json(x) AS r FROM (SELECT ${columns.join(', ')} FROM ${table}) x`,
      );
      expect(sorted(rows.map(({ r }) => r))).toEqual(sorted(then));
    }

    // as if it were of a moment ago
    const shiftMs = Date.now() - Date.parse((answers['/v1/leases?limit=100'] as Told).leases[0]?.renewedAt ?? '');
    const times = await client.query<{ t: string; c: string }>(
      `SELECT table_name AS t, column_name AS c FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND data_type = 'timestamp with time zone' AND table_name NOT IN ('usage', 'migration', 'cluster')`,
    );
    for (const { t, c } of times.rows) await client.query(`UPDATE ${t} SET ${c} = ${c} + ${shiftMs} * interval '1 ms'`);
    const later = (value: unknown): unknown => {
      if (typeof value === 'string') {
        return value.replace(/\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z/g, (at) =>
          new Date(Date.parse(at) + shiftMs).toISOString(),
        );
      }
      if (Array.isArray(value)) return value.map(later);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, later(v)]));
    };

    writeFileSync(join(dir, 'jwks.json'), JSON.stringify(jwks));
    const server = await ServerProcess.start({
      DATABASE_URL: database.url,
      LICENCE_DATA_DIR: dataDir,
      LICENCE_TRUSTED_KEYS: join(dir, 'jwks.json'),
      LICENCE_LISTEN: '127.0.0.1:0',
      LICENCE_ACCESS: 'token',
      LICENCE_LEASE_SECONDS: '3600',
      LICENCE_HISTORY_DAYS: '3650',
      LICENCE_CLEAR_STALE: 'never',
      LICENCE_RESERVATIONS: JSON.stringify([{ name: 'chief', product: 'erp', seats: 1, users: ['chief'] }]),
    });
    try {
      const ask = async (path: string) => {
        const authorization = `Bearer ${entry('tokens/admin').trim()}`; // the old one still opens
        const answer = await fetch(server.address + path, { headers: { authorization } });
        expect([path, answer.status]).toEqual([path, 200]);
        const text = await answer.text();
        return text.startsWith('{') ? JSON.parse(text) : text;
      };
      for (const path of ['/v1/leases?limit=100', '/v1/keys', '/v1/identity', '/v1/denials', '/v1/audit'])
        expect([path, await ask(path)]).toMatchObject([path, later(answers[path])]);
      const { products } = await ask('/v1/products');
      expect(products).toMatchObject(
        (answers['/v1/products'] as { products: object[] }).products.map((p) => ({
          ...p,
          // who waits in the queue stands there again when its program asks again
          queueLength: expect.any(Number),
          holdersWaiting: expect.any(Number),
        })),
      );
      // tables have paths of their own since, and more columns
      for (const path of ['/v1/leases?format=csv', '/v1/denials?format=csv']) {
        const lines = String(await ask(path.replace('?format=csv', '.csv'))).split('\r\n');
        const then = String(later(answers[path])).split('\r\n');
        const [columns = '', ...before] = then.map((line) => line.split(','));
        const now = lines.map((line) => line.split(','));
        const at = (columns as string[]).map((column) => now[0]?.indexOf(column) ?? -1);
        expect(at).not.toContain(-1);
        expect(now.slice(1).map((row) => (row.length < 2 ? row : at.map((i) => row[i])))).toEqual(before);
      }
      // a client that held a seat goes on holding it
      for (const { leaseId, mode } of (answers['/v1/leases?limit=100'] as Told).leases) {
        if (mode !== 'leased') continue;
        const authorization = `Bearer ${entry('tokens/client').trim()}`;
        const beat = await fetch(`${server.address}/v1/leases/${leaseId}/heartbeat`, {
          method: 'POST',
          headers: { authorization },
        });
        expect(beat.status).toBe(200);
      }
    } finally {
      await server.stop();
    }
  });
});

interface Told {
  readonly leases: readonly { readonly leaseId: string; readonly mode: string; readonly renewedAt: string }[];
}

const sources = await orSkipped(earlierSources(upgradedFrom));
afterAll(() => {
  if (sources !== undefined) rmSync(sources, { recursive: true, force: true });
});

describe.skipIf(sources === undefined)('what the build that people have leaves', () => {
  it('a data directory is taken over as it lies there: the same computer, the same seats, and there is no way to two seats', async () => {
    const computer = await createComputer(5, 'Ed25519');
    const env = { ...computer.env, LICENCE_LEASE_SECONDS: '3600', LICENCE_CLEAR_STALE: 'never' };
    const before = await ServerProcess.start(env, 'server', undefined, [
      process.execPath,
      join(sources ?? '', 'server', 'main.ts'),
    ]);
    const seatsOf = async (server: ServerProcess) => {
      const { leases } = (await server.call('GET', '/v1/leases?limit=100')).body;
      return leases.map((l: Row) => [l.leaseId, l.holder, l.mode, l.acquiredAt]);
    };
    let held: unknown;
    let fingerprint: string;
    try {
      for (const [user, mode] of [
        ['Anna', 'leased'],
        ['Борис', 'sticky'],
        ['vera', 'leased'],
      ] as const) {
        expect((await before.checkOut(user, mode)).status).toBe(201);
      }
      await before.call('PUT', '/v1/bases/trade/sessions', { sessions: [{ product: 'erp', user: 'Gleb', host: 'T' }] });
      held = await seatsOf(before);
      fingerprint = (await before.call('GET', '/v1/status')).body.fingerprint;
    } finally {
      expect(await before.stop()).toBe(0);
    }
    const now = await ServerProcess.start(env);
    try {
      expect(await seatsOf(now)).toEqual(held);
      const status = (await now.call('GET', '/v1/status')).body;
      expect([status.fingerprint, status.keys[0].state, status.products[0].seatsInUse]).toEqual([
        fingerprint,
        'Active',
        4,
      ]);
      expect((await now.checkOut('Anna')).status).toBe(200); // renewed, not one more
      expect((await now.checkOut('dina')).status).toBe(201);
      expect((await now.checkOut('egor')).body).toMatchObject({ status: 409, reason: 'SeatsExhausted' });
    } finally {
      await now.stop();
      await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
      computer.remove();
    }
  });
});

describe.skipIf(sources === undefined)('client programs of the build that people have', () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
  /** A server of now with all that is new: seats that are shared, rules, an overdraft. */
  const start = async (seatLimit = 2) => {
    const database = await createTestDatabase(ledgerTemplate);
    ends.push(() => database.drop());
    const server = await startSeatServer(database.url, {
      leaseMs: 3_000,
      licences: [{ seatLimit, countBy: 'userOnHost', features: ['payroll'], weights: { payroll: 2 } }],
      rules: [
        { name: 'two-in-tests', match: { bases: ['test*'] }, max: 1 },
        { name: 'chief', match: { users: ['chief'] }, priority: 5 },
      ],
    });
    ends.push(() => server.stop());
    return { server, url: await server.app.listen({ host: '127.0.0.1', port: 0 }) };
  };

  it('licence run takes a seat, keeps it by heartbeats, gives it back, and says why there is none', async () => {
    const { server, url } = await start(1);
    const run = (options: readonly string[], script: string, at = url) =>
      new Promise<{ status: number | null; out: string; err: string }>((resolve, reject) => {
        const args = [join(sources ?? '', 'cli', 'licence.ts'), 'run', '--product', 'erp', ...options, '--'];
        const child = spawn(process.execPath, [...args, process.execPath, '-e', script], {
          env: { PATH: process.env.PATH, HOME: '/', LICENCE_SERVER_URL: at },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        let [out, err] = ['', ''];
        child.stdout.on('data', (chunk) => {
          out += chunk;
        });
        child.stderr.on('data', (chunk) => {
          err += chunk;
        });
        child.on('error', reject);
        child.on('close', (status) => resolve({ status, out, err }));
      });
    expect(await run(['--user', 'anna'], 'console.log("worked"); process.exit(7)')).toMatchObject({
      status: 7,
      out: 'worked\n',
    });
    expect((await server.call('GET', '/v1/leases')).body.leases).toEqual([]);
    await server.checkOut('boris');
    expect(await run(['--user', 'anna'], '')).toMatchObject({
      status: 69,
      err: expect.stringContaining('(SeatsExhausted)'),
    });
    await server.checkOut('vera', {}, 'test-1');
    expect(await run([], '', 'http://127.0.0.1:1')).toMatchObject({ status: 70 });
  });

  it('the TypeScript client: check-out, heartbeat, report, release, refusals by reason', async () => {
    const { server, url } = await start();
    const { LicenceClient, LicenceRefused } = await import(
      /* @vite-ignore */ join(sources ?? '', 'client/licenceClient.ts')
    );
    const client = new LicenceClient({ url });
    const holder = (user: string, base = 'trade') => ({ base, user, host: 'pc' });
    const grant = await client.checkOut({ product: 'erp', holder: holder('Anna'), nonce: 'n' });
    expect(grant).toMatchObject({
      seats: { limit: 2, inUse: 1 },
      support: { state: 'valid' },
      proof: expect.any(String),
    });
    expect(await client.heartbeat(grant.leaseId)).toMatchObject({ heartbeatAfterSeconds: expect.any(Number) });
    const lost: unknown[] = [];
    const seat = await client.hold(
      { product: 'erp', holder: holder('boris', 'test-1') },
      { onLost: (error: unknown) => lost.push(error) },
    );
    const refused = async (user: string, base: string) => {
      const error = await client.checkOut({ product: 'erp', holder: holder(user, base) }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(LicenceRefused);
      return [error.status, error.reason];
    };
    expect(await refused('vera', 'test-2')).toEqual([409, 'RuleLimit']);
    expect(await refused('vera', 'trade')).toEqual([409, 'SeatsExhausted']);
    const first = seat.grant.expiresAt;
    await expect.poll(() => seat.grant.expiresAt !== first, { timeout: 30_000 }).toBe(true);
    await client.release(grant.leaseId);
    await seat.release();
    const report = await client.reportSessions('trade', [
      { product: 'erp', user: 'Gleb', host: 'T' },
      { product: 'erp', user: 'gleb', host: 't', session: '2' },
    ]);
    expect(report.sessions.map((s: Row) => s.outcome)).toEqual(['granted', 'granted']);
    expect((await server.call('GET', '/v1/products')).body.products[0].seatsInUse).toBe(1); // one person at one computer
    expect(lost).toEqual([]);
  });
});

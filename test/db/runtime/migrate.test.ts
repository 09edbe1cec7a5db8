import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate } from '../../../runtime/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';

let database: TestDatabase;
let dir: string;
let other: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  dir = mkdtempSync(join(tmpdir(), 'migrations-'));
  writeFileSync(join(dir, '001-first.sql'), 'CREATE TABLE one (n int)');
  other = new pg.Client({ connectionString: database.url, application_name: 'somebody' });
  await other.connect();
});
afterAll(async () => {
  await other.end();
  await database.drop();
  rmSync(dir, { recursive: true });
});

it('waits for the migration of another program with a line that names it, for a bounded time, and leaves no lock', async () => {
  const config = { connectionString: database.url };
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  await other.query('SELECT pg_advisory_lock(7227001)'); // as an earlier version holds it
  await expect(migrate(config, dir, { log, patienceMs: 1_500 })).rejects.toThrow(
    /another program holds the lock of migrations: process \d+ of the database \(somebody, from 127\.0\.0\.1, idle for \d+ s\); end it: SELECT pg_terminate_backend/,
  );
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    msg: "waits for another program's migration of the database",
    holder: { program: 'somebody' },
  });
  const waiting = migrate(config, dir, { log });
  await expect.poll(() => lines.length, { timeout: 30_000 }).toBe(2);
  await other.query('SELECT pg_advisory_unlock(7227001)');
  expect(await waiting).toEqual(['001-first.sql']);
  const { rows } = await other.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7227001");
  expect(rows).toEqual([]);
});

it('is done wholly or not at all', async () => {
  writeFileSync(join(dir, '002-good.sql'), 'CREATE TABLE two (n int)');
  writeFileSync(join(dir, '003-bad.sql'), 'CREATE TABLE three (n nothing)');
  const config = { connectionString: database.url };
  await expect(migrate(config, dir)).rejects.toThrow(
    /the migration 003-bad\.sql failed: type "nothing" does not exist/,
  );
  const { rows } = await other.query("SELECT to_regclass('two') AS two, (SELECT count(*)::int FROM migration) AS n");
  expect(rows).toEqual([{ two: null, n: 1 }]);
});

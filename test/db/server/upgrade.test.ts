import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { migrate } from '../../../runtime/migrate.ts';
import { migrationsDir } from '../../../server/db/database.ts';
import { dumpSchema } from '../../../server/db/dumpSchema.ts';
import { createTestDatabase } from '../../support/testDatabase.ts';
import { startSeatServer } from './support/seatServer.ts';

// What a build left whose functions were still in its migrations: pg_dump of a ledger with seats of every kind, a reservation,
// refusals, somebody in the queue, and usage.
const old = readFileSync(join(import.meta.dirname, 'support', 'ledger-007.sql'), 'utf8');

it('a ledger of a build whose functions were migrations becomes one of today, and nothing of it is lost', async () => {
  await using database = await createTestDatabase();
  const connection = { connectionString: database.url };
  const client = new pg.Client(connection);
  await client.connect();
  await client.query(old);
  await client.query("SELECT set_config('search_path', 'public', false)");
  const counts = async () => {
    const found: Record<string, number> = {};
    for (const table of ['lease', 'denial', 'event', 'usage', 'base', 'waiter', 'clearing', 'pool'])
      found[table] = (await client.query(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n;
    return found;
  };
  // refused a moment ago: an old refusal is closed by the server's own housekeeping
  await client.query('UPDATE denial SET first_at = now(), last_at = now() WHERE open');
  const before = await counts();

  const since = readdirSync(migrationsDir).filter((name) => /^\d.*\.sql$/.test(name) && name > '008');
  expect(await migrate(connection, migrationsDir)).toEqual([...since.sort(), 'functions']);
  expect(await migrate(connection, migrationsDir)).toEqual([]);
  expect(await counts()).toEqual(before);
  expect(await dumpSchema(database.url)).toBe(readFileSync(join(migrationsDir, '..', 'schema.sql'), 'utf8'));

  const s = await startSeatServer(database.url, {
    licences: [{ seatLimit: 6 }, { product: 'crm', seatLimit: 1 }],
    reservations: [{ seats: 1, users: ['chief'] }],
    clear: 'never',
  });
  try {
    const { leases } = (await s.call('GET', '/v1/leases')).body;
    expect(leases.map((l: { holder: { user: string }; mode: string }) => [l.holder.user, l.mode])).toEqual([
      ['anna', 'leased'],
      ['chief', 'leased'],
      ['boris', 'sticky'],
      ['vera', 'reported'],
    ]);
    expect((await s.call('POST', `/v1/leases/${leases[0].leaseId}/heartbeat`)).status).toBe(200);
    // an episode that was open is ended by the grant
    expect((await s.checkOut('late')).status).toBe(201);
    const { rows } = await client.query("SELECT open, served_at FROM denial WHERE holder LIKE '%late\u001f%'");
    expect(rows).toEqual([{ open: false, served_at: expect.any(Date) }]);
  } finally {
    await s.stop();
    await client.end();
  }
});

it('functions are made anew when their text has changed, and only then', async () => {
  await using database = await createTestDatabase();
  const connection = { connectionString: database.url };
  await migrate(connection, migrationsDir);
  const client = new pg.Client(connection);
  await client.connect();
  try {
    await client.query(
      'CREATE OR REPLACE FUNCTION reap(p_pool smallint, p_now timestamptz) RETURNS int LANGUAGE sql AS $$ SELECT 7 $$',
    );
    expect(await migrate(connection, migrationsDir)).toEqual([]);
    await client.query("UPDATE migration SET hash = 'of another text' WHERE name = 'functions'");
    expect(await migrate(connection, migrationsDir)).toEqual(['functions']);
    expect((await client.query('SELECT reap(1::smallint, NULL) AS n')).rows).toEqual([{ n: 0 }]);
  } finally {
    await client.end();
  }
});

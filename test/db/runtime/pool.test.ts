import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../runtime/database/fault.ts';
import { DatabasePool } from '../../../runtime/database/pool.ts';
import { sessionSetup } from '../../../runtime/database/session.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';

const setup = sessionSetup({ ledger: 'none', statementMs: 8_000, lockMs: 8_000 });
let database: TestDatabase;
let admin: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
});
afterAll(async () => {
  await admin.end();
  await database.drop();
});
/** Ends a connection as a database does that is stopped, and waits until its client has been told. */
async function cut(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  const told = new Promise((resolve) => client.once('end', resolve));
  await admin.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
  await told;
}

it('a connection that ends between two statements of a transaction fails it, and nothing else', async () => {
  const pool = new DatabasePool({ connectionString: database.url }, setup, 2);
  try {
    const lost = pool.transaction(async (client) => {
      await cut(client);
      await client.query('SELECT 1');
    });
    await expect(lost).rejects.toBeInstanceOf(StoreUnavailable);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  } finally {
    await pool.end();
  }
});

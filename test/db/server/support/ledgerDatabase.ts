import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { migrate } from '../../../../runtime/migrate.ts';
import { createTestDatabase, type Template, type TestDatabase } from '../../../support/testDatabase.ts';

/** A database with the server's schema and nothing in it. */
export const ledgerTemplate: Template = {
  name: 'licence_server',
  prepare: async (url) => {
    await migrate(
      { connectionString: url },
      join(import.meta.dirname, '..', '..', '..', '..', 'server', 'db', 'migrations'),
    );
  },
};

/** A connection to a ledger of the file's own, from its first test to its last; `setup` is run on it once. */
export function useLedger(setup?: string): () => pg.Client {
  let database: TestDatabase;
  let client: pg.Client;
  beforeAll(async () => {
    database = await createTestDatabase(ledgerTemplate);
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    if (setup !== undefined) await client.query(setup);
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });
  return () => client;
}

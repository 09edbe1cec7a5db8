import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { migrate } from '../../../runtime/migrate.ts';
import { migrationsDir } from '../../../server/db/database.ts';
import { dumpSchema } from '../../../server/db/dumpSchema.ts';
import { createTestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';

const file = join(migrationsDir, '..', 'schema.sql');

it('schema.sql is what the migrations make (UPDATE_SCHEMA=1 writes it)', async () => {
  await using database = await createTestDatabase(ledgerTemplate);
  const schema = await dumpSchema(database.url);
  if (process.env.UPDATE_SCHEMA === '1') writeFileSync(file, schema);
  expect(schema).toBe(readFileSync(file, 'utf8'));
});

it('migrations run once, side by side, and a changed or unknown one is refused', async () => {
  await using database = await createTestDatabase();
  const connection = { connectionString: database.url };
  const runs = await Promise.all([1, 2, 3].map(() => migrate(connection, migrationsDir)));
  const files = readdirSync(migrationsDir).filter((name) => /^\d/.test(name));
  expect(runs.filter((r) => r.length > 0)).toEqual([[...files.sort(), 'functions']]);
  const { Client } = (await import('pg')).default;
  const client = new Client(connection);
  await client.connect();
  await client.query("UPDATE migration SET hash = 'x' WHERE name LIKE '001%'");
  await expect(migrate(connection, migrationsDir)).rejects.toThrow(
    '001-ledger.sql was changed after it had been applied',
  );
  await client.query("INSERT INTO migration (name, hash) VALUES ('999-later.sql', 'x')");
  await expect(migrate(connection, migrationsDir)).rejects.toThrow(
    '999-later.sql that this program does not know; use a newer version',
  );
  await client.end();
});

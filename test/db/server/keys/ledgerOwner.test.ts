import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLedgerOwner, type OwnerIds } from '../../../../server/keys/ledgerOwner.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';

let database: TestDatabase;
let pool: pg.Pool;
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  pool = new pg.Pool({ connectionString: database.url });
});
afterEach(async () => {
  await pool.end();
  await database.drop();
});

const claim = (ids: Partial<OwnerIds>) =>
  createLedgerOwner(pool, { fingerprint: 'sha256:a', folder: 'one', ...ids }).claim();
const nobodySeen = () => pool.query("UPDATE ledger_owner SET seen_at = seen_at - interval '1 minute'");

it('a database is that of the first computer that serves it, and of all its servers with the same folder', async () => {
  expect(await claim({})).toBeUndefined();
  expect(await claim({})).toBeUndefined();
  expect(await claim({ folder: undefined })).toBeUndefined(); // cannot write: it cannot be told apart
  expect(await claim({ fingerprint: 'sha256:b' })).toMatchObject({
    passing: false,
    message: expect.stringContaining('sha256:a'),
  });
  await nobodySeen();
  expect(await claim({ fingerprint: 'sha256:b' })).toMatchObject({ passing: false });
});

it('another folder of the same computer has to wait until the servers of the first one are gone', async () => {
  await claim({});
  expect(await claim({ folder: 'two' })).toMatchObject({
    passing: true,
    message: expect.stringContaining('another folder'),
  });
  await nobodySeen();
  expect(await claim({ folder: 'two' })).toBeUndefined();
  expect(await claim({})).toMatchObject({ passing: true });
});

it('a computer that is gone for good hands over when it is named, and takes nothing back', async () => {
  await claim({});
  expect(await claim({ fingerprint: 'sha256:b', takeOverFrom: 'sha256:c' })).toBeDefined();
  expect(await claim({ fingerprint: 'sha256:b', takeOverFrom: 'sha256:a' })).toBeUndefined();
  expect(await claim({})).toMatchObject({ passing: false, message: expect.stringContaining('sha256:b') });
});

it('of ten that come at the same time one computer has it', async () => {
  const all = await Promise.all(Array.from({ length: 10 }, (_, n) => claim({ fingerprint: `sha256:${n}` })));
  expect(all.filter((refused) => refused === undefined)).toHaveLength(1);
});

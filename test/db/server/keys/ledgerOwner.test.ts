import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLedgerOwner, type OwnerIds } from '../../../../server/keys/ledgerOwner.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { createComputer, ServerProcess } from '../support/serverProcess.ts';

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

it('a second server with a data directory of its own is refused and takes no seat from the first', async () => {
  const [one, two] = [await createComputer(5), await createComputer(2)];
  const on = { DATABASE_URL: database.url };
  const first = await ServerProcess.start({ ...one.env, ...on });
  try {
    const { fingerprint } = (await first.call('GET', '/v1/status')).body;
    const second = await ServerProcess.start({ ...two.env, ...on });
    expect(await second.exited).toBe(1);
    expect(second.output).toContain(`LICENCE_TAKE_OVER_FROM=${fingerprint}`);
    for (const user of ['a', 'b', 'c', 'd', 'e']) expect((await first.checkOut(user)).status).toBe(201);

    const heir = await ServerProcess.start({ ...two.env, ...on, LICENCE_TAKE_OVER_FROM: fingerprint });
    try {
      expect((await heir.call('GET', '/v1/status')).body.products).toMatchObject([{ seatLimit: 2, seatsInUse: 5 }]);
    } finally {
      await heir.stop();
    }
  } finally {
    await first.stop();
    one.remove();
    two.remove();
  }
});

it('limits that somebody has changed behind the back of the servers are set right', async () => {
  const computer = await createComputer(5);
  const server = await ServerProcess.start({ ...computer.env, DATABASE_URL: database.url });
  try {
    await pool.query('UPDATE pool SET seat_limit = 0');
    const end = Date.now() + 30_000;
    let limit = 0;
    while (limit !== 5) {
      if (Date.now() > end) throw new Error('the limit was not set right');
      limit = (await pool.query<{ seat_limit: number }>('SELECT seat_limit FROM pool')).rows[0]?.seat_limit ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    await server.stop();
    computer.remove();
  }
});

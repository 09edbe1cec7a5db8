import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { createComputer, ServerProcess } from '../support/serverProcess.ts';

// Servers that do not know of one another, on one database.

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

it('a server of the same computer whose folder is another one waits, and takes no seat from the first', async () => {
  const computer = await createComputer(5);
  const elsewhere = mkdtempSync(join(tmpdir(), 'not-mounted-'));
  const on = { ...computer.env, DATABASE_URL: database.url };
  const first = await ServerProcess.start(on);
  const second = await ServerProcess.start(
    { ...on, LICENCE_DATA_DIR: elsewhere, LICENCE_IDENTITY_FILE: join(computer.dataDir, 'identity.pem') },
    'server',
    'waits to see whether it goes',
  );
  try {
    expect(second.output).toContain('serves this database from another folder Licence');
    for (const user of ['a', 'b', 'c', 'd', 'e']) expect((await first.checkOut(user)).status).toBe(201);
    expect((await first.call('GET', '/v1/status')).body.products).toMatchObject([{ seatLimit: 5, seatsInUse: 5 }]);
    expect(await second.stop()).toBe(0);
  } finally {
    await second.stop('SIGKILL');
    await first.stop();
    computer.remove();
    rmSync(elsewhere, { recursive: true });
  }
});

it('a seat of a key that one server has installed is granted by the others at once, whatever they have read last', async () => {
  const computer = await createComputer(5);
  const [name = ''] = readdirSync(join(computer.dataDir, 'Licence'));
  const file = join(computer.dataDir, 'Licence', name);
  const activation = readFileSync(file, 'utf8');
  rmSync(file);
  const on = { ...computer.env, DATABASE_URL: database.url };
  const servers = [await ServerProcess.start(on), await ServerProcess.start(on), await ServerProcess.start(on)];
  try {
    const [first, second, third] = servers as [ServerProcess, ServerProcess, ServerProcess];
    const installed = await first.call('POST', '/v1/activation/response', { activation });
    expect(installed).toMatchObject({ status: 201, body: { state: 'Active' } });
    expect((await second.checkOut('anna')).status).toBe(201);
    const sessions = [{ product: 'erp', user: 'boris', host: 'h' }];
    const report = await third.call('PUT', '/v1/bases/b/sessions', { sessions });
    expect(report.body.sessions).toMatchObject([{ outcome: 'granted' }]);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    computer.remove();
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

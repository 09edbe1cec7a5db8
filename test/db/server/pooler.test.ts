import { afterAll, beforeAll, expect, it } from 'vitest';
import { PrerequisiteMissing } from '../../../cluster/prerequisite.ts';
import { type PgBouncer, startPgBouncer } from '../../support/pgBouncer.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { type Computer, createComputer, runServer, ServerProcess, until } from './support/serverProcess.ts';

let computer: Computer;
let database: TestDatabase;
beforeAll(async () => {
  computer = await createComputer(100);
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
  computer.remove();
});

const pooler = async (
  test: { skip(note?: string): never },
  mode: 'session' | 'transaction' | 'statement',
  size?: number,
): Promise<PgBouncer> => {
  try {
    return await startPgBouncer(database.url, mode, size);
  } catch (error) {
    if (!(error instanceof PrerequisiteMissing) || process.env.CI === 'true') throw error;
    return test.skip(error.message);
  }
};
const envOf = (url: string) => ({ ...computer.env, DATABASE_URL: url, LICENCE_CLEAR_STALE: 'never' });
const refusal =
  'it is reached through a pooler in transaction mode (PgBouncer: pool_mode), where sessions are not kept; ' +
  'name the database itself in DATABASE_URL, or a pool in session mode';

it.for([20, 1])(
  'a pool of %i in transaction mode is refused by the start and the doctor, and nothing is left behind',
  { timeout: 180_000 },
  async (size, test) => {
    await using by = await pooler(test, 'transaction', size);
    const refused = await ServerProcess.start(envOf(by.url));
    expect(await refused.exited).toBe(1);
    expect(refused.output).toContain(`the database of DATABASE_URL cannot be used: ${refusal}`);
    const looked = await runServer(envOf(by.url), 'doctor');
    expect(looked.status).toBe(2);
    expect(looked.stdout.toString()).toContain('it is reached through a pooler in transaction mode');
    // the next start, past the pooler, is not held up by a lock that a shared session keeps, nor by its settings
    const server = await ServerProcess.start(envOf(database.url));
    expect((await server.checkOut(`user${size}`)).status).toBe(201);
    expect(await server.stop()).toBe(0);
  },
);

it('a pool in session mode serves, over restarts', async (test) => {
  await using by = await pooler(test, 'session');
  let leaseId = '';
  for (let i = 0; i < 2; i++) {
    const server = await ServerProcess.start(envOf(by.url));
    const taken = await server.checkOut('anna');
    expect(taken.status).toBeLessThan(300);
    leaseId ||= taken.body.leaseId;
    expect(taken.body.leaseId).toBe(leaseId);
    for (let n = 0; n < 5; n++) expect((await server.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
    expect(
      (await server.call('PUT', '/v1/bases/b1/sessions', { sessions: [{ product: 'erp', user: 'x', host: 'h' }] }))
        .status,
    ).toBe(200);
    expect((await server.call('GET', '/healthz/ready')).status).toBe(200);
    expect(await server.stop()).toBe(0);
  }
}, 180_000);

it('a pool too small for heartbeats: readiness says so for as long as it lasts', async (test) => {
  await using by = await pooler(test, 'session', 2);
  const server = await ServerProcess.start(envOf(by.url));
  try {
    let leaseId = '';
    await until(
      'a seat',
      async () => {
        leaseId = (await server.checkOut('vera')).body.leaseId;
        return leaseId !== undefined;
      },
      60_000,
    );
    void server.call('POST', `/v1/leases/${leaseId}/heartbeat`).catch(() => {});
    const told = await until(
      'readiness to fall',
      async () => {
        const { status, body } = await server.call('GET', '/healthz/ready');
        return status === 503 && String(body);
      },
      90_000,
    );
    expect(told).toMatch(/^the database (refuses work \(\w+\)|has not answered for \d+ s): \w/);
  } finally {
    await server.stop('SIGKILL');
  }
}, 240_000);

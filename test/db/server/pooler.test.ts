import { chmodSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensurePostgres } from '../../../cluster/postgres.ts';
import { PrerequisiteMissing } from '../../../cluster/prerequisite.ts';
import { createScratch } from '../../../cluster/scratch.ts';
import { type PgBouncer, startPgBouncer } from '../../support/pgBouncer.ts';
import { postgresNode } from '../../support/postgresNode.ts';
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
  url = database.url,
): Promise<PgBouncer> => {
  try {
    return await startPgBouncer(url, mode, size);
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

it('a pool in statement mode is refused at once, by the start and the doctor', async (test) => {
  await using by = await pooler(test, 'statement');
  const words =
    'it is reached through a pooler in statement mode (PgBouncer: pool_mode), where there are no transactions';
  const refused = await ServerProcess.start(envOf(by.url));
  expect(await refused.exited).toBe(1);
  expect(refused.output).toContain(`the database of DATABASE_URL cannot be used: ${words}; name the database itself`);
  expect((await runServer(envOf(by.url), 'doctor')).stdout.toString()).toContain(words);
}, 120_000);

it('a pooler that crashes, and a database that crashes behind one: nothing answered is lost, and all comes back', async (test) => {
  const dir = createScratch('pooled');
  chmodSync(dir, 0o711);
  const behind = await postgresNode('behind', await ensurePostgres('to end one behind a pooler'), dir);
  await behind.initialise();
  await behind.start();
  let server: ServerProcess | undefined;
  try {
    await using by = await pooler(test, 'session', 20, behind.url);
    const running = await ServerProcess.start(envOf(by.url));
    server = running;
    const ids: string[] = [];
    const ends = [() => by.restart(), () => behind.stop('SIGKILL').then(() => behind.start()), () => by.restart()];
    for (const [n, end] of ends.entries()) {
      ids.push(
        ...(await Promise.all(['a', 'b', 'c'].map((u) => running.checkOut(`${u}${n}`)))).map((a) => a.body.leaseId),
      );
      expect(ids.every((id) => typeof id === 'string')).toBe(true);
      await end();
      const works = async () => {
        const { status, body } = await running.checkOut(`after${n}`);
        if (status !== 201 && status !== 200) return false;
        const all = [
          await running.call('POST', `/v1/leases/${body.leaseId}/heartbeat`),
          await running.call('GET', '/v1/leases'),
        ];
        return all.every((a) => a.status === 200) && String(body.leaseId);
      };
      ids.push(await until(`service after end ${n}`, works, 90_000));
      for (const id of ids) expect((await running.call('POST', `/v1/leases/${id}/heartbeat`)).status).toBe(200);
      await until('readiness', async () => (await running.call('GET', '/healthz/ready')).status === 200, 60_000);
    }
    // a commit that was answered is on disk, whichever of the pooler's connections it went over
    ids.push(...(await Promise.all(['x', 'y', 'z'].map((u) => running.checkOut(u)))).map((a) => a.body.leaseId));
    await behind.stop('SIGKILL');
    await behind.start();
    const held = (await behind.query('SELECT lease_id::text AS id FROM lease')).map((row) => row.id);
    for (const id of ids) expect(held).toContain(id);
  } finally {
    await server?.stop('SIGKILL');
    await behind.stop('SIGQUIT');
    rmSync(dir, { recursive: true, force: true });
  }
}, 300_000);

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
    // Who goes without depends on who came first: whoever it is, readiness tells.
    const nobodys = '01890a5d-ac96-774b-bcce-b302099a8057';
    const told = await until(
      'readiness to fall',
      async () => {
        await Promise.allSettled([
          server.checkOut('vera'),
          server.call('POST', `/v1/leases/${nobodys}/heartbeat`),
          server.call('GET', '/v1/products'),
        ]);
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

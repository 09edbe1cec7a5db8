import { chmodSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PrerequisiteMissing } from '../../../cluster/prerequisite.ts';
import { createScratch } from '../../../cluster/scratch.ts';
import { ensureOtherPostgres, majors, type OtherPostgres } from '../../support/otherPostgres.ts';
import { type Node, postgresNode } from '../../support/postgresNode.ts';
import { type Computer, createComputer, runServer, ServerProcess, until } from './support/serverProcess.ts';

describe.each(majors)('an external PostgreSQL %i', (major) => {
  let computer: Computer;
  let programs: OtherPostgres | undefined;
  let lacking: string | undefined;
  let database: Node;
  const dir = createScratch('external-major');

  beforeAll(async () => {
    computer = await createComputer(100);
    chmodSync(dir, 0o711);
    try {
      programs = await ensureOtherPostgres(major);
    } catch (error) {
      if (!(error instanceof PrerequisiteMissing) || process.env.CI === 'true') throw error;
      lacking = error.message;
      return;
    }
    database = await postgresNode('external', programs.bin, dir);
    await database.initialise();
    await database.start();
  }, 300_000);
  afterAll(async () => {
    await database?.stop('SIGQUIT');
    programs?.[Symbol.dispose]();
    computer.remove();
    rmSync(dir, { recursive: true, force: true });
  });

  it('serves check-outs, heartbeats, reports and queries; nothing that was answered is lost by a kill of either', async (test) => {
    if (lacking !== undefined) test.skip(lacking);
    const told = await database.query("SELECT current_setting('server_version_num')::int / 10000 AS major");
    expect(told).toEqual([{ major }]);
    const env = { ...computer.env, DATABASE_URL: database.url, LICENCE_CLEAR_STALE: 'never' };
    expect((await runServer(env, 'doctor')).stdout.toString()).toMatch(/empty; the first start makes the tables/);

    let server = await ServerProcess.start(env);
    expect(server.address, server.output).not.toBe('');
    const users = ['анна', 'boris', ...Array.from({ length: 30 }, (_, i) => `u${i}`)];
    const taken = await Promise.all(users.map((user) => server.checkOut(user)));
    expect(taken.map(({ status }) => status)).toEqual(users.map(() => 201));
    const ids = taken.map(({ body }) => String(body.leaseId));
    const report = { sessions: ['x', 'y'].map((user) => ({ product: 'erp', user, host: 'h' })) };
    expect((await server.call('PUT', '/v1/bases/trade/sessions', report)).status).toBe(200);
    const released = ids.splice(-5);
    for (const id of released) expect((await server.call('DELETE', `/v1/leases/${id}`)).status).toBe(204);
    const holds = async () => {
      for (const id of ids) expect((await server.call('POST', `/v1/leases/${id}/heartbeat`)).status).toBe(200);
      for (const id of released) expect((await server.call('POST', `/v1/leases/${id}/heartbeat`)).status).toBe(410);
      const { leases } = (await server.call('GET', '/v1/leases?limit=500')).body;
      expect(leases).toHaveLength(ids.length + 2);
    };
    await holds();

    await database.stop('SIGKILL');
    expect((await server.checkOut('nobody')).status).toBe(503);
    await database.start();
    await until(
      'check-outs to work again',
      async () => (await server.checkOut('boris')).body.leaseId === ids[1],
      60_000,
    );
    await holds();

    await server.stop('SIGKILL');
    server = await ServerProcess.start(env);
    await holds();
    for (const path of ['/v1/usage?product=erp', '/v1/denials', '/v1/status', '/v1/products', '/v1/audit'])
      expect((await server.call('GET', path)).status, path).toBe(200);
    await until('readiness', async () => (await server.call('GET', '/healthz/ready')).status === 200);
    expect((await runServer(env, 'doctor')).stdout.toString()).toMatch(
      new RegExp(`ok +database:? .*PostgreSQL ${major}`),
    );
    expect(await server.stop()).toBe(0);
  }, 300_000);
});

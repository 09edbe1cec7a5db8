import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { createComputer, postgresOf, postmasterOf, ServerProcess, until } from './support/serverProcess.ts';

// A server with its embedded PostgreSQL answers heartbeats before they are written: what it promised outlives every end of it.

const env = { LICENCE_LEASE_SECONDS: '120', LICENCE_CLEAR_STALE: 'never' };
const leaseMs = 120_000;

async function asked(dataDir: string, sql: string): Promise<Record<string, unknown>[]> {
  const root = join(dataDir, 'postgres');
  const major = readdirSync(root).find((name) => /^\d+$/.test(name)) ?? '';
  const [, , , port, socketDir] = readFileSync(join(root, major, 'postmaster.pid'), 'utf8').split('\n');
  const client = new pg.Client({ host: socketDir ?? '', port: Number(port), user: 'licence', database: 'licence' });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

it.each(['SIGTERM', 'SIGKILL', 'its database'] as const)(
  'what a heartbeat was told holds after %s',
  { timeout: 240_000 },
  async (end) => {
    const computer = await createComputer(1);
    const start = () => ServerProcess.start({ ...computer.env, ...env });
    let server = await start();
    try {
      const { leaseId } = (await server.checkOut('anna')).body;
      const beat = () => server.call('POST', `/v1/leases/${leaseId}/heartbeat`);
      const lease = async () => {
        const [row] = await asked(computer.dataDir, 'SELECT renewed_at, expires_at FROM lease');
        return { renewedAt: Number(row?.renewed_at), expiresAt: Number(row?.expires_at) };
      };
      expect((await beat()).status).toBe(200);
      await asked(computer.dataDir, "UPDATE pool SET frozen_until = '-infinity'");
      const before = await lease();
      const told = Date.parse((await beat()).body.expiresAt);
      if (end !== 'SIGTERM') {
        expect(await lease()).toEqual(before); // nothing of it is in the database yet
        expect(before.expiresAt).toBeLessThan(told);
      }
      if (end === 'its database') process.kill(postmasterOf(computer.dataDir), 'SIGKILL');
      else {
        await server.stop(end);
        server = await start();
      }
      const answer = await until(
        'an answer',
        async () => {
          const one = await server.checkOut('boris');
          return one.status !== 503 && one;
        },
        90_000,
      );
      expect(answer.status).toBe(409);
      await until('the promise to be kept', async () => {
        const [row] = await asked(
          computer.dataDir,
          'SELECT greatest(l.expires_at, p.frozen_until) AS free_at FROM lease l JOIN pool p ON p.pool_id = l.pool_id',
        );
        return Number(row?.free_at) >= told;
      });
      if (end === 'SIGTERM') expect((await lease()).renewedAt).toBeGreaterThanOrEqual(told - leaseMs);
      expect(
        (
          await until('a heartbeat', async () => {
            const one = await beat();
            return one.status !== 503 && one;
          })
        ).status,
      ).toBe(200);
    } finally {
      await server.stop('SIGKILL');
      await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
      computer.remove();
    }
  },
);

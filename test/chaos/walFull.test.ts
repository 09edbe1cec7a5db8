import { chownSync, cpSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createComputer, postgresOf, ServerProcess, until } from '../db/server/support/serverProcess.ts';
import { Client } from './support/client.ts';
import { linesOf } from './support/logLines.ts';
import { record, size } from './support/size.ts';
import { canMount, fillUp, mountSmallDisk } from './support/smallDisk.ts';

const rounds = size('CHAOS_FULL_LOGS', 2);

it.skipIf(!canMount('a full volume of the write-ahead log'))(
  'the volume of the write-ahead log is full: PostgreSQL gives up, nothing acknowledged is lost, and all works again once there is room',
  { timeout: 120_000 + rounds * 180_000 },
  async () => {
    const computer = await createComputer(1_000_000);
    const env = { ...computer.env, LICENCE_LEASE_SECONDS: '600', LICENCE_CLEAR_STALE: 'never' };
    expect(await (await ServerProcess.start(env)).stop()).toBe(0);
    const root = join(computer.dataDir, 'postgres');
    const wal = join(root, readdirSync(root).find((name) => /^\d+$/.test(name)) ?? '', 'pg_wal');
    const { uid, gid } = statSync(wal);
    const kept = join(computer.dataDir, '..', 'pg_wal');
    cpSync(wal, kept, { recursive: true, preserveTimestamps: true });
    // Room for what each round writes by itself, and the look at all leases in the end: `fillUp` takes the rest.
    const mounted = mountSmallDisk(wal, `size=${160 * (1 + rounds)}m,mode=0700,uid=${uid},gid=${gid}`);
    if (mounted === undefined) return computer.remove();
    cpSync(kept, wal, { recursive: true, preserveTimestamps: true });
    for (const name of readdirSync(wal)) chownSync(join(wal, name), uid, gid);
    const server = await ServerProcess.start(env);
    const client = new Client(server.address, 16);
    const acked = new Set<string>();
    const wrong: string[] = [];
    const times: string[] = [];
    let refused = 0;
    const checkOut = async (user: string) => {
      const holder = { base: 'single', user, host: 'pc' };
      const { status, body, headers } = await client.call('POST', '/v1/checkouts', { product: 'erp', holder });
      if (status === 201 || status === 200) acked.add(String(body.leaseId));
      else if (status === 503 && Number(headers['retry-after']) > 0) refused += 1;
      else wrong.push(`a check-out was answered ${status} with Retry-After ${headers['retry-after']}`);
      return status;
    };
    try {
      for (let round = 0; round < rounds; round++) {
        expect(await checkOut(`before${round}`)).toBe(201);
        const makeRoom = fillUp(wal, 1024 * 1024);
        let full = false;
        for (let base = 0; base < 500 && !full; base++) {
          const sessions = Array.from({ length: 400 }, (_, i) => ({
            product: 'erp',
            user: `${i}`.padEnd(190, 'ü'),
            host: 'pc',
          }));
          const answer = await client.call('PUT', `/v1/bases/base-${round}-${base}/sessions`, { sessions });
          if (answer.status === 200)
            for (const s of answer.body.sessions as { leaseId?: string }[]) if (s.leaseId) acked.add(s.leaseId);
          full = answer.status !== 200;
          if (full && answer.status !== 503) wrong.push(`a report was answered ${answer.status}`);
        }
        expect(full, 'the volume never became full').toBe(true);
        const ready = async () => (await client.call('GET', '/healthz/ready')).status;
        await until('readiness to fall', async () => {
          await checkOut(`while${round}-${refused}`);
          return (await ready()) === 503;
        });
        expect((await client.call('GET', '/healthz/live')).status).toBe(200);
        for (let i = 0; i < 20; i++) await checkOut(`full${round}-${i}`);
        makeRoom();
        const roomMs = Date.now();
        await until('check-outs to work', async () => (await checkOut(`after${round}-${refused}`)) === 201, 90_000);
        times.push(`${Date.now() - roomMs} ms`);
        await until('readiness to come back', async () => (await ready()) === 200, 60_000);
      }
      let gone = 0;
      const ids = [...acked];
      for (let i = 0; i < ids.length; i += 1_000) {
        const { status, body } = await client.call('POST', '/v1/heartbeats', { leaseIds: ids.slice(i, i + 1_000) });
        expect(status).toBe(200);
        gone += (body.lost as string[]).length;
      }
      const lines = linesOf(server.output, 'warn');
      record({
        claim: 'a full volume of the write-ahead log: nothing acknowledged is lost, recovers by itself',
        size: `${rounds} times full, ${acked.size} acknowledged leases, ${refused} refusals`,
        violations: gone + wrong.length,
        detail: `works again ${times.join(', ')} after there was room; ${lines} lines of warnings`,
      });
      expect(gone).toBe(0);
      expect(wrong).toEqual([]);
      expect(await server.stop()).toBe(0);
    } finally {
      await client.close();
      await server.stop('SIGKILL');
      await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
      mounted[Symbol.dispose]();
      if (process.env.CHAOS_LOG) process.stdout.write(server.output.slice(-20_000));
      computer.remove();
    }
  },
);

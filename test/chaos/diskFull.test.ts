import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createComputer, postgresOf, ServerProcess, until } from '../db/server/support/serverProcess.ts';
import { type Answer, Client } from './support/client.ts';
import { record, size } from './support/size.ts';
import { canMount, fillUp, mountSmallDisk } from './support/smallDisk.ts';

const rounds = size('CHAOS_FULL_DISKS', 2);

it.skipIf(!canMount('a full disk'))(
  'a full disk: check-outs are told to come again, readiness falls, nothing acknowledged is lost, and it recovers once there is room',
  { timeout: 60_000 + rounds * 180_000 },
  async () => {
    const disk = mkdtempSync(join(tmpdir(), 'licence-disk-'));
    const mounted = mountSmallDisk(disk, 'size=200m,mode=0755');
    if (mounted === undefined) return rmSync(disk, { recursive: true });
    const temporary = process.env.TMPDIR;
    process.env.TMPDIR = disk;
    const computer = await createComputer(1_000_000);
    if (temporary === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = temporary;
    mkdirSync(join(computer.dataDir, 'postgres'), { recursive: true });
    const server = await ServerProcess.start({ ...computer.env, LICENCE_LEASE_SECONDS: '600' });
    const client = new Client(server.address, 16);
    try {
      const statuses = new Map<number, number>();
      const count = (answer: Answer) => {
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        return answer;
      };
      const acked: string[] = [];
      const wrong: string[] = [];
      const checkOut = async (user: string) => {
        const holder = { base: 'single', user, host: 'pc' };
        const answer = count(await client.call('POST', '/v1/checkouts', { product: 'erp', holder }));
        if (answer.status === 201 || answer.status === 200) acked.push(String(answer.body.leaseId));
        else if (answer.status !== 503 || !(Number(answer.headers['retry-after']) > 0))
          wrong.push(`a check-out was answered ${answer.status} with Retry-After ${answer.headers['retry-after']}`);
        return answer.status;
      };
      /** Reports a base of 400 sessions with long names, so that room goes quickly. */
      const report = async (base: string) => {
        const user = (i: number) => `${i}`.padEnd(190, 'ü');
        const sessions = Array.from({ length: 400 }, (_, i) => ({ product: 'erp', user: user(i), host: 'pc' }));
        const answer = count(await client.call('PUT', `/v1/bases/${base}/sessions`, { sessions }));
        if (answer.status === 200)
          for (const s of answer.body.sessions as { leaseId?: string }[]) if (s.leaseId) acked.push(s.leaseId);
        return answer.status;
      };
      const ready = async () => (await client.call('GET', '/healthz/ready')).status;
      /** Acknowledged leases that are gone, in calls of a thousand. */
      const lost = async () => {
        let gone = 0;
        for (let i = 0; i < acked.length; i += 1_000) {
          const leaseIds = [...new Set(acked.slice(i, i + 1_000))];
          const answer = await until('heartbeats', async () => {
            const a = await client.call('POST', '/v1/heartbeats', { leaseIds });
            return a.status === 200 && a;
          });
          gone += (answer.body.lost as string[]).length;
        }
        return gone;
      };
      const times: string[] = [];
      for (let base = 0; base < 5; base++) expect(await report(`early-${base}`)).toBe(200);
      for (let round = 0; round < rounds; round++) {
        expect(await checkOut(`before${round}`)).toBe(201);
        const makeRoom = fillUp(disk, 4 * 1024 * 1024);
        let fullMs = 0;
        for (let base = 0; base < 200 && fullMs === 0; base++) {
          const status = await report(`base-${round}-${base}`);
          await checkOut(`while${round}-${base}`);
          if (status === 503) fullMs = Date.now();
          else if (status !== 200) wrong.push(`a report was answered ${status}`);
        }
        expect(fullMs, 'the disk never became full').toBeGreaterThan(0);
        await until('readiness to fall', async () => {
          await checkOut(`full${round}-${Math.random()}`);
          return (await ready()) === 503;
        });
        const fellMs = Date.now();
        expect((await client.call('GET', '/healthz/live')).status).toBe(200);
        for (let i = 0; i < 20; i++) await checkOut(`full${round}-${i}`);
        makeRoom();
        const roomMs = Date.now();
        await until(
          'check-outs to work again',
          async () => (await checkOut(`after${round}-${Date.now()}`)) === 201,
          60_000,
        );
        const workedMs = Date.now();
        await until('readiness to come back', async () => (await ready()) === 200, 60_000);
        times.push(`unready after ${fellMs - fullMs} ms, works again ${workedMs - roomMs} ms after there was room`);
        expect(await lost()).toBe(0);
      }
      // not even the log of changes has room: PostgreSQL ends, and is started again until it works
      const makeRoom = fillUp(disk, 0);
      const leaseIds = acked.slice(0, 1_000);
      expect(leaseIds).toHaveLength(1_000);
      let beats = 0;
      await until(
        'the log of changes to be full',
        async () => {
          beats += 1;
          const { status } = count(await client.call('POST', '/v1/heartbeats', { leaseIds }));
          return status !== 200;
        },
        150_000,
      );
      await until('readiness to fall', async () => (await ready()) === 503);
      expect((await client.call('GET', '/healthz/live')).status).toBe(200);
      makeRoom();
      const roomMs = Date.now();
      await until('check-outs to work again', async () => (await checkOut(`end-${Date.now()}`)) === 201, 60_000);
      times.push(`full log after ${beats} calls of 1000 heartbeats, works again after ${Date.now() - roomMs} ms`);
      expect(await lost()).toBe(0);
      const counts = [...statuses].sort(([a], [b]) => a - b).map(([status, n]) => `${status}: ${n}`);
      record({
        claim: 'a full disk: nothing acknowledged is lost, 503 with Retry-After, recovers by itself',
        size: `${rounds + 1} times full, ${acked.length} acknowledged leases (answers ${counts.join(', ')})`,
        violations: wrong.length,
        detail: times.join('; '),
      });
      expect(wrong).toEqual([]);
      expect(await server.stop()).toBe(0);
    } finally {
      await client.close();
      await server.stop('SIGKILL');
      await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
      mounted[Symbol.dispose]();
      rmSync(disk, { recursive: true, force: true });
      if (process.env.CHAOS_LOG) process.stdout.write(server.output.slice(-20_000));
    }
  },
);

import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createComputer, postgresOf, ServerProcess, until } from '../db/server/support/serverProcess.ts';
import { badDisk, canMakeDiskBad } from './support/badDisk.ts';
import { Client } from './support/client.ts';
import { LiveHolder } from './support/holder.ts';
import { linesOf } from './support/logLines.ts';
import { record, size } from './support/size.ts';

const badMs = size('CHAOS_BAD_DISK_MS', 12_000);
const leaseMs = 10_000;
const holders = 30;

it.skipIf(!(await canMakeDiskBad()))(
  'a disk whose flushes take long, hang or fail: nothing acknowledged is lost, live holders keep their seats, and all works again afterwards',
  { timeout: 240_000 + 6 * badMs },
  async () => {
    const computer = await createComputer(1_000_000);
    const server = await ServerProcess.start({
      ...computer.env,
      LICENCE_LEASE_SECONDS: String(leaseMs / 1_000),
      LICENCE_CLEAR_STALE: 'never',
    });
    const client = new Client(server.address, 64);
    const live = await Promise.all(
      Array.from({ length: holders }, (_, i) => LiveHolder.start('erp', `live${i}`, () => client)),
    );
    let n = 0;
    let on = true;
    const acked: { leaseId: string; atMs: number }[] = [];
    const statuses = new Map<number, number>();
    const times: number[] = [];
    const wrong: string[] = [];
    const load = Array.from({ length: 16 }, async () => {
      while (on) {
        const beganMs = performance.now();
        const holder = { base: 'load', user: `n${n++}`, host: 'pc' };
        const { status, body, headers } = await client.call('POST', '/v1/checkouts', { product: 'erp', holder });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        times.push(performance.now() - beganMs);
        if (status === 201) acked.push({ leaseId: String(body.leaseId), atMs: performance.now() });
        else if (status !== 503 && status !== 0) wrong.push(`a check-out was answered ${status}`);
        else if (status === 503 && headers['retry-after'] === undefined) wrong.push('a 503 without Retry-After');
        await delay(status === 201 ? 50 : 300);
      }
    });
    const ready = async () => (await client.call('GET', '/healthz/ready')).status === 200;
    const faults = [
      ['flushes take 400 ms', 'delay_enter=400ms'],
      ['flushes hang', 'delay_enter=60s'],
      ['flushes fail', 'error=EIO'],
    ] as const;
    try {
      for (const [what, fault] of faults) {
        acked.length = 0;
        times.length = 0;
        statuses.clear();
        wrong.length = 0;
        const disk = await badDisk(postgresOf(computer.dataDir), fault);
        const badFromMs = performance.now();
        let unready = '';
        if (what === 'flushes hang') {
          await until('readiness to fall', async () => !(await ready()), 40_000);
          unready = `unready after ${(performance.now() - badFromMs).toFixed(0)} ms, `;
        }
        // a failed flush ends PostgreSQL at once, and what is started again has a disk that works
        const wantedMs = fault.startsWith('error') ? Math.min(badMs, 3_000) : badMs;
        await delay(Math.max(0, wantedMs - (performance.now() - badFromMs)));
        await disk[Symbol.asyncDispose]();
        const goodMs = performance.now();
        const before = acked.length;
        await until('check-outs to work again', async () => acked.length > before, 90_000);
        const workedMs = performance.now() - goodMs;
        await until('readiness to come back', ready, 60_000);
        const recent = acked.filter(({ atMs }) => performance.now() - atMs < leaseMs / 2);
        const leaseIds = recent.slice(-1_000).map(({ leaseId }) => leaseId);
        const lost = await until('heartbeats', async () => {
          const { status, body } = await client.call('POST', '/v1/heartbeats', { leaseIds });
          return status === 200 && (body.lost as string[]).length.toString();
        });
        const lostHolders = live.filter((holder) => holder.lost).length;
        times.sort((a, b) => a - b);
        const at = (p: number) => `${(times[Math.floor(times.length * p)] ?? 0).toFixed(0)} ms`;
        const counts = [...statuses].map(([status, count]) => `${status}: ${count}`).join(', ');
        record({
          claim: `a bad disk, ${what}: nothing acknowledged is lost, live holders keep their seats`,
          size: `${badMs} ms, ${holders} live holders of leases of ${leaseMs / 1_000} s, check-outs answered ${counts}`,
          violations: lostHolders + Number(lost) + wrong.length,
          detail: `${unready}check-outs p50 ${at(0.5)}, p99 ${at(0.99)}; works again after ${workedMs.toFixed(0)} ms`,
        });
        expect(wrong).toEqual([]);
        expect(lost).toBe('0');
        expect(lostHolders).toBe(0);
      }
      expect(linesOf(server.output, 'warn')).toBeLessThan(200);
      on = false;
      await Promise.all([...load, ...live.map((holder) => holder.stop())]);
      expect(await server.stop()).toBe(0);
    } finally {
      on = false;
      await Promise.all([...load, ...live.map((holder) => holder.stop())]);
      await client.close();
      await server.stop('SIGKILL');
      await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
      if (process.env.CHAOS_LOG) process.stdout.write(server.output.slice(-20_000));
      computer.remove();
    }
  },
);

import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Computer, createComputer } from '../db/server/support/serverProcess.ts';
import { createTestDatabase, type TestDatabase } from '../support/testDatabase.ts';
import { Client } from './support/client.ts';
import { Servers } from './support/cluster.ts';
import { record, size } from './support/size.ts';

const idle = size('CHAOS_IDLE_CONNECTIONS', 10_000);
const slow = size('CHAOS_SLOW_CONNECTIONS', 200);
const restarts = size('CHAOS_RESTARTS', 6);

let computer: Computer;
let database: TestDatabase;
beforeAll(async () => {
  computer = await createComputer(100_000);
  database = await createTestDatabase({ name: 'chaos_empty', prepare: async () => {} });
});
afterAll(async () => {
  await database.drop();
  computer.remove();
});
const start = (count: number) => Servers.start(computer, count, { DATABASE_URL: database.url });

/** Connections of the loopback network; more than one source address, since a pair of them has only 28,000 ports. */
async function open(address: string, count: number): Promise<Socket[]> {
  const { hostname, port } = new URL(address);
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i += 200) {
    await Promise.all(
      Array.from({ length: Math.min(200, count - i) }, () => {
        const socket = connect(Number(port), hostname);
        sockets.push(socket);
        socket.on('error', () => {});
        return new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      }),
    );
  }
  return sockets;
}

it('ten thousand idle connections and a few hundred that trickle: everybody else is served, and the slow are cut off', {
  timeout: 180_000,
}, async () => {
  await using servers = await start(1);
  const address = servers.address(0);
  const idlers = await open(address, idle);
  const tricklers = await open(address, slow);
  const beganMs = Date.now();
  let cut = 0;
  for (const socket of tricklers) {
    socket.on('close', () => {
      cut += 1;
    });
    socket.write('POST /v1/checkouts HTTP/1.1\r\nHost: x\r\n');
  }
  const trickle = setInterval(() => {
    for (const socket of tricklers) if (!socket.destroyed) socket.write('X-Slow: 1\r\n');
  }, 1_000);
  const client = new Client(address, 16);
  try {
    const times: number[] = [];
    const statuses = new Set<number>();
    let n = 0;
    const served = async () => {
      const user = `idle${n++}`;
      const t = performance.now();
      const holder = { base: 'b', user, host: 'pc' };
      statuses.add((await client.call('POST', '/v1/checkouts', { product: 'erp', holder })).status);
      times.push(performance.now() - t);
    };
    while (cut < tricklers.length && Date.now() - beganMs < 60_000) {
      await Promise.all(Array.from({ length: 16 }, served));
      await delay(20);
    }
    const tookMs = Date.now() - beganMs;
    times.sort((a, b) => a - b);
    const at = (p: number) => `${(times[Math.floor(times.length * p)] ?? 0).toFixed(1)} ms`;
    const open = idlers.filter((socket) => !socket.destroyed).length;
    record({
      claim: 'idle and trickling connections: everybody else is served, the slow are cut off',
      size: `${open} of ${idle} idle ones kept, ${cut} of ${slow} slow ones cut off, ${times.length} check-outs`,
      violations: [...statuses].filter((status) => status !== 201).length + (slow - cut),
      detail: `cut off after ${tookMs} ms; check-outs p50 ${at(0.5)}, p99 ${at(0.99)}`,
    });
    expect([...statuses]).toEqual([201]);
    expect(cut).toBe(tricklers.length);
    expect(times.length).toBeGreaterThan(100);
  } finally {
    clearInterval(trickle);
    await client.close();
    for (const socket of [...idlers, ...tricklers]) socket.destroy();
  }
});

it('a rolling restart of three servers fails no request of clients with kept connections', {
  timeout: 60_000 + restarts * 30_000,
}, async () => {
  await using servers = await start(3);
  let on = true;
  let requests = 0;
  const failed: string[] = [];
  const clients = Array.from({ length: 24 }, async (_, i) => {
    for (let k = 0; on; k++) {
      const holder = { base: 'roll', user: `r${i}-${k % 5}`, host: 'pc' };
      const { status } = await servers
        .any((i + k) / 24 - Math.floor((i + k) / 24))
        .call('POST', '/v1/checkouts', { product: 'erp', holder });
      requests += 1;
      if (status !== 201 && status !== 200) failed.push(`request ${requests}: ${status}`);
    }
  });
  try {
    for (let i = 0; i < restarts; i++) {
      await delay(300);
      expect(await servers.restart(i % servers.count)).toBe(0);
    }
  } finally {
    on = false;
    await Promise.all(clients);
  }
  record({
    claim: 'a rolling restart of three servers fails no request',
    size: `${restarts} restarts by SIGTERM, ${requests} requests`,
    violations: failed.length,
  });
  expect(failed).toEqual([]);
});

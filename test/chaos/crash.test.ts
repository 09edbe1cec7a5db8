import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createComputer, postgresOf, postmasterOf, ServerProcess, until } from '../db/server/support/serverProcess.ts';
import { Client } from './support/client.ts';
import { Holds } from './support/holds.ts';
import { randomFrom } from './support/random.ts';
import { record, say, size, timeLimit } from './support/size.ts';
import { Worker } from './support/worker.ts';

const rounds = size('CHAOS_CRASHES', 20);
const seed = size('CHAOS_SEED', 1 + Math.floor(Math.random() * 1_000_000));
const seats = 75;
const victims = ['server', 'postgres', 'both'] as const;

/** Everybody who holds a seat according to the server, as `base/user` with the lease's id. */
async function heldBy(client: Client): Promise<Map<string, string>> {
  return until('the list of leases', async () => {
    const { status, body } = await client.call('GET', '/v1/leases?limit=1000');
    const leases = body.leases as { leaseId: string; holder: { base: string; user: string } }[];
    return status === 200 && new Map(leases.map((l) => [`${l.holder.base}/${l.holder.user}`, l.leaseId]));
  });
}

it('SIGKILL of the server, of its PostgreSQL or of both, at any moment under load: what was acknowledged is found, what was given back is gone', {
  timeout: 120_000 + rounds * 60_000,
}, async () => {
  const random = randomFrom(seed);
  const computer = await createComputer(seats);
  const env = { ...computer.env, LICENCE_LEASE_SECONDS: '600', LICENCE_CLEAR_STALE: 'never' };
  const holds = new Holds(seats);
  const { violations } = holds;
  let server = await ServerProcess.start(env);
  let client = new Client(server.address, 32);
  let operations = 0;
  let known = 0;
  const recoveries: number[] = [];
  const isOver = timeLimit();
  const world = {
    holds,
    product: 'erp',
    random,
    client: () => client,
    count: () => {
      operations += 1;
    },
  };
  const workers = [
    ...Array.from({ length: 24 }, (_, i) => new Worker(world, `leased${i}`, 4, false)),
    ...Array.from({ length: 8 }, (_, i) => new Worker(world, `reported${i}`, 6, true)),
  ];
  try {
    for (let round = 0; round < rounds && violations.length === 0 && !isOver(); round++) {
      const victim = victims[round % victims.length];
      let on = true;
      const load = Promise.all(
        workers.map(async (worker) => {
          while (on) await worker.step();
        }),
      );
      await delay(100 + random() * 1_400);
      const killedAt = Date.now();
      if (victim !== 'server') process.kill(postmasterOf(computer.dataDir), 'SIGKILL');
      if (victim === 'both' && random() < 0.5) await delay(random() * 20);
      if (victim !== 'postgres') await server.stop('SIGKILL');
      on = false;
      await load;
      if (victim !== 'postgres') {
        await client.close();
        server = await ServerProcess.start(env);
        expect(server.address, server.output).not.toBe('');
        client = new Client(server.address, 32);
      }
      await until('a check-out to be answered', async () => {
        const holder = { base: 'probe', user: 'probe', host: 'pc' };
        const { status, body } = await client.call('POST', '/v1/checkouts', { product: 'erp', holder });
        if (status === 409) return true;
        if (status !== 201 && status !== 200) return false;
        return (await client.call('DELETE', `/v1/leases/${body.leaseId}`)).status === 204;
      });
      recoveries.push(Date.now() - killedAt);
      if (round % 20 === 19) say(`  ${round + 1} crashes so far, ${violations.length} violations`);
      const held = await heldBy(client);
      held.delete('probe/probe');
      if (held.size > seats) violations.push(`${held.size} leases of ${seats} seats`);
      const now = Date.now();
      for (const worker of workers) {
        for (const { leaseId, holder } of worker.known(now, now)) {
          known += 1;
          const found = held.get(holder);
          if (found !== leaseId)
            violations.push(`round ${round} (${victim}): ${holder} was granted ${leaseId}; found: ${found}`);
        }
        for (const holder of worker.knownWithout())
          if (held.has(holder)) violations.push(`round ${round} (${victim}): ${holder} gave its seat back and has one`);
      }
    }
    recoveries.sort((a, b) => a - b);
    record({
      claim: 'SIGKILL of server, PostgreSQL or both under load: what was acknowledged is found',
      size: `${recoveries.length} crashes${recoveries.length < rounds ? ` (of ${rounds}: the time was over)` : ''}, ${operations} operations, ${known} acknowledged leases looked for`,
      violations: violations.length,
      detail: `seed ${seed}; back after ${recoveries[recoveries.length >> 1]} ms (median), ${recoveries.at(-1)} ms (longest)`,
    });
    expect(violations).toEqual([]);
    expect(known).toBeGreaterThan(recoveries.length);
    expect(await server.stop()).toBe(0);
  } finally {
    await client.close();
    await server.stop('SIGKILL');
    await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
    computer.remove();
  }
});

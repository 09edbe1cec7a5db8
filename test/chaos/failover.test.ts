import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { PrerequisiteMissing } from '../../cluster/prerequisite.ts';
import { createComputer, until } from '../db/server/support/serverProcess.ts';
import { type PgBouncer, startPgBouncer } from '../support/pgBouncer.ts';
import { startReplicatedPostgres } from '../support/replicatedPostgres.ts';
import { relayTo, throughRelay } from '../support/tcpRelay.ts';
import type { Client } from './support/client.ts';
import { Servers } from './support/cluster.ts';
import { Holds } from './support/holds.ts';
import { randomFrom } from './support/random.ts';
import { record, say, size } from './support/size.ts';
import { Worker } from './support/worker.ts';

const rounds = size('CHAOS_FAILOVERS', 1);
const seed = size('CHAOS_SEED', 1 + Math.floor(Math.random() * 1_000_000));
const seats = 75;
const patient = 120_000;

/** Everybody who holds a seat according to the server, as `base/user` with the lease's id. */
const heldBy = (client: Client): Promise<Map<string, string>> =>
  until(
    'the list of leases',
    async () => {
      const { status, body } = await client.call('GET', '/v1/leases?limit=1000');
      const leases = body.leases as { leaseId: string; holder: { base: string; user: string } }[];
      return status === 200 && new Map(leases.map((l) => [`${l.holder.base}/${l.holder.user}`, l.leaseId]));
    },
    patient,
  );

interface Scenario {
  readonly name: string;
  /** Commits wait for the standby: then nothing that was acknowledged may be missing on it. */
  readonly synchronous: boolean;
  readonly pooled: boolean;
}
const scenarios: readonly Scenario[] = [
  { name: 'synchronous', synchronous: true, pooled: false },
  { name: 'asynchronous', synchronous: false, pooled: false },
  { name: 'synchronous, through PgBouncer in session mode', synchronous: true, pooled: true },
];

it.for(scenarios)(
  'three servers under load, the primary is killed and its $name standby promoted',
  { timeout: 120_000 + rounds * 240_000 },
  async ({ name, synchronous, pooled }, test) => {
    const random = randomFrom(seed);
    const violations: string[] = [];
    const backMs: number[] = [];
    let operations = 0;
    let known = 0;
    let lost = 0;
    for (let round = 0; round < rounds && violations.length === 0; round++) {
      const computer = await createComputer(seats);
      await using postgres = await startReplicatedPostgres(synchronous);
      await using relay = await relayTo(postgres.primary.url);
      const address = throughRelay(postgres.primary.url, relay);
      await using pooler = pooled ? await poolerOrSkip(address, test.skip) : undefined;
      await using servers = await Servers.start(computer, 3, {
        DATABASE_URL: pooler?.url ?? address,
        LICENCE_LEASE_SECONDS: '600',
        LICENCE_CLEAR_STALE: 'never',
      });
      const holds = new Holds(seats);
      const world = {
        holds,
        product: 'erp',
        random,
        client: () => servers.any(random()),
        count: (operation: string, status: number) => {
          operations += 1;
          if (status === 500) violations.push(`${operation} was answered 500`);
        },
      };
      const workers = [
        ...Array.from({ length: 24 }, (_, i) => new Worker(world, `leased${i}`, 4, false)),
        ...Array.from({ length: 8 }, (_, i) => new Worker(world, `reported${i}`, 6, true)),
      ];
      try {
        let on = true;
        const load = Promise.all(
          workers.map(async (worker) => {
            while (on) await worker.step();
          }),
        );
        await delay(2_000 + random() * 2_000);
        await postgres.primary.stop('SIGKILL');
        relay.set('refuse');
        await postgres.promote();
        relay.leadTo(postgres.standby.port);
        relay.set('pass');
        const switchedAt = Date.now();
        await until(
          'a check-out to be answered',
          async () => {
            const holder = { base: 'probe', user: 'probe', host: 'pc' };
            const { status } = await world.client().call('POST', '/v1/checkouts', { product: 'erp', holder });
            return [200, 201, 409].includes(status);
          },
          patient,
        );
        backMs.push(Date.now() - switchedAt);
        on = false;
        await load;
        for (let i = 0; i < servers.count; i++) {
          const ready = async () => (await fetch(`${servers.address(i)}/healthz/ready`)).status === 200;
          await until('every server to be ready', ready, patient);
        }
        const held = await heldBy(world.client());
        if (held.size > seats) violations.push(`${held.size} leases of ${seats} seats`);
        const now = Date.now();
        for (const worker of workers) {
          for (const { leaseId, holder } of worker.known(now, now)) {
            known += 1;
            if (held.get(holder) === leaseId) continue;
            lost += 1;
            if (synchronous) violations.push(`${holder} was granted ${leaseId}; found: ${held.get(holder)}`);
          }
          if (!synchronous) continue;
          for (const holder of worker.knownWithout())
            if (held.has(holder)) violations.push(`${holder} gave its seat back and has one`);
        }
      } finally {
        computer.remove();
      }
    }
    backMs.sort((a, b) => a - b);
    say(`failover: seed ${seed}`);
    record({
      claim: `three servers under load, the primary is killed and its standby promoted (${name})`,
      size: `${rounds} fail-overs, ${operations} operations, ${known} acknowledged leases looked for`,
      violations: violations.length,
      detail: `${lost} not found; check-outs again ${backMs.at(-1)} ms after the address leads to the new primary`,
    });
    expect(violations).toEqual([]);
    expect(known).toBeGreaterThan(0);
  },
);

async function poolerOrSkip(url: string, skip: (note?: string) => never): Promise<PgBouncer> {
  try {
    return await startPgBouncer(url, 'session', 60);
  } catch (error) {
    if (!(error instanceof PrerequisiteMissing)) throw error;
    say(`SKIPPED: ${error.message}`);
    return skip(error.message);
  }
}

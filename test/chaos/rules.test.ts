import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createComputer, postgresOf, postmasterOf, ServerProcess, until } from '../db/server/support/serverProcess.ts';
import { createTestDatabase } from '../support/testDatabase.ts';
import { Client } from './support/client.ts';
import { Servers } from './support/cluster.ts';
import { randomFrom } from './support/random.ts';
import { lookAtRules, type RuledView } from './support/ruledLedger.ts';
import { RuledWorker, type RuledWorld } from './support/ruledWorker.ts';
import { record, say, size, timeLimit } from './support/size.ts';

const operations = size('CHAOS_RULED_OPERATIONS', 20_000);
const rounds = size('CHAOS_RULED_CRASHES', 9);
const killEveryMs = size('CHAOS_KILL_EVERY_MS', 4_000);
const seed = size('CHAOS_SEED', 1 + Math.floor(Math.random() * 1_000_000));

// fewer seats than people want, so that every rule bites
const seats = 30;
const licence = {
  countBy: 'userOnHost',
  overdraftSeats: 3,
  features: ['payroll'],
  weights: { payroll: 2 },
} as const;
const rules = [
  { name: 'tests', product: 'erp', match: { bases: ['test*'] }, max: 5 },
  { name: 'each', product: 'erp', maxEach: 4 },
  { name: 'kept', product: 'erp', match: { users: ['chief*'] }, reserve: 4 },
  { name: 'first', product: 'erp', match: { users: ['vip*'] }, priority: 5 },
];
const bounds = { most: { tests: 5, each: 4 }, kept: 4, each: 4 };
const settings = { LICENCE_RULES: JSON.stringify(rules), LICENCE_CLEAR_STALE: 'never' };

const people = (world: RuledWorld): RuledWorker[] =>
  Array.from({ length: 32 }, (_, i) => new RuledWorker(world, `${['chief', 'vip', 'user', 'user'][i % 4]}-${i}`));

/** What is wrong in the ledger, and what of it is against what people were told meanwhile. */
async function look(workers: readonly RuledWorker[], connection: object, violations: string[]): Promise<RuledView> {
  const fromMs = Date.now();
  const before = workers.map((w) => ({ w, version: w.version, known: w.known(fromMs, fromMs) }));
  const view = await lookAtRules(connection, bounds);
  violations.push(...view.wrong);
  const untilMs = Date.now();
  for (const { w, version, known } of before) {
    const after = w.version === version ? new Set(w.known(fromMs, untilMs)) : new Set();
    for (const leaseId of known)
      if (after.has(leaseId) && !view.leaseIds.has(leaseId))
        violations.push(`${leaseId} was granted, and the database does not have it`);
  }
  return view;
}

const counted = () => {
  const counts = new Map<string, number>();
  let done = 0;
  return {
    count: (outcome: string) => {
      done += 1;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    },
    done: () => done,
    tell: () => [...counts].sort().map(([outcome, n]) => `${outcome}: ${n}`),
    of: (outcome: string) => counts.get(outcome) ?? 0,
  };
};

it('three servers on one database, killed in turn, with rules, shared seats, weights and an overdraft: every bound and every counter holds', {
  timeout: 120_000 + operations * 40,
}, async () => {
  const random = randomFrom(seed);
  const computer = await createComputer(seats, 'EdDSA', licence);
  await using database = await createTestDatabase({ name: 'chaos_empty', prepare: async () => {} });
  const connection = { connectionString: database.url };
  const violations: string[] = [];
  const counts = counted();
  const isOver = timeLimit();
  let looks = 0;
  let most = 0;
  try {
    await using servers = await Servers.start(computer, 3, {
      ...settings,
      DATABASE_URL: database.url,
      LICENCE_LEASE_SECONDS: '10',
      LICENCE_STALE_AFTER_SECONDS: '86400',
    });
    const workers = people({ violations, random, client: () => servers.any(random()), count: counts.count });
    let on = true;
    const fail = (error: unknown) => {
      on = false;
      throw error;
    };
    const watching = (async () => {
      for (; on; await delay(50)) {
        most = Math.max(most, (await look(workers, connection, violations)).inUse);
        looks += 1;
      }
    })().catch(fail);
    const killing = (async () => {
      while (on) {
        await delay(killEveryMs * (0.5 + random()));
        if (on) await servers.killOne(Math.floor(random() * servers.count));
      }
    })().catch(fail);
    await Promise.all(
      workers.map(async (worker) => {
        while (on && counts.done() < operations && !isOver() && violations.length < 20) await worker.step();
      }),
    ).catch(fail);
    on = false;
    await Promise.all([watching, killing]);
    await look(workers, connection, violations);
    for (const line of counts.tell()) say(`  ${line}`);
    record({
      claim:
        'three servers killed in turn, with rules, shared seats, weights and an overdraft: every bound and counter holds',
      size: `${counts.done()} operations, ${servers.kills} kills`,
      violations: violations.length,
      detail: `seed ${seed}; ${looks} looks into the database; ${most} seats in use at most, of ${seats} and ${licence.overdraftSeats}`,
    });
    expect(violations).toEqual([]);
    expect(servers.kills).toBeGreaterThan(0);
    expect(most).toBeGreaterThan(seats); // the overdraft was reached
    for (const reason of ['RuleLimit', 'SeatsExhausted']) expect(counts.of(`409 ${reason}`)).toBeGreaterThan(0);
  } finally {
    computer.remove();
  }
});

/** The embedded PostgreSQL of a server, past the server. */
function embeddedOf(dataDir: string): object {
  const postgres = join(dataDir, 'postgres');
  const major = readdirSync(postgres).find((name) => /^\d+$/.test(name)) ?? '';
  const [, , , port, host] = readFileSync(join(postgres, major, 'postmaster.pid'), 'utf8').split('\n');
  return { host, port: Number(port), user: 'licence', database: 'licence' };
}

it('SIGKILL of server, PostgreSQL or both, with rules: what was acknowledged is found, and every counter is right afterwards', {
  timeout: 120_000 + rounds * 60_000,
}, async () => {
  const random = randomFrom(seed);
  const computer = await createComputer(seats, 'EdDSA', licence);
  const env = { ...computer.env, ...settings, LICENCE_LEASE_SECONDS: '600' };
  const violations: string[] = [];
  const counts = counted();
  const isOver = timeLimit();
  let server = await ServerProcess.start(env);
  let client = new Client(server.address, 32);
  const workers = people({ violations, random, client: () => client, count: counts.count });
  let crashes = 0;
  try {
    for (; crashes < rounds && violations.length === 0 && !isOver(); crashes++) {
      const victim = (['server', 'postgres', 'both'] as const)[crashes % 3];
      let on = true;
      const load = Promise.all(
        workers.map(async (worker) => {
          while (on) await worker.step();
        }),
      );
      await delay(300 + random() * 1_500);
      if (victim !== 'server') process.kill(postmasterOf(computer.dataDir), 'SIGKILL');
      if (victim !== 'postgres') await server.stop('SIGKILL');
      on = false;
      await load;
      if (victim !== 'postgres') {
        await client.close();
        server = await ServerProcess.start(env);
        expect(server.address, server.output).not.toBe('');
        client = new Client(server.address, 32);
      }
      await until('the ledger to be read', async () => (await client.call('GET', '/v1/leases')).status === 200);
      await look(workers, embeddedOf(computer.dataDir), violations);
    }
    record({
      claim:
        'SIGKILL of server, PostgreSQL or both, with rules: what was acknowledged is found, every counter is right',
      size: `${crashes} crashes, ${counts.done()} operations`,
      violations: violations.length,
      detail: `seed ${seed}`,
    });
    expect(violations).toEqual([]);
    expect(counts.of('201')).toBeGreaterThan(crashes);
    expect(await server.stop()).toBe(0);
  } finally {
    await client.close();
    await server.stop('SIGKILL');
    await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
    computer.remove();
  }
});

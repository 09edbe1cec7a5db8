import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createComputer } from '../db/server/support/serverProcess.ts';
import { createTestDatabase } from '../support/testDatabase.ts';
import { Servers } from './support/cluster.ts';
import { Holds } from './support/holds.ts';
import { LedgerCheck } from './support/ledgerCheck.ts';
import { randomFrom } from './support/random.ts';
import { record, say, size, timeLimit } from './support/size.ts';
import { Worker } from './support/worker.ts';

const product = 'erp';
const operations = size('CHAOS_OPERATIONS', 100_000);
const killEveryMs = size('CHAOS_KILL_EVERY_MS', 4_000);
const seed = size('CHAOS_SEED', 1 + Math.floor(Math.random() * 1_000_000));
/** More people at once, and as many more seats: more operations a second, since a batch serves them together. */
const crowd = size('CHAOS_CROWD', 1);
const seats = 75 * crowd;

it('three servers on one database, killed in turn: never more seats than bought, nothing acknowledged lost, nobody refused for nothing', {
  timeout: 120_000 + operations * 40, // patient: a loaded machine does a hundred operations a second
}, async () => {
  const random = randomFrom(seed);
  const computer = await createComputer(seats);
  await using database = await createTestDatabase({ name: 'chaos_empty', prepare: async () => {} });
  const holds = new Holds(seats);
  const began = Date.now();
  const isOver = timeLimit();
  let done = 0;
  let looks = 0;
  const counts = new Map<string, number>();
  try {
    await using servers = await Servers.start(
      computer,
      3,
      {
        DATABASE_URL: database.url,
        LICENCE_LEASE_SECONDS: '10',
        LICENCE_STALE_AFTER_SECONDS: '86400',
        LICENCE_CLEAR_STALE: 'never',
      },
      64 * crowd,
    );
    await using ledger = new LedgerCheck({ connectionString: database.url }, product);
    const world = {
      holds,
      product,
      random,
      client: () => servers.any(random()),
      count: (operation: string, status: number) => {
        done += 1;
        const name = `${operation} ${status}`;
        counts.set(name, (counts.get(name) ?? 0) + 1);
      },
    };
    const workers = [
      ...Array.from({ length: 32 * crowd }, (_, i) => new Worker(world, `leased${i}`, 3, false)),
      ...Array.from({ length: 8 * crowd }, (_, i) => new Worker(world, `reported${i}`, 6, true)),
    ];
    let on = true;
    let toldAt = performance.now();
    const fail = (error: unknown) => {
      on = false;
      throw error;
    };
    const look = async () => {
      const fromMs = Date.now();
      const before = workers.map((w) => ({ w, version: w.version, known: w.known(fromMs, fromMs) }));
      const view = await ledger.look();
      const untilMs = Date.now();
      looks += 1;
      const { violations } = holds;
      if (view.rows > view.seatLimit) violations.push(`${view.rows} leases of ${view.seatLimit} seats`);
      if (view.rows !== view.inUse) violations.push(`${view.rows} leases, counted as ${view.inUse}`);
      if (view.rows !== view.distinctHolders) violations.push(`${view.rows} leases of ${view.distinctHolders} holders`);
      for (const { w, version, known } of before) {
        const after = w.version === version ? new Set(w.known(fromMs, untilMs).map((k) => k.leaseId)) : new Set();
        for (const { leaseId, holder } of known) {
          if (after.has(leaseId) && !view.leaseIds.has(leaseId))
            violations.push(`${holder} was granted ${leaseId}, and the database does not have it`);
        }
      }
    };
    const watching = (async () => {
      while (on) {
        await look();
        await delay(100);
        if (performance.now() - toldAt < 60_000) continue;
        toldAt = performance.now();
        say(`  ${done} operations so far, ${servers.kills} kills, ${holds.violations.length} violations`);
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
        while (on && done < operations && !isOver() && holds.violations.length < 20) await worker.step();
      }),
    ).catch(fail);
    on = false;
    await Promise.all([watching, killing]);
    await look();
    const end = Date.now();
    for (const worker of workers) worker.finish(end);
    const diary = await ledger.replay();
    const took = (end - began) / 1_000;
    for (const name of [...counts.keys()].sort()) say(`  ${name}: ${counts.get(name)}`);
    say(`  seed ${seed}; most seats surely held at once: ${holds.peak()} of ${seats}; diary: ${JSON.stringify(diary)}`);
    record({
      claim: 'three servers on one database, killed in turn: never more seats than bought, nothing acknowledged lost',
      size: `${done} operations${done < operations ? ` (of ${operations}: the time was over)` : ''}, ${servers.kills} kills`,
      violations: holds.violations.length,
      detail: `${took.toFixed(0)} s, ${looks} looks into the database, ${holds.denialsProven} refusals judged, ${diary.events} entries of the diary`,
    });
    expect(holds.violations).toEqual([]);
    expect(holds.peak()).toBeLessThanOrEqual(seats);
    expect(diary.most).toBeLessThanOrEqual(seats);
    expect(diary.left).toBe(diary.rows);
    if (!isOver()) expect(done).toBeGreaterThanOrEqual(operations);
    expect(servers.kills).toBeGreaterThan(0);
  } finally {
    computer.remove();
  }
});

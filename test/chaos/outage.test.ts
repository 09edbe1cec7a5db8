import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { expect, it } from 'vitest';
import { createComputer, until } from '../db/server/support/serverProcess.ts';
import { Servers } from './support/cluster.ts';
import { LiveHolder } from './support/holder.ts';
import { LedgerCheck } from './support/ledgerCheck.ts';
import { linesOf } from './support/logLines.ts';
import { startOwnPostgres } from './support/ownPostgres.ts';
import { record, say, size } from './support/size.ts';

/** The shortest that may be asked for in a LicenceServer. */
const leaseMs = 10_000;
const outageMs = size('CHAOS_OUTAGE_MS', 3 * leaseMs);
const seats = 20;
const maxConnections = 40;

/** Takes every connection that the database has, cuts off those of others, and holds on for a while. */
async function takeAllConnections(url: string, forMs: number): Promise<number> {
  const taken: pg.Client[] = [];
  const end = Date.now() + forMs;
  try {
    while (Date.now() < end) {
      const client = new pg.Client({
        connectionString: url,
        connectionTimeoutMillis: 2_000,
        application_name: 'taker',
      });
      client.on('error', () => {});
      try {
        await client.connect();
        taken.push(client);
        await client.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name <> 'taker' AND backend_type = 'client backend'",
        );
      } catch {
        await client.end().catch(() => {});
        await delay(5);
      }
    }
    return taken.length;
  } finally {
    await Promise.all(taken.map((client) => client.end().catch(() => {})));
  }
}

it('the database is away for three lease times, then at its connection limit for as long: live holders keep their seats, nobody else gets them, dead ones are freed', {
  timeout: 300_000 + 3 * outageMs,
}, async () => {
  const computer = await createComputer(seats);
  try {
    await using postgres = await startOwnPostgres({ max_connections: String(maxConnections) });
    await using servers = await Servers.start(computer, 2, {
      DATABASE_URL: postgres.url,
      LICENCE_LEASE_SECONDS: String(leaseMs / 1_000),
      LICENCE_CLEAR_STALE: 'never',
    });
    await using ledger = new LedgerCheck({ connectionString: postgres.url }, 'erp');
    const client = () => servers.any(Math.random());
    // the last seat goes from one contender to the next: none of them ever sends a heartbeat
    const live = await Promise.all(
      Array.from({ length: seats - 1 }, (_, i) => LiveHolder.start('erp', `live${i}`, client)),
    );
    let grants = 0;
    let rude = 0;
    const statuses = new Map<number, number>();
    let on = true;
    const contenders = Array.from({ length: 20 }, async (_, i) => {
      while (on) {
        const holder = { base: 'contender', user: `c${i}`, host: 'pc' };
        const { status, headers } = await client().call('POST', '/v1/checkouts', { product: 'erp', holder });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 201) grants += 1;
        if (status === 503 && headers['retry-after'] === undefined) rude += 1;
        // who got one falls silent until it has run out: asking again would renew it
        for (let ms = status === 201 || status === 200 ? 2 * leaseMs : 100; on && ms > 0; ms -= 100) await delay(100);
      }
    });
    const readiness = async () => (await client().call('GET', '/healthz/ready')).status;
    const lost = () => live.filter((holder) => holder.lost).length;
    const trouble: [string, () => Promise<unknown>][] = [
      [
        'away',
        async () => {
          await postgres.stop();
          const until503 = Date.now();
          await until('readiness to fall', async () => (await readiness()) === 503);
          const unreadyAfterMs = Date.now() - until503;
          await delay(Math.max(0, outageMs - unreadyAfterMs));
          await postgres.start();
          return `unready after ${unreadyAfterMs} ms`;
        },
      ],
      ['without a free connection', async () => `${await takeAllConnections(postgres.url, outageMs)} taken`],
    ];
    try {
      for (const [what, make] of trouble) {
        const told = await make();
        const backMs = Date.now();
        await until('a heartbeat to be answered', async () => {
          const { status } = await client().call('POST', `/v1/leases/${live[0]?.leaseId}/heartbeat`);
          return status === 200 || status === 410;
        });
        const workedMs = Date.now() - backMs;
        await until('readiness to come back', async () => (await readiness()) === 200);
        const before = grants;
        await until('the seat of a dead holder to be given to the next', async () => grants > before, 90_000);
        await delay(leaseMs);
        const view = await ledger.look();
        record({
          claim: `database ${what} for ${outageMs / leaseMs} lease times: live holders keep their seats, dead ones are freed`,
          size: `${live.length} live holders of leases of ${leaseMs / 1_000} s, 20 contenders, ${outageMs / 1_000} s`,
          violations: lost() + Math.max(0, view.rows - seats),
          detail: `${told}; works again after ${workedMs} ms; ${view.rows} leases of ${seats} seats`,
        });
        expect(lost()).toBe(0);
        expect(view.rows).toBeLessThanOrEqual(seats);
        expect(view.rows).toBe(view.inUse);
      }
    } finally {
      on = false;
      await Promise.all([...contenders, ...live.map((holder) => holder.stop())]);
    }
    const warnings = linesOf(servers.output(), 'warn');
    const answers = [...statuses].map(([s, n]) => `${s}: ${n}`).join(', ');
    say(`outage: answers to contenders: ${answers}; ${warnings} lines of warnings by both servers`);
    expect(rude, 'a 503 without Retry-After').toBe(0);
    // not one a refused request: when it begins, every ten seconds, and a few of what works beside the seats
    expect(warnings).toBeLessThan(20 + outageMs / 250);
  } finally {
    computer.remove();
  }
});

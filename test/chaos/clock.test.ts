import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { expect, it } from 'vitest';
import { createComputer, until } from '../db/server/support/serverProcess.ts';
import { Servers } from './support/cluster.ts';
import { LiveHolder } from './support/holder.ts';
import { LedgerCheck } from './support/ledgerCheck.ts';
import { startOwnPostgres } from './support/ownPostgres.ts';
import { record } from './support/size.ts';
import { canStepClocks, SteppedClock } from './support/steppedClock.ts';

const leaseMs = 10_000;
const seats = 20;
/** In days from the true time: a year ahead, from there to a year behind, and right again. */
const steps = [365, -365, 0];
const reported = /clock|nothing expires for one lease time/g;

/** What an administrator must read. That both are ahead nobody could tell from a clock that is right. */
function expectedTrouble(whose: 'database' | 'server' | 'both', days: number): string | undefined {
  if (days < 0 && whose !== 'database') return 'the clock was set back';
  if (days === 0 || whose === 'both') return undefined;
  return days > 0 === (whose === 'database') ? 'clock is far ahead of' : 'clock is far behind';
}
const able = await canStepClocks();

it.skipIf(!able).each(['database', 'server', 'both'] as const)(
  'the clock (%s) is set by a year: it is reported, no seat is lost, none is prolonged, none becomes stale',
  { timeout: 120_000 + steps.length * 120_000 },
  async (whose) => {
    const computer = await createComputer(seats + 1);
    using databaseClock = new SteppedClock();
    using serverClock = new SteppedClock();
    try {
      await using postgres = await startOwnPostgres({});
      await postgres.stop();
      await databaseClock.inherited(() => postgres.start());
      await using servers = await Servers.start(computer, 2, {
        ...serverClock.env,
        DATABASE_URL: postgres.url,
        LICENCE_LEASE_SECONDS: String(leaseMs / 1_000),
        LICENCE_STALE_AFTER_SECONDS: '600',
        LICENCE_CLEAR_STALE: 'never',
      });
      await using ledger = new LedgerCheck({ connectionString: postgres.url }, 'erp');
      const admin = new pg.Pool({ connectionString: postgres.url, max: 1 });
      admin.on('error', () => {});
      const client = () => servers.any(Math.random());
      // a person at a program that neither expires nor reports often
      const sticky = { product: 'erp', mode: 'sticky', holder: { base: 'desk', user: 'anna', host: 'pc' } };
      expect((await client().call('POST', '/v1/checkouts', sticky)).status).toBe(201);
      const live = await Promise.all(
        Array.from({ length: seats - 1 }, (_, i) => LiveHolder.start('erp', `live${i}`, client)),
      );
      let grants = 0;
      let on = true;
      const wrong: string[] = [];
      const contenders = Array.from({ length: 10 }, async (_, i) => {
        while (on) {
          const holder = { base: 'contender', user: `c${i}`, host: 'pc' };
          const { status } = await client().call('POST', '/v1/checkouts', { product: 'erp', holder });
          if (status === 201) grants += 1;
          else if (status !== 409 && status !== 200 && status !== 503) wrong.push(`a check-out was answered ${status}`);
          for (let ms = status === 201 || status === 200 ? 2 * leaseMs : 100; on && ms > 0; ms -= 100) await delay(100);
        }
      });
      const times: string[] = [];
      let looks = 0;
      try {
        await until('the last seat to be taken', async () => grants > 0);
        for (const days of steps) {
          const reports = () => servers.output().match(reported)?.length ?? 0;
          const told = reports();
          if (whose !== 'server') databaseClock.set(days);
          if (whose !== 'database') serverClock.set(days);
          const setMs = Date.now();
          await until('it to be reported', async () => reports() > told);
          const said = () => client().call('GET', '/v1/status');
          const expected = expectedTrouble(whose, days);
          if (expected)
            await until(
              `the status to say "${expected}"`,
              async () => String((await said()).body.trouble).includes(expected),
              120_000,
            );
          const before = grants;
          await until('the seat of a dead holder to be given to the next', async () => grants > before, 90_000);
          times.push(`${Date.now() - setMs} ms`);
          await delay(leaseMs / 2);
          const view = await ledger.look();
          looks += 1;
          if (view.rows > seats + 1 || view.rows !== view.inUse)
            wrong.push(`${view.rows} leases, counted ${view.inUse}`);
          const { rows } = await admin.query(
            `SELECT count(*) FILTER (WHERE expires_at > clock_timestamp() + $1 * interval '1 ms' AND kind = 0)::int AS prolonged,
                    (SELECT sum(stale)::int FROM pool) AS stale FROM lease`,
            [leaseMs],
          );
          if (rows[0].prolonged > 0) wrong.push(`${rows[0].prolonged} leases end later than a lease time from now`);
          if (rows[0].stale > 0) wrong.push(`${rows[0].stale} seats became stale`);
        }
      } finally {
        on = false;
        await Promise.all([...contenders, ...live.map((holder) => holder.stop())]);
        await admin.end();
        if (process.env.CHAOS_LOG) process.stdout.write(servers.output().slice(-20_000));
      }
      const lost = live.filter((holder) => holder.lost).length;
      record({
        claim: `the clock of ${whose === 'both' ? 'both' : `the ${whose}`} set by a year and more: reported, no seat lost, nothing prolonged`,
        size: `${steps.length} steps (${steps.join(', ')} days), ${live.length} live holders and a sticky one, ${grants} grants, ${looks} looks`,
        violations: lost + wrong.length,
        detail: `the seat of a dead holder was free again after ${times.join(', ')}`,
      });
      expect(wrong).toEqual([]);
      expect(lost).toBe(0);
    } finally {
      computer.remove();
    }
  },
);

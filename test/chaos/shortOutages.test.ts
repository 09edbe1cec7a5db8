import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createComputer, until } from '../db/server/support/serverProcess.ts';
import { relayTo, throughRelay } from '../support/tcpRelay.ts';
import { createTestDatabase } from '../support/testDatabase.ts';
import { Servers } from './support/cluster.ts';
import { LiveHolder } from './support/holder.ts';
import { LedgerCheck } from './support/ledgerCheck.ts';
import { randomFrom } from './support/random.ts';
import { record, size } from './support/size.ts';

const rounds = size('CHAOS_SHORT_OUTAGES', 6);
const seed = size('CHAOS_SEED', 1 + Math.floor(Math.random() * 1_000_000));
/** The shortest that may be asked for in a LicenceServer. */
const leaseMs = 10_000;
const seats = 40;

it('short outages of any length and kind while everybody wants the seats: no live holder loses its seat, dead ones are freed', {
  timeout: 120_000 + rounds * 90_000,
}, async () => {
  const random = randomFrom(seed);
  const computer = await createComputer(seats);
  await using database = await createTestDatabase({ name: 'chaos_empty', prepare: async () => {} });
  await using relay = await relayTo(database.url);
  try {
    await using servers = await Servers.start(computer, 2, {
      DATABASE_URL: throughRelay(database.url, relay),
      LICENCE_LEASE_SECONDS: String(leaseMs / 1_000),
      LICENCE_CLEAR_STALE: 'never',
    });
    await using ledger = new LedgerCheck({ connectionString: database.url }, 'erp');
    const client = () => servers.any(Math.random());
    const live = await Promise.all(
      Array.from({ length: seats - 1 }, (_, i) => LiveHolder.start('erp', `live${i}`, client, false)),
    );
    let on = true;
    let grants = 0;
    let asked = 0;
    const contenders = Array.from({ length: 20 }, async (_, i) => {
      while (on) {
        const holder = { base: 'contender', user: `c${i}`, host: 'pc' };
        const { status } = await client().call('POST', '/v1/checkouts', { product: 'erp', holder });
        asked += 1;
        if (status === 201) grants += 1;
        for (let ms = status === 201 || status === 200 ? 2 * leaseMs : 20; on && ms > 0; ms -= 20) await delay(20);
      }
    });
    const renewed = () => live.reduce((sum, holder) => sum + holder.renewals, 0);
    const worked: number[] = [];
    try {
      for (let round = 0; round < rounds && !live.some((holder) => holder.lost); round++) {
        // the freeze of the last one is over: nothing but the noticing of this one can save anybody
        const before = grants;
        await until('the seat of a dead holder to be given to the next', async () => grants > before, 90_000);
        const outageMs = 500 + random() * leaseMs * 1.2;
        relay.set(round % 2 === 0 ? 'refuse' : 'silent');
        await delay(outageMs);
        // a machine that comes back does not know the connections from before
        relay.set('refuse');
        relay.set('pass');
        const backMs = Date.now();
        const renewals = renewed();
        await until('a renewal', async () => renewed() > renewals);
        worked.push(Date.now() - backMs);
      }
      await delay(leaseMs / 2);
    } finally {
      on = false;
      await Promise.all([...contenders, ...live.map((holder) => holder.stop())]);
      if (process.env.CHAOS_LOG) process.stdout.write(servers.output().slice(-20_000));
    }
    const lost = live.filter((holder) => holder.lost).length;
    const diary = await ledger.replay();
    record({
      claim: 'short outages (refused, or silent) under full contention: no live holder loses its seat',
      size: `${worked.length} outages of 0.5 to ${(leaseMs * 1.2 + 500) / 1_000} s, ${live.length} live holders of leases of ${leaseMs / 1_000} s, ${asked} check-outs by 20 contenders, ${grants} granted`,
      violations: lost + Math.max(0, diary.most - seats),
      detail: `seed ${seed}; works again after ${worked.map((ms) => `${ms} ms`).join(', ')}`,
    });
    expect(lost).toBe(0);
    expect(diary.most).toBeLessThanOrEqual(seats);
    expect(diary.left).toBe(diary.rows);
  } finally {
    computer.remove();
  }
});

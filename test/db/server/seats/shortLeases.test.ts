import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from 'vitest';
import { newLeaseId } from '../../../../server/seats/leaseId.ts';
import { heartbeatBatch, seatBatch } from '../../../../server/seats/seatSql.ts';
import { useLedger } from '../support/ledgerDatabase.ts';

/** The ledger's own clock decides here, so time is made to have passed by moving what is stored back. No server runs. */
const poolId = 1;
const replica = randomUUID();
const client = useLedger("INSERT INTO pool (product, seat_limit) VALUES ('erp', 1)");
beforeEach(async () => {
  await client().query('DELETE FROM lease');
  await client().query('UPDATE pool SET in_use = 0');
});

const beat = async (leaseMs: number, start = false): Promise<boolean> =>
  (await client().query('SELECT * FROM beat($1, $2, $3, false, NULL)', [replica, leaseMs, start])).rows[0].froze;
const claim = async (user: string, leaseMs: number) => {
  const holder = `b\u001f${user}\u001fpc\u001f`;
  const leaseId = newLeaseId(poolId);
  const { codes } = await seatBatch(
    client(),
    poolId,
    leaseMs,
    [{ holder, leaseId, mode: 'leased', slot: 0, queueMs: 0 }],
    [],
  );
  return { code: codes, leaseId };
};
/** So much time has passed since all that is stored happened; no server beat meanwhile. */
const pass = async (ms: number) => {
  const by = "$1 * interval '1 ms'";
  await client().query(`UPDATE lease SET renewed_at = renewed_at - ${by}, expires_at = expires_at - ${by}`, [ms]);
  await client().query(`UPDATE pool SET next_expiry = next_expiry - ${by}, frozen_until = frozen_until - ${by}`, [ms]);
  await client().query(`UPDATE cluster SET alive_at = alive_at - ${by}`, [ms]);
};

// a live holder had sent its heartbeat a third of the lease time before the database went away
it.each([5, 10, 15, 20, 120])(
  'a lease of %i s is not lost to an outage that is as long as what is left of it',
  async (leaseSeconds) => {
    const leaseMs = leaseSeconds * 1_000;
    await beat(leaseMs, true);
    await client().query("UPDATE pool SET frozen_until = '-infinity'"); // the grace of a start is over
    const live = await claim('live', leaseMs);
    expect(live.code).toBe('G');
    await client().query("UPDATE lease SET expires_at = expires_at - $1 * interval '1 ms'", [leaseMs / 3]);
    await client().query("UPDATE pool SET next_expiry = next_expiry - $1 * interval '1 ms'", [leaseMs / 3]);
    await pass((leaseMs * 2) / 3 + 100);
    // the other one is quicker than the first beat and the holder's next heartbeat
    expect((await claim('other', leaseMs)).code).toBe('D');
    expect((await client().query('SELECT reap($1, NULL) AS n', [poolId])).rows[0].n).toBe(0);
    expect(await beat(leaseMs)).toBe(true);
    expect((await claim('other', leaseMs)).code).toBe('D');
    expect((await heartbeatBatch(client(), leaseMs, [live.leaseId])).marks).toBe('');
    // one that is really gone loses it a lease time later
    await pass(leaseMs + 1_000);
    await client().query("UPDATE cluster SET alive_at = clock_timestamp(), patience = '1 min'"); // this machine may be slow
    expect((await claim('other', leaseMs)).code).toBe('G');
  },
);

it('a beat that is a little late delays nobody', async () => {
  await beat(120_000, true);
  await client().query("UPDATE pool SET frozen_until = '-infinity'");
  await claim('gone', 120_000);
  await pass(121_000);
  await client().query("UPDATE cluster SET alive_at = clock_timestamp() - interval '2500 ms'"); // one beat was left out
  expect(await beat(120_000)).toBe(false);
  expect((await claim('other', 120_000)).code).toBe('G');
});

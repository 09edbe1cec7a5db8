import { afterEach, beforeEach, expect, it } from 'vitest';
import { LicenceClient, type LicenceRefused } from '../../../client/licenceClient.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from '../server/support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from '../server/support/seatServer.ts';

let database: TestDatabase;
let server: SeatServer;
let client: LicenceClient;
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  server = await startSeatServer(database.url, {
    licences: [{ seatLimit: 2 }],
    leaseMs: 4_000,
    rules: [{ name: 'half-an-hour', idleAfter: '30m' }],
  });
  client = new LicenceClient({ url: await server.app.listen({ host: '127.0.0.1', port: 0 }) });
});
afterEach(async () => {
  await server.stop();
  await database.drop();
});
const hold = async (user: string) => {
  const told: string[] = [];
  const seat = await client.hold(
    { product: 'erp', holder: { base: 'buh', user, host: 'pc' } },
    {
      onGivenAway: () => told.push('given away'),
      onLost: (refused: LicenceRefused) => told.push(refused.reason),
      onTrouble: (error) => told.push(String(error)),
    },
  );
  return { seat, told };
};
const idle = async () =>
  (await server.call('GET', '/v1/leases')).body.leases
    .filter((l: { idleSince?: string }) => l.idleSince !== undefined)
    .map((l: { holder: { user: string } }) => l.holder.user);
const halfAnHourLater = () => server.store.db.query("UPDATE lease SET idle_from = idle_from - interval '31 min'");
const soon = { timeout: 30_000 };

it('a held seat says whether anybody works; given away it is asked for again only when somebody does', async () => {
  const [anna, boris] = [await hold('anna'), await hold('boris')];
  anna.seat.setIdle(true);
  await expect.poll(idle, soon).toEqual(['anna']);
  boris.seat.setIdle(true);
  await expect.poll(idle, soon).toEqual(['anna', 'boris']);
  boris.seat.setIdle(false);
  await expect.poll(idle, soon).toEqual(['anna']);
  await halfAnHourLater();
  const vera = await hold('vera');
  await expect.poll(() => anna.told, soon).toEqual(['given away']);
  const before = anna.seat.grant.leaseId;

  anna.seat.setIdle(false); // no seat is free
  await expect.poll(() => anna.told, soon).toEqual(['given away', 'SeatsExhausted']);
  await vera.seat.release();
  anna.seat.setIdle(true);
  anna.seat.setIdle(false); // it comes back at once, and does not wait as long as it was told to
  await expect.poll(() => anna.seat.grant.leaseId, soon).not.toBe(before);
  expect([boris.told, vera.told]).toEqual([[], []]);
  await anna.seat.release();
  await boris.seat.release();
  expect((await server.call('GET', '/v1/leases')).body.leases).toEqual([]);
});

import fc from 'fast-check';
import { afterEach, expect, it, vi } from 'vitest';
import { LicenceClient, type Seat } from '../../../client/licenceClient.ts';
import { release } from '../../../server/seats/ledger.ts';
import { type Computer, leaseMs, World } from './world.ts';

// One program that holds many seats: what is due together is one request, and no seat is the worse for it.

const everyMs = leaseMs / 3; // the server's wish, as the world has it
let world: World;
let computer: Computer;
let seats: Seat[];
let troubles: unknown[];
let lost: string[];
afterEach(() => world.end());

function start(seatLimit: number): LicenceClient {
  world = new World(['anna'], seatLimit);
  [computer, seats, troubles, lost] = [world.computers[0] as Computer, [], [], []];
  return computer.run(() => new LicenceClient({ url: 'http://licences' }));
}
const hold = async (client: LicenceClient, session: string): Promise<Seat> => {
  const holder = { base: 'trade', user: computer.user, host: 'pc', session };
  const events = { onTrouble: (e: unknown) => troubles.push(e), onLost: () => lost.push(session) };
  const seat = await computer.run(() => client.hold({ product: 'erp', holder }, events));
  seats.push(seat);
  return seat;
};
async function holdMany(client: LicenceClient, many: number): Promise<void> {
  for (let i = 0; i < many; i++) await hold(client, `s${i}`);
  world.requests.length = 0;
}
const heartbeats = (): string[] => world.requests.filter((request) => request.includes('heartbeat'));
const leaseIds = (): string[] => seats.map((seat) => seat.grant.leaseId);

it('renews what is due together by one request for each thousand', async () => {
  await holdMany(start(1_200), 1_200);
  await world.pass(everyMs);
  expect(world.requests).toEqual(Array(2).fill('POST /v1/heartbeats'));
  const until = new Date(world.now + leaseMs).toISOString();
  expect(new Set(seats.map((seat) => seat.grant.expiresAt))).toEqual(new Set([until]));
});

it('renews each seat in the last quarter of its time, by few requests, whenever the seats were taken and given back', async () => {
  const moments = fc.array(fc.nat({ max: 3 * everyMs }), { minLength: 2, maxLength: 60 });
  const jitter = fc.array(fc.integer({ min: 30, max: 50 }), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(moments, moments, jitter, async (taken, given, seconds) => {
      const client = start(100);
      let answers = 0;
      world.heartbeatAfter = () => seconds[answers++ % seconds.length] as number;
      const known = new Map<string, { renewedAt: number; dueMs: number }>();
      world.watch = () => {
        const leases = new Map([...world.pool.leases.values()].map((lease) => [lease.leaseId, lease]));
        for (const { grant } of seats) {
          const lease = leases.get(grant.leaseId);
          if (lease === undefined) throw new Error('lost');
          const before = known.get(grant.leaseId);
          if (before !== undefined && before.renewedAt !== lease.renewedAt)
            expect(lease.renewedAt - before.renewedAt).toBeGreaterThanOrEqual(before.dueMs * 0.75);
          const dueMs = (grant.heartbeatAfterSeconds ?? 0) * 1_000;
          expect(world.now - lease.renewedAt).toBeLessThanOrEqual(dueMs);
          known.set(grant.leaseId, { renewedAt: lease.renewedAt, dueMs });
        }
      };
      taken.sort((a, b) => a - b);
      for (const [i, at] of taken.entries()) {
        await world.pass(at - (taken[i - 1] ?? 0));
        await hold(client, `s${i}`);
      }
      await world.pass(everyMs);
      world.requests.length = 0;
      await world.pass(10 * everyMs);
      expect(heartbeats().length).toBeLessThanOrEqual(10 * 6); // rounds are a quarter apart at least
      const gone = seats.splice(0, Math.min(given.length, seats.length));
      for (const seat of gone) await computer.run(() => seat.release());
      await world.pass(10 * everyMs);
      expect(world.pool.leases.size).toBe(seats.length);
      for (const seat of seats.splice(0)) await computer.run(() => seat.release());
      world.requests.length = 0;
      await world.pass(10 * everyMs);
      expect(world.requests).toEqual([]);
      expect([troubles, lost]).toEqual([[], []]);
      world.end();
    }),
    { numRuns: 25, endOnFailure: true },
  );
}, 120_000);

it.each(['refuses', 'hangs', 'away'] as const)('tries together again what failed together: %s', async (how) => {
  await holdMany(start(50), 50);
  const before = leaseIds();
  world.server = how;
  await world.pass(everyMs + 60_000);
  const tries = world.requests.length;
  expect(new Set(world.requests)).toEqual(new Set(['POST /v1/heartbeats']));
  expect(tries).toBeGreaterThanOrEqual(4);
  expect(tries).toBeLessThanOrEqual(14);
  expect(troubles.length).toBeGreaterThanOrEqual(50 * 4 - 50);
  expect(lost).toEqual([]);
  world.serveAgain();
  await world.pass(20_000);
  expect(leaseIds()).toEqual(before);
  for (const lease of world.pool.leases.values()) expect(lease.expiresAt).toBeGreaterThan(world.now + leaseMs - 20_000);
});

it('a seat that is gone is taken again by itself; one that somebody else has is told; the others know nothing of it', async () => {
  await holdMany(start(50), 50);
  const before = leaseIds();
  const [retaken, robbed] = [before[7] as string, before[9] as string];
  release(world.pool, retaken, 0);
  await world.pass(everyMs);
  expect(leaseIds().filter((id, i) => id !== before[i])).toHaveLength(1);
  expect(world.requests).toEqual(['POST /v1/heartbeats', 'POST /v1/checkouts']);
  release(world.pool, robbed, 0);
  expect(world.tryFor('grigory')).toBe(true);
  await world.pass(everyMs);
  expect(lost).toEqual(['s9']);
  expect(troubles).toEqual([]);
  expect(leaseIds().filter((id, i) => id !== before[i])).toHaveLength(1);
  world.giveBackAllOf('grigory');
  await world.pass(2 * everyMs);
  expect(world.leasesOf('anna')).toHaveLength(50);
});

it('takes again what was lost at once, a few at a time', async () => {
  await holdMany(start(100), 100);
  const served = fetch;
  let [open, most] = [0, 0];
  vi.stubGlobal('fetch', async (...asked: Parameters<typeof fetch>) => {
    open += 1;
    most = Math.max(most, open);
    await new Promise((resolve) => setImmediate(resolve));
    return served(...asked).finally(() => {
      open -= 1;
    });
  });
  world.giveBackAllOf('anna');
  for (let i = 0; i < 50; i++) await world.pass(everyMs / 40);
  expect(world.leasesOf('anna')).toHaveLength(100);
  expect(most).toBe(8);
  expect([troubles, lost]).toEqual([[], []]);
});

it('a server that goes while lost seats are taken again fails those that wait at once', async () => {
  await holdMany(start(100), 100);
  const served = fetch;
  vi.stubGlobal('fetch', (...asked: Parameters<typeof fetch>) => {
    if (String(asked[0]).endsWith('/checkouts')) world.server = 'hangs';
    return served(...asked);
  });
  world.giveBackAllOf('anna');
  await world.pass(everyMs + 10_000);
  expect(world.requests.filter((request) => request === 'POST /v1/checkouts')).toHaveLength(8);
  expect(troubles).toHaveLength(100);
  vi.stubGlobal('fetch', served);
  world.serveAgain();
  await world.pass(20_000);
  expect(world.leasesOf('anna')).toHaveLength(100);
});

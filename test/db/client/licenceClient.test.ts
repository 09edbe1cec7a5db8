import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  type Grant,
  LicenceClient,
  LicenceRefused,
  type Seat,
  type SeatEvents,
} from '../../../client/licenceClient.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from '../server/support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from '../server/support/seatServer.ts';

/** Stands between client and server; while `down`, nobody gets through. */
interface Link {
  readonly port: number;
  down: boolean;
  end(): Promise<void>;
}

async function linkTo(port: number): Promise<Link> {
  const open = new Set<Socket>();
  let down = false;
  const server: Server = createServer((near) => {
    if (down) return void near.destroy();
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          open.delete(socket);
          near.destroy();
          far.destroy();
        });
    }
    near.pipe(far).pipe(near);
  });
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get down() {
      return down;
    },
    set down(value) {
      down = value;
      if (down) cut();
    },
    end: () => {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

const eventually = async (what: string, check: () => boolean | Promise<boolean>) => {
  for (const end = Date.now() + 20_000; !(await check()); ) {
    if (Date.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
const refusalOf = async (call: Promise<unknown>): Promise<LicenceRefused> => {
  const error = await call.then(
    () => undefined,
    (e) => e,
  );
  if (error instanceof LicenceRefused) return error;
  throw new Error(`not a refusal: ${error}`);
};

let database: TestDatabase;
let server: SeatServer;
let link: Link;
let client: LicenceClient;
const seats: Seat[] = [];

beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  // the server asks for a heartbeat each second
  server = await startSeatServer(database.url, { leaseMs: 3_000, licences: [{ seatLimit: 1 }] });
  link = await linkTo(Number(new URL(await server.app.listen({ host: '127.0.0.1', port: 0 })).port));
  client = new LicenceClient({ url: `http://127.0.0.1:${link.port}` });
});
afterEach(async () => {
  link.down = false;
  for (const seat of seats.splice(0)) await seat.release();
  await link.end();
  await server.stop();
  await database.drop();
});

const request = (user: string) => ({ product: 'erp', holder: { base: 'buh', user, host: 'pc' } });
const hold = async (user: string, events: SeatEvents = {}): Promise<Seat> => {
  const seat = await client.hold(request(user), events);
  seats.push(seat);
  return seat;
};
const inUse = async (): Promise<number> => (await server.call('GET', '/v1/products')).body.products[0].seatsInUse;
const expiryOf = (grant: Grant): number => Date.parse(grant.expiresAt ?? '');
const held = async () => (await server.call('GET', '/v1/leases')).body.leases as { holder: { user: string } }[];

it('keeps a seat by heartbeats at the interval of the server, long after the first lease would have ended', async () => {
  const seat = await hold('anna');
  const first = expiryOf(seat.grant);
  expect(seat.grant.seats).toEqual({ limit: 1, inUse: 1 });
  await eventually('renewed past its first end', () => Date.now() > first + 500);
  expect(expiryOf(seat.grant)).toBeGreaterThan(Date.now());
  expect(await inUse()).toBe(1);
  expect((await refusalOf(client.checkOut(request('boris')))).reason).toBe('SeatsExhausted');
});

it('refuses with the reason of the server and when to ask again', async () => {
  await hold('anna');
  const refusal = await refusalOf(client.hold(request('boris')));
  expect(refusal).toMatchObject({ status: 409, reason: 'SeatsExhausted' });
  expect(refusal.retryAfterSeconds).toBeGreaterThan(0);
  expect(refusal.message).toContain('erp');
  expect((await refusalOf(client.checkOut({ ...request('boris'), product: 'crm' }))).reason).toBe('ProductUnknown');
});

it('waits in the queue of the server for a seat', async () => {
  const seat = await hold('anna');
  const waiting = client.hold(request('boris'), {}, 30);
  await eventually('boris waits', async () => {
    const { products } = (await server.call('GET', '/v1/products')).body;
    return products[0].queueLength === 1;
  });
  await seat.release();
  seats.push(await waiting);
  expect((await held()).map((l) => l.holder.user)).toEqual(['boris']);
});

it('gives a seat back, as often as it is asked', async () => {
  const seat = await hold('anna');
  await seat.release();
  expect(await inUse()).toBe(0);
  await seat.release();
  await client.release(seat.grant.leaseId);
  const other = await hold('boris');
  await seat.release();
  expect(await inUse()).toBe(1);
  expect(other.grant.seats.inUse).toBe(1);
});

it('takes the seat again when its lease was taken back', async () => {
  const seat = await hold('anna');
  const { leaseId } = seat.grant;
  await server.call('POST', `/v1/leases/${leaseId}:release`, { reason: 'a test' });
  await eventually('a new lease', () => seat.grant.leaseId !== leaseId);
  expect((await held()).map((l) => l.holder.user)).toEqual(['anna']);
  await seat.release();
  expect(await inUse()).toBe(0);
});

it('says that the seat is lost when somebody else has it, and takes it again when it is free', async () => {
  const lost: string[] = [];
  const seat = await hold('anna', { onLost: (refusal) => lost.push(refusal.reason) });
  const { leaseId } = seat.grant;
  await server.call('POST', `/v1/leases/${leaseId}:release`, { reason: 'a test' });
  const other = await hold('boris');
  await eventually('told', () => lost.length > 0);
  expect(lost).toEqual(['SeatsExhausted']);
  await other.release();
  await eventually('taken again', () => seat.grant.leaseId !== leaseId);
  expect((await held()).map((l) => l.holder.user)).toEqual(['anna']);
});

it('goes on through an outage that is shorter than the lease', async () => {
  const troubles: unknown[] = [];
  const lost: unknown[] = [];
  const seat = await hold('anna', { onTrouble: (e) => troubles.push(e), onLost: (e) => lost.push(e) });
  const { leaseId } = seat.grant;
  link.down = true;
  await eventually('trouble', () => troubles.length > 0);
  link.down = false;
  const before = expiryOf(seat.grant);
  await eventually('renewed', () => expiryOf(seat.grant) > before);
  expect(seat.grant.leaseId).toBe(leaseId);
  expect(lost).toEqual([]);
  expect(troubles[0]).not.toBeInstanceOf(LicenceRefused);
});

it('takes the seat again after an outage that outlived the lease', async () => {
  const seat = await hold('anna');
  const { leaseId } = seat.grant;
  link.down = true;
  await eventually('the lease expired', async () => (await inUse()) === 0);
  link.down = false;
  await eventually('taken again', () => seat.grant.leaseId !== leaseId);
  expect(await inUse()).toBe(1);
});

it('tries a release again that did not reach the server', async () => {
  const seat = await hold('anna');
  link.down = true;
  await expect(seat.release()).rejects.toThrow();
  link.down = false;
  await seat.release();
  expect(await inUse()).toBe(0);
});

it('reports the sessions of a base: the absent give their seats back, the refused are told why', async () => {
  const session = (user: string) => ({ product: 'erp', user, host: 'pc' });
  const first = await client.reportSessions('buh/зарплата', [session('anna'), session('boris')]);
  expect(first.sessions.map((s) => s.outcome)).toEqual(['granted', 'denied']);
  expect(first.sessions[1]).toMatchObject({ user: 'boris', reason: 'SeatsExhausted' });
  const second = await client.reportSessions('buh/зарплата', [session('boris')]);
  expect(second).toMatchObject({
    base: 'buh/зарплата',
    released: 1,
    sessions: [{ user: 'boris', outcome: 'granted' }],
  });
});

it('keeps the path of the address, for a server behind a proxy', async () => {
  const below = new LicenceClient({ url: `http://127.0.0.1:${link.port}/licences` });
  expect(await refusalOf(below.checkOut(request('anna')))).toMatchObject({ status: 404, reason: 'RouteUnknown' });
});

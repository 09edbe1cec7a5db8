import { connect, type Socket } from 'node:net';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from '../support/seatServer.ts';

let database: TestDatabase;
let servers: SeatServer[] = [];
let sql: pg.Client;
const patient = { timeout: 20_000 };

const start = async (options: SeatServerOptions = {}) => {
  const server = await startSeatServer(database.url, options);
  servers.push(server);
  const address = new URL(await server.app.listen({ host: '127.0.0.1', port: 0 }));
  return { ...server, port: Number(address.port) };
};
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
});
afterEach(async () => {
  await sql.end();
  for (const server of servers.splice(0)) await server.stop();
  servers = [];
  await database.drop();
});

/** A check-out on a connection of its own, which is there to be closed. */
async function ask(port: number, user: string, wait: number): Promise<Socket> {
  const body = JSON.stringify({ product: 'erp', wait, holder: { base: 'buh', user, host: 'pc', session: '' } });
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  await new Promise<void>((resolve) =>
    socket.write(
      `POST /v1/checkouts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      () => resolve(),
    ),
  );
  return socket;
}
const waiting = async () => (await sql.query('SELECT holder FROM waiter')).rowCount;
/** A statement of a server waits for a lock that this test holds. */
const blocked = async () =>
  (
    await sql.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%seat_batch%'",
    )
  ).rowCount;

/** While this runs, check-outs and releases of the pool hang in their commit's way. */
async function whilePoolIsBusy(work: () => Promise<void>): Promise<void> {
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  try {
    await holder.query('BEGIN');
    await holder.query('SELECT FROM pool FOR UPDATE');
    await work();
    await expect.poll(blocked, patient).toBeGreaterThan(0);
    await holder.query('COMMIT');
  } finally {
    await holder.end();
  }
}

describe('a connection that closes', () => {
  it('gives nothing back that was held before', async () => {
    const s = await start();
    const { leaseId } = (await s.checkOut('anna')).body;
    const renewedAt = async () => (await sql.query('SELECT renewed_at FROM lease')).rows[0]?.renewed_at;
    const before = await renewedAt();
    await whilePoolIsBusy(async () => {
      const socket = await ask(s.port, 'anna', 30);
      await expect.poll(blocked, patient).toBeGreaterThan(0);
      socket.destroy();
    });
    await expect.poll(renewedAt, patient).not.toEqual(before);
    await s.checkOut('other'); // what the renewal gave rise to was before it in the lane
    expect((await s.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
  });

  it('gives nothing back that another request of the same holder was granted', async () => {
    const s = await start();
    let second: ReturnType<SeatServer['checkOut']> | undefined;
    await whilePoolIsBusy(async () => {
      await s.call('DELETE', '/v1/leases/01a22e53-016d-7fff-9577-1453bb277dec'); // of no pool: nothing but a turn of the loop
      const blocker = s.checkOut('blocker'); // holds the lane, so that the next two share a batch
      await expect.poll(blocked, patient).toBeGreaterThan(0);
      const first = await ask(s.port, 'anna', 30);
      second = s.checkOut('anna', { wait: 30 });
      await new Promise((resolve) => setImmediate(resolve));
      first.destroy();
      void blocker;
    });
    const { body } = (await second) ?? { body: {} };
    expect(body.leaseId).toBeTypeOf('string');
    await s.checkOut('other');
    expect((await s.call('POST', `/v1/leases/${body.leaseId}/heartbeat`)).status).toBe(200);
  });

  it('takes its holder out of the queue at once, and the next comer has the seat', async () => {
    const s = await start({ licences: [{ seatLimit: 1 }] });
    const { leaseId } = (await s.checkOut('anna')).body;
    const sockets = await Promise.all(['a', 'b', 'c'].map((user) => ask(s.port, user, 30)));
    await expect.poll(waiting, patient).toBe(3);
    for (const socket of sockets) socket.destroy();
    await expect.poll(waiting, { timeout: 8_000 }).toBe(0); // a place is kept for fifteen seconds
    await s.call('DELETE', `/v1/leases/${leaseId}`);
    expect((await s.checkOut('newcomer')).status).toBe(201);
  });

  it('takes nobody out of the queue who waits on another connection, of this server or of another', async () => {
    const [one, two] = [await start({ licences: [{ seatLimit: 1 }] }), await start({ licences: [{ seatLimit: 1 }] })];
    await one.checkOut('anna');
    const asked = async (user: string) =>
      (await sql.query('SELECT ticket, live_until FROM waiter WHERE holder LIKE $1', [`%${user}%`])).rows[0];
    for (const user of ['here', 'there']) {
      const first = await ask(one.port, user, 30);
      await expect.poll(() => asked(user), patient).toBeDefined();
      const place = await asked(user);
      const other = await ask(user === 'here' ? one.port : two.port, user, 30);
      await expect.poll(async () => (await asked(user))?.live_until, patient).not.toEqual(place.live_until);
      first.destroy();
      const last = await ask(one.port, 'last', 30);
      await expect.poll(() => asked('last'), patient).toBeDefined();
      last.destroy();
      await expect.poll(() => asked('last'), { timeout: 8_000 }).toBeUndefined(); // by then the first is dealt with
      expect((await asked(user))?.ticket).toBe(place.ticket);
      other.destroy();
    }
  });
});

describe('a refusal', () => {
  it('says that the free seats are reserved for others, with the counts, in a reason of its own', async () => {
    const s = await start({ licences: [{ seatLimit: 3 }], reservations: [{ seats: 2, users: ['buh-*'] }] });
    await s.checkOut('anna');
    const { body } = await s.checkOut('boris');
    expect(body).toMatchObject({ reason: 'SeatsReserved', seats: { limit: 3, inUse: 1, reserved: 2 } });
    expect(body.detail).toContain('2 of 3 seats of erp are free, but kept for others');
    expect((await s.report('zup', ['vera'])).body.sessions).toMatchObject([{ reason: 'SeatsReserved' }]);
    for (const user of ['buh-1', 'buh-2']) expect((await s.checkOut(user)).status).toBe(201);
    expect((await s.checkOut('boris')).body).toMatchObject({ reason: 'SeatsExhausted', seats: { limit: 3, inUse: 3 } });
    const metrics = (await s.call('GET', '/metrics')).body;
    expect(metrics).toContain('licence_checkouts_total{product="erp",outcome="denied",reason="SeatsReserved"} 2');
    expect(metrics).toContain('licence_seats_reserved_in_use{product="erp",reservation="1"} 2');
    const csv = (await s.call('GET', '/v1/denials.csv?reason=SeatsReserved')).body;
    expect(csv).toMatch(/erp,buh,boris,pc,,SeatsReserved,/);
    await expect.poll(async () => (await s.call('GET', '/v1/status')).body.products[0].holdersWaiting, patient).toBe(3); // boris was refused for either reason
  });

  it('leaves a metric that shows that no seat is open, though some are free', async () => {
    const s = await start({ licences: [{ seatLimit: 3 }], reservations: [{ seats: 2, users: ['buh-*'] }] });
    const metric = async (line: string) => expect((await s.call('GET', '/metrics')).body).toContain(line);
    await metric('licence_seats_open{product="erp"} 1');
    await s.checkOut('anna');
    await metric('licence_seats_open{product="erp"} 0');
    await metric('licence_seats_in_use{product="erp"} 1');
  });

  it('says that others wait before, and how many', async () => {
    const s = await start({ licences: [{ seatLimit: 2 }] });
    await s.checkOut('anna');
    await sql.query(
      "INSERT INTO waiter (pool_id, holder, since, live_until) SELECT pool_id, 'of another server', now(), now() + interval '1 h' FROM pool",
    );
    await sql.query('UPDATE pool SET waiting = 1');
    const { body } = await s.checkOut('boris');
    expect(body).toMatchObject({ reason: 'SeatsExhausted', seats: { limit: 2, inUse: 1 } });
    expect(body.detail).toContain('1 of 2 seats of erp are free, but one waits before you');
  });

  it('for want of support comes to newcomers of a session report too; who is in keeps the seat', async () => {
    const s = await start({ licences: [{ supportPolicy: 'warn', supportUntil: '2026-01-01T00:00:00Z' }] });
    await s.report('buh', ['anna']);
    await s.setLicences([{ supportPolicy: 'require', supportUntil: '2026-01-01T00:00:00Z' }]);
    const { body } = await s.call('PUT', '/v1/bases/buh/sessions', {
      sessions: [
        { product: 'erp', user: 'boris', host: 'pc' },
        { product: 'erp', user: 'anna', host: 'pc' },
        { product: 'erp', user: 'old', host: 'pc', programReleasedOn: '2025-12-01' },
        { product: 'none', user: 'anna', host: 'pc' },
      ],
    });
    expect(body.sessions.map((x: { outcome: string; reason?: string }) => x.reason ?? x.outcome)).toEqual([
      'SupportRequired',
      'renewed',
      'granted',
      'ProductUnknown',
    ]);
    expect((await s.call('GET', '/v1/leases')).body.leases).toHaveLength(2);
  });
});

it('more seats reserved than there are is told in the status, and stops nobody', async () => {
  const s = await start({ licences: [{ seatLimit: 3 }], reservations: [{ seats: 5, users: ['buh-*'] }] });
  expect((await s.call('GET', '/v1/status')).body.ruleDoubts).toEqual([
    expect.stringContaining('5 seats of erp are reserved, but the licence has 3'),
  ]);
  expect((await s.call('GET', '/healthz/ready')).status).toBe(200);
  expect(s.log()).toContain('5 seats of erp are reserved');
  await s.setLicences([{ seatLimit: 5 }]);
  expect((await s.call('GET', '/v1/status')).body.ruleDoubts).toBeUndefined();
});

it('a seat that is given back three times at once counts once', async () => {
  const s = await start();
  const { leaseId } = (await s.checkOut('anna')).body;
  let answers: Promise<{ status: number }[]> | undefined;
  await whilePoolIsBusy(async () => {
    void s.checkOut('blocker'); // holds the lane, so that the next three share a batch
    await expect.poll(blocked, patient).toBeGreaterThan(0);
    answers = Promise.all([1, 2, 3].map(() => s.call('DELETE', `/v1/leases/${leaseId}`)));
    await new Promise((resolve) => setImmediate(resolve));
  });
  expect((await answers)?.map((a) => a.status)).toEqual([204, 204, 204]);
  expect((await s.call('GET', '/metrics')).body).toContain('licence_releases_total{product="erp",cause="holder"} 1');
});

it('every counter is there before anything has happened', async () => {
  const s = await start();
  const { body } = await s.call('GET', '/metrics');
  for (const line of [
    'licence_store_errors_total{op="beat"} 0',
    'licence_store_errors_total{op="seats"} 0',
    'licence_store_errors_total{op="metrics"} 0',
    'licence_checkouts_total{product="erp",outcome="denied",reason="SupportRequired"} 0',
    'licence_checkouts_total{product="",outcome="denied",reason="ProductUnknown"} 0',
    'licence_releases_total{product="erp",cause="pod_gone"} 0',
  ])
    expect(body).toContain(line);
});

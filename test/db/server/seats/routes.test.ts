import { createPublicKey, verify } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from '../support/seatServer.ts';

let database: TestDatabase;
let servers: SeatServer[] = [];
let sql: pg.Client;
const start = async (options: SeatServerOptions = {}) => {
  const server = await startSeatServer(database.url, options);
  servers.push(server);
  return server;
};
const until = async (what: string, check: () => Promise<boolean>) => {
  const end = Date.now() + 15_000;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
};

beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
  // the database is a copy of one that was made at the beginning of the run: the time since then is no outage of this test's
  await sql.query('UPDATE cluster SET alive_at = clock_timestamp()');
});
afterEach(async () => {
  for (const server of servers) await server.stop();
  servers = [];
  await sql.end();
  await database.drop();
});

/** As if so much time had passed for everything that is stored. */
const age = async (seconds: number) => {
  await sql.query(
    `UPDATE lease SET renewed_at = renewed_at - $1 * interval '1 s', acquired_at = acquired_at - $1 * interval '1 s',
    expires_at = expires_at - $1 * interval '1 s'`,
    [seconds],
  );
  await sql.query("UPDATE base SET seen_at = seen_at - $1 * interval '1 s'", [seconds]);
  await sql.query(
    "UPDATE pool SET frozen_until = frozen_until - $1 * interval '1 s', next_expiry = next_expiry - $1 * interval '1 s'",
    [seconds],
  );
  await sql.query(
    "UPDATE denial SET first_at = first_at - $1 * interval '1 s', last_at = last_at - $1 * interval '1 s'",
    [seconds],
  );
};

describe('check-out', () => {
  it('grants a seat, and repeating it renews the same lease instead of taking a second seat', async () => {
    const s = await start();
    const first = await s.checkOut('anna');
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({ seats: { limit: 3, inUse: 1 }, support: { state: 'valid' } });
    expect(Date.parse(first.body.expiresAt) - Date.now()).toBeGreaterThan(110_000);
    expect(first.body.heartbeatAfterSeconds).toBeGreaterThanOrEqual(32);
    expect(first.body.heartbeatAfterSeconds).toBeLessThanOrEqual(40);
    const again = await s.checkOut('anna');
    expect(again.status).toBe(200);
    expect(again.body.leaseId).toBe(first.body.leaseId);
    expect(again.body.seats.inUse).toBe(1);
  });

  it('gives at most the limit to many who ask at once, and tells the others how many there are and when to come again', async () => {
    const s = await start();
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => s.checkOut(`user${i}`)));
    expect(answers.filter((a) => a.status === 201)).toHaveLength(3);
    const denied = answers.filter((a) => a.status === 409);
    expect(denied).toHaveLength(47);
    expect(denied[0]?.body).toMatchObject({ reason: 'SeatsExhausted', status: 409, seats: { limit: 3, inUse: 3 } });
    expect(Number(denied[0]?.headers['retry-after'])).toBeGreaterThan(0);
    expect(denied[0]?.headers['content-type']).toContain('application/problem+json');
    expect((await s.checkOut('user0')).status).toBe(answers[0]?.status === 201 ? 200 : 409);
  });

  it('two servers on one database never give more than the limit together', async () => {
    const [a, b] = [await start(), await start()];
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => (i % 2 ? a : b).checkOut(`user${i}`)));
    expect(answers.filter((x) => x.status === 201)).toHaveLength(3);
    expect((await sql.query('SELECT in_use, (SELECT count(*)::int FROM lease) AS n FROM pool')).rows).toEqual([
      { in_use: 3, n: 3 },
    ]);
  });

  it('a sticky seat never expires and names no heartbeat', async () => {
    const s = await start();
    const { status, body } = await s.checkOut('anna', { mode: 'sticky' });
    expect(status).toBe(201);
    expect(body).not.toHaveProperty('expiresAt');
    expect(body).not.toHaveProperty('heartbeatAfterSeconds');
  });

  it('an unknown product and an ended licence have reasons of their own', async () => {
    const s = await start({ licences: [{}, { product: 'old', expiresAt: '2020-01-01T00:00:00Z' }] });
    expect((await s.checkOut('anna', { product: 'crm' })).body).toMatchObject({
      status: 409,
      reason: 'ProductUnknown',
    });
    expect((await s.checkOut('anna', { product: 'old' })).body).toMatchObject({ status: 409, reason: 'KeyExpired' });
  });

  it('a licence that ends while the server runs grants nothing from then on, and takes no seat away', async () => {
    const s = await start({ licences: [{ seatLimit: 1, expiresAt: new Date(Date.now() + 900).toISOString() }] });
    const anna = await s.checkOut('anna');
    expect(anna.status).toBe(201);
    await until('the licence to end', async () => (await s.checkOut('boris')).body.reason === 'KeyExpired');
    expect((await s.call('POST', `/v1/leases/${anna.body.leaseId}/heartbeat`)).status).toBe(200);
  });

  it('a version that came out after support ended is warned or refused, as the licence says', async () => {
    const supportUntil = '2025-06-01T00:00:00Z';
    const s = await start({
      licences: [{ supportUntil }, { product: 'strict', supportUntil, supportPolicy: 'require' }],
    });
    const older = { programReleasedOn: '2025-05-31' };
    const newer = { programReleasedOn: '2025-06-02' };
    expect((await s.checkOut('a', older)).body.support).toEqual({ state: 'valid', until: supportUntil });
    expect((await s.checkOut('a', newer)).body.support.state).toBe('expired');
    expect((await s.checkOut('a', { product: 'strict', ...older })).status).toBe(201);
    expect((await s.checkOut('b', { product: 'strict', ...newer })).body).toMatchObject({
      status: 409,
      reason: 'SupportRequired',
    });
  });

  it('seats of several licences of one product add up; a smaller limit takes no seat away and grants none until use falls', async () => {
    const s = await start({ licences: [{ seatLimit: 1 }, { seatLimit: 1, licenceId: 'two' }] });
    const anna = await s.checkOut('anna');
    const boris = await s.checkOut('boris');
    expect([anna.status, boris.status, (await s.checkOut('vera')).status]).toEqual([201, 201, 409]);
    await s.setLicences([{ seatLimit: 1 }]);
    expect((await s.checkOut('boris')).status).toBe(200);
    await s.call('DELETE', `/v1/leases/${anna.body.leaseId}`);
    expect((await s.checkOut('vera')).status).toBe(409);
    await s.call('DELETE', `/v1/leases/${boris.body.leaseId}`);
    expect((await s.checkOut('vera')).status).toBe(201);
  });

  it('a nonce comes back in a proof that the public key verifies', async () => {
    const s = await start();
    const { body } = await s.checkOut('anna', { nonce: 'only once' });
    const [header = '', payload = '', signature = ''] = body.proof.split('.');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: s.identity.publicKey }, format: 'jwk' });
    expect(verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))).toBe(true);
    // In the header only what JOSE knows: some libraries refuse any other member.
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({
      alg: 'EdDSA',
      typ: 'licence-lease+jwt',
      kid: expect.stringMatching(/^sha256:/),
    });
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
      product: 'erp',
      nonce: 'only once',
      leaseId: body.leaseId,
      holder: { user: 'anna' },
      activation: 'activation',
    });
    expect((await s.checkOut('anna')).body).not.toHaveProperty('proof');
  });
});

describe('leases', () => {
  it('are renewed one by one and many at once; one that is gone is told to be lost', async () => {
    const s = await start();
    const [a, b] = [
      (await s.checkOut('anna')).body.leaseId,
      (await s.checkOut('boris', { mode: 'sticky' })).body.leaseId,
    ];
    expect((await s.call('POST', `/v1/leases/${a}/heartbeat`)).body).toHaveProperty('expiresAt');
    expect((await s.call('POST', `/v1/leases/${b}/heartbeat`)).body).toEqual({});
    await s.call('DELETE', `/v1/leases/${b}`);
    const lost = await s.call('POST', `/v1/leases/${b}/heartbeat`);
    expect([lost.status, lost.body.reason]).toEqual([410, 'LeaseLost']);
    const many = await s.call('POST', '/v1/heartbeats', { leaseIds: [a, b, a] });
    expect(many.body).toMatchObject({ renewed: 2, lost: [b] });
  });

  it('are given back as often as asked', async () => {
    const s = await start();
    const { leaseId } = (await s.checkOut('anna')).body;
    expect((await s.call('DELETE', `/v1/leases/${leaseId}`)).status).toBe(204);
    expect((await s.call('DELETE', `/v1/leases/${leaseId}`)).status).toBe(204);
    expect((await s.call('GET', '/v1/leases')).body.leases).toEqual([]);
  });

  it('expire for others only after the lease time, and a late heartbeat revives one that nobody took', async () => {
    const s = await start({ licences: [{ seatLimit: 1 }] });
    const { leaseId } = (await s.checkOut('anna')).body;
    await age(121);
    expect((await s.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
    expect((await s.checkOut('boris')).status).toBe(409);
    await age(121);
    expect((await s.checkOut('boris')).status).toBe(201);
    expect((await s.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(410);
  });

  it('do not expire for one lease time after a start, so that live holders come first', async () => {
    const first = await start({ licences: [{ seatLimit: 1 }] });
    const { leaseId } = (await first.checkOut('anna')).body;
    await first.stop();
    servers = [];
    await age(3_600);
    await sql.query("UPDATE cluster SET alive_at = alive_at - interval '1 h'");
    const second = await start({ licences: [{ seatLimit: 1 }] });
    expect((await second.checkOut('boris')).status).toBe(409);
    expect((await second.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
  });

  it('are listed by page, product, base, user and state', async () => {
    const s = await start({ licences: [{ seatLimit: 10 }, { product: 'crm' }], staleAfterMs: 60_000 });
    for (const user of ['a', 'b', 'c']) await s.checkOut(user, { mode: 'sticky' }, 'old');
    for (const user of ['a', 'b']) await s.checkOut(user);
    await s.checkOut('a', { product: 'crm' });
    const all = await s.call('GET', '/v1/leases?limit=4');
    const rest = await s.call('GET', `/v1/leases?limit=4&cursor=${all.body.nextCursor}`);
    expect([all.body.leases.length, rest.body.leases.length, rest.body.nextCursor]).toEqual([4, 2, undefined]);
    const count = async (query: string) => (await s.call('GET', `/v1/leases?${query}`)).body.leases.length;
    expect(await count('product=crm')).toBe(1);
    expect(await count('base=old')).toBe(3);
    expect(await count('user=a')).toBe(3);
    expect(await count('state=stale')).toBe(0);
    await age(61);
    expect(await count('state=stale')).toBe(3);
    expect(await count('state=active')).toBe(3);
    expect((await s.call('GET', '/v1/leases?cursor=nonsense')).status).toBe(400);
  });

  it('are taken back by an administrator with a reason that is kept', async () => {
    const s = await start();
    const { leaseId } = (await s.checkOut('anna')).body;
    expect((await s.call('POST', `/v1/leases/${leaseId}:release`, {})).status).toBe(400);
    expect((await s.call('POST', `/v1/leases/${leaseId}:release`, { reason: 'left the firm' })).status).toBe(204);
    expect((await s.call('POST', `/v1/leases/${leaseId}:release`, { reason: 'again' })).status).toBe(404);
    await until('the audit', async () => (await s.call('GET', '/v1/audit')).body.acts.length > 0);
    expect((await s.call('GET', '/v1/audit')).body.acts).toMatchObject([
      { action: expect.stringContaining(':release'), target: leaseId, reason: 'left the firm' },
    ]);
  });
});

describe('session reports', () => {
  it('set the full state of a base: newcomers get a seat, the absent give theirs back, others keep theirs', async () => {
    const s = await start();
    const first = await s.report('buh', ['anna', 'boris']);
    expect(first.status).toBe(200);
    expect(first.body.sessions.map((x: { outcome: string }) => x.outcome)).toEqual(['granted', 'granted']);
    const same = await s.report('buh', ['anna', 'boris']);
    expect(same.body.sessions.map((x: { leaseId: string }) => x.leaseId)).toEqual(
      first.body.sessions.map((x: { leaseId: string }) => x.leaseId),
    );
    expect(same.body.sessions[0].outcome).toBe('renewed');
    const next = await s.report('buh', ['boris', 'vera']);
    expect(next.body).toMatchObject({ released: 1, sessions: [{ outcome: 'renewed' }, { outcome: 'granted' }] });
    expect((await s.report('buh', [])).body).toMatchObject({ released: 2, sessions: [] });
  });

  it('release the sticky seats of the base that they do not name, and leave leased ones alone', async () => {
    const s = await start();
    await s.checkOut('anna', { mode: 'sticky' });
    const leased = await s.checkOut('worker');
    const { body } = await s.report('buh', ['boris']);
    expect(body.released).toBe(1);
    expect((await s.call('POST', `/v1/leases/${leased.body.leaseId}/heartbeat`)).status).toBe(200);
    expect((await s.call('GET', '/v1/leases')).body.leases.map((l: { mode: string }) => l.mode).sort()).toEqual([
      'leased',
      'reported',
    ]);
  });

  it('say of each session what became of it: no seat left, no such product', async () => {
    const s = await start({ licences: [{ seatLimit: 1 }] });
    const { body } = await s.call('PUT', '/v1/bases/buh/sessions', {
      sessions: [
        { product: 'erp', user: 'a', host: 'h' },
        { product: 'erp', user: 'b', host: 'h' },
        { product: 'crm', user: 'a', host: 'h' },
        { product: 'erp', user: 'a', host: 'h', session: '' },
      ],
    });
    expect(body.sessions.map((x: { outcome: string; reason?: string }) => x.reason ?? x.outcome)).toEqual([
      'granted',
      'SeatsExhausted',
      'ProductUnknown',
    ]);
  });

  it('a base with a long Cyrillic name and a slash is one base', async () => {
    const s = await start();
    const base = 'Бухгалтерия/'.repeat(16).slice(0, 200);
    expect((await s.report(base, ['анна'])).body).toMatchObject({
      base,
      sessions: [{ outcome: 'granted', user: 'анна' }],
    });
    expect((await s.call('GET', `/v1/leases?base=${encodeURIComponent(base)}`)).body.leases).toHaveLength(1);
  });
});

describe('stale seats', () => {
  it('are those of a silent base; a report or a heartbeat from there is a sign of life', async () => {
    const s = await start({ staleAfterMs: 60_000 });
    await s.checkOut('anna', { mode: 'sticky' }, 'quiet');
    await s.report('busy', ['boris']);
    const leased = (await s.checkOut('vera', {}, 'quiet')).body.leaseId;
    const staleNow = async () => (await s.call('GET', '/v1/status')).body.products[0].seatsStale;
    await age(61);
    await s.report('busy', ['boris']);
    await expect.poll(staleNow, { timeout: 20_000 }).toBe(1);
    await s.call('POST', `/v1/leases/${leased}/heartbeat`);
    await expect.poll(staleNow, { timeout: 20_000 }).toBe(0);
    await age(61);
    await s.report('busy', ['boris']);
    await expect.poll(staleNow, { timeout: 20_000 }).toBe(1);
    expect((await s.call('GET', '/v1/status')).body.products[0]).toMatchObject({
      seatsInUse: 3,
      seatsStale: 1,
      staleSince: expect.any(String),
    });
  });

  it('are cleared by a start and all others are kept', async () => {
    const first = await start({ staleAfterMs: 60_000 });
    await first.checkOut('anna', { mode: 'sticky' }, 'quiet');
    await first.checkOut('boris', { mode: 'sticky' }, 'busy');
    const leased = (await first.checkOut('vera', {}, 'third')).body.leaseId;
    await sql.query("UPDATE base SET seen_at = seen_at - interval '61 s' WHERE base = 'quiet'");
    await sql.query("UPDATE lease SET renewed_at = renewed_at - interval '61 s' WHERE holder LIKE 'quiet%'");
    await first.stop();
    const never = await start({ staleAfterMs: 60_000, clear: 'never' });
    expect([never.clearing, (await never.call('GET', '/v1/status')).body.products[0].seatsStale]).toEqual([
      undefined,
      1,
    ]);
    const second = await start({ staleAfterMs: 60_000, clear: { once: 'roll-7' } });
    expect(second.clearing).toMatchObject({ id: 'roll-7', staleBefore: 1, cleared: 1, kept: 2 });
    expect((await second.call('POST', `/v1/leases/${leased}/heartbeat`)).status).toBe(200);
    // the same id again, as after a crash: nothing more is cleared, and the answer is the first one
    await sql.query("UPDATE base SET seen_at = seen_at - interval '61 s'");
    await sql.query("UPDATE lease SET renewed_at = renewed_at - interval '61 s'");
    const third = await start({ staleAfterMs: 60_000, clear: { once: 'roll-7' } });
    expect(third.clearing).toMatchObject({ id: 'roll-7', cleared: 1, kept: 2 });
    expect((await third.call('GET', '/v1/status')).body).toMatchObject({
      clearing: { id: 'roll-7' },
      products: [{ seatsInUse: 2 }],
    });
    servers.splice(0, 1);
  });

  it('the time without a server is no silence', async () => {
    const first = await start({ staleAfterMs: 60_000 });
    await first.checkOut('anna', { mode: 'sticky' });
    await first.stop();
    servers = [];
    await age(3_600);
    await sql.query("UPDATE cluster SET alive_at = alive_at - interval '1 h'");
    const second = await start({ staleAfterMs: 60_000, clear: 'start' });
    expect(second.clearing).toMatchObject({ cleared: 0, kept: 1 });
  });

  it('are taken back in place by an administrator', async () => {
    const s = await start({ staleAfterMs: 60_000 });
    await s.checkOut('anna', { mode: 'sticky' });
    await age(61);
    expect((await s.call('POST', '/v1/stale:release', { reason: 'nobody is there' })).body).toEqual({
      released: 1,
      before: 1,
      kept: 0,
    });
    expect((await s.call('GET', '/v1/status')).body.products[0]).toMatchObject({ seatsInUse: 0, seatsStale: 0 });
  });
});

describe('reservations, queue and denials', () => {
  it('reserved seats are for those they are kept for; others get what is left', async () => {
    const s = await start({ licences: [{ seatLimit: 3 }], reservations: [{ seats: 2, users: ['buh-*'] }] });
    expect((await s.checkOut('anna')).status).toBe(201);
    expect((await s.checkOut('boris')).status).toBe(409);
    expect((await s.checkOut('BUH-1')).status).toBe(201);
    expect((await s.checkOut('buh-2')).status).toBe(201);
    expect((await s.checkOut('buh-3')).status).toBe(409);
    expect((await s.call('GET', '/v1/products')).body.products[0].reservations).toEqual([
      { name: '1', seats: 2, inUse: 2 },
    ]);
    expect((await s.call('GET', '/metrics')).body).toContain('licence_seats_reserved{product="erp",reservation="1"} 2');
  });

  it('changed reservations count the seats that are held already', async () => {
    const first = await start();
    for (const user of ['buh-1', 'anna', 'boris']) await first.checkOut(user);
    const second = await start({ licences: [{ seatLimit: 4 }], reservations: [{ seats: 2, users: ['buh-*'] }] });
    expect((await second.call('GET', '/v1/products')).body.products[0].reservations).toEqual([
      { name: '1', seats: 2, inUse: 1 },
    ]);
    expect((await second.checkOut('vera')).status).toBe(409);
    expect((await second.checkOut('buh-2')).status).toBe(201);
  });

  it('who waits gets the next seat in the order of coming, before those who come later', async () => {
    const s = await start({ licences: [{ seatLimit: 1 }] });
    const held = (await s.checkOut('anna')).body.leaseId;
    const order: string[] = [];
    const wait = (user: string) =>
      s.checkOut(user, { wait: 30 }).then((a) => {
        order.push(user);
        return a;
      });
    const boris = wait('boris');
    await until('boris to wait', async () => (await sql.query('SELECT FROM waiter')).rowCount === 1);
    const vera = wait('vera');
    await until('vera to wait', async () => (await sql.query('SELECT FROM waiter')).rowCount === 2);
    await s.call('DELETE', `/v1/leases/${held}`);
    const first = await boris;
    expect(first.status).toBe(201);
    expect((await s.checkOut('late')).status).toBe(409);
    await s.call('DELETE', `/v1/leases/${first.body.leaseId}`);
    expect((await vera).status).toBe(201);
    expect(order).toEqual(['boris', 'vera']);
  });

  it('a wait that ends without a seat says which place it had', async () => {
    const s = await start({ licences: [{ seatLimit: 1 }] });
    await s.checkOut('anna');
    const answer = await s.checkOut('boris', { wait: 1 });
    expect(answer.body).toMatchObject({ reason: 'SeatsExhausted', queue: { position: 1 } });
  });

  it('every refusal is on record with who, why and how often; unmet demand does not count retries', async () => {
    const s = await start({ licences: [{ seatLimit: 1 }] });
    const { leaseId } = (await s.checkOut('anna')).body;
    for (let i = 0; i < 3; i++) await s.checkOut('boris');
    await s.checkOut('vera');
    const denials = async () => (await s.call('GET', '/v1/denials?product=erp')).body.denials;
    expect(await denials()).toMatchObject([
      { holder: { user: 'vera' }, attempts: 1, reason: 'SeatsExhausted', unmet: false },
      { holder: { user: 'boris' }, attempts: 3, unmet: false },
    ]);
    await expect
      .poll(async () => (await s.call('GET', '/v1/status')).body.products[0].holdersWaiting, { timeout: 20_000 })
      .toBe(2);
    await s.call('DELETE', `/v1/leases/${leaseId}`);
    await s.checkOut('vera');
    await s.store.count();
    await age(61);
    const unmet = async () =>
      /licence_unmet_demand_total\{product="erp"\} (\d+)/.exec((await s.call('GET', '/metrics')).body)?.[1];
    await expect.poll(unmet, { timeout: 20_000 }).toBe('1');
    expect(await denials()).toMatchObject([
      { holder: { user: 'vera' }, servedAt: expect.any(String), unmet: false },
      { holder: { user: 'boris' }, unmet: true },
    ]);
  });
});

describe('what is shown', () => {
  it('metrics come from counters and name no holder', async () => {
    const s = await start();
    await s.checkOut('anna');
    await s.checkOut('anna');
    const { body } = await s.call('GET', '/metrics');
    for (const line of [
      'licence_seats_limit{product="erp"} 3',
      'licence_seats_in_use{product="erp"} 1',
      'licence_seats_stale{product="erp"} 0',
      'licence_queue_length{product="erp"} 0',
      'licence_checkouts_total{product="erp",outcome="granted",reason=""} 1',
      'licence_checkouts_total{product="erp",outcome="renewed",reason=""} 1',
      'licence_unmet_demand_total{product="erp"} 0',
      'licence_build_info{version="0.0.0"} 1',
      'licence_checkout_duration_seconds_count 2',
    ])
      expect(body).toContain(line);
    expect(body).not.toContain('anna');
  });

  it('usage keeps the peak between samples, in JSON and CSV', async () => {
    const s = await start();
    const ids = await Promise.all(['a', 'b', 'c'].map(async (u) => (await s.checkOut(u)).body.leaseId));
    for (const id of ids) await s.call('DELETE', `/v1/leases/${id}`);
    await s.checkOut('d');
    await s.usage.sample();
    await s.usage.sample();
    const { body } = await s.call('GET', '/v1/usage?step=60');
    expect(body.points).toMatchObject([{ product: 'erp', seatLimit: 3, peak: 3, mean: 1, denied: 0 }]);
    const csv = await s.call('GET', '/v1/usage.csv');
    expect(csv.body).toMatch(/^product,at,seatLimit,peak,mean,stale,denied\r\nerp,.*,3,3,1,0,0$/);
  });

  it('the OpenAPI document names every route', async () => {
    const s = await start();
    const { body } = await s.call('GET', '/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining([
        '/v1/checkouts',
        '/v1/heartbeats',
        '/v1/leases/{leaseId}/heartbeat',
        '/v1/leases/{leaseId}',
        '/v1/bases/{base}/sessions',
        '/v1/leases',
        '/v1/leases/{leaseId}:release',
        '/v1/stale:release',
        '/v1/products',
        '/v1/denials',
        '/v1/usage',
        '/v1/status',
        '/v1/keys',
        '/v1/keys:check',
        '/v1/identity',
        '/metrics',
        '/healthz/ready',
      ]),
    );
  });
});

import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TokenVerifier } from '../../../../server/access/tokens.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from '../support/seatServer.ts';

// Heartbeats that are answered before they are in the database: by a server that is alone at its ledger, and by no other.

const leaseMs = 120_000;
let database: TestDatabase;
let admin: pg.Client;
let servers: SeatServer[] = [];
const start = async (options: SeatServerOptions = {}) => {
  const server = await startSeatServer(database.url, { leaseMs, isAlone: true, clear: 'never', ...options });
  servers.push(server);
  return server;
};
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
});
afterEach(async () => {
  await admin.end();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  servers = [];
  await database.drop();
});

const beat = (s: SeatServer, leaseId: string) => s.call('POST', `/v1/leases/${leaseId}/heartbeat`);
/** A lease whose heartbeats are answered at once from now on. */
const renewed = async (s: SeatServer, user = 'anna') => {
  const { leaseId } = (await s.checkOut(user)).body;
  expect((await beat(s, leaseId)).status).toBe(200);
  return leaseId as string;
};
const renewedAt = async (leaseId: string): Promise<number> => {
  const { rows } = await admin.query('SELECT renewed_at FROM lease WHERE lease_id = $1', [leaseId]);
  return rows[0]?.renewed_at.getTime();
};
/** Nobody comes to the leases while the work goes on. */
const locked = async <T>(work: () => Promise<T>): Promise<T> => {
  await admin.query('BEGIN; LOCK TABLE lease IN ACCESS EXCLUSIVE MODE');
  try {
    return await work();
  } finally {
    await admin.query('ROLLBACK');
  }
};

describe('a server that is alone at its ledger', () => {
  it('answers a heartbeat while the database cannot, and writes it when it can', async () => {
    const s = await start();
    const leaseId = await renewed(s);
    const { expiresAt, told } = await locked(async () => {
      const answer = await beat(s, leaseId);
      expect(answer.status).toBe(200);
      const many = await s.call('POST', '/v1/heartbeats', { leaseIds: [leaseId] });
      expect(many.body).toMatchObject({ renewed: 1, lost: [] });
      return { expiresAt: Date.parse(answer.body.expiresAt), told: answer.body };
    });
    expect(Object.keys(told)).toEqual(['expiresAt', 'heartbeatAfterSeconds']);
    await s.store.renewalsWritten();
    expect(await renewedAt(leaseId)).toBeGreaterThanOrEqual(expiresAt - leaseMs);
  });

  it('shows in a list what it has answered', async () => {
    const s = await start();
    const leaseId = await renewed(s);
    const { expiresAt } = (await beat(s, leaseId)).body;
    const [lease] = (await s.call('GET', '/v1/leases')).body.leases;
    expect(Date.parse(lease.expiresAt)).toBeGreaterThanOrEqual(Date.parse(expiresAt));
  });

  it('writes before it ends what it has answered', async () => {
    const s = await start();
    const ids = await Promise.all(['anna', 'boris', 'vera'].map((user) => renewed(s, user)));
    const answers = await Promise.all(ids.map((id) => beat(s, id)));
    servers = [];
    await s.stop();
    for (const [i, { body }] of answers.entries())
      expect(await renewedAt(ids[i] ?? '')).toBeGreaterThanOrEqual(Date.parse(body.expiresAt) - leaseMs);
  });

  it('of which one before may have owed something lets nothing expire for one lease time', async () => {
    const before = await start();
    servers = [];
    await before.stop();
    await admin.query("UPDATE pool SET frozen_until = '-infinity'");
    // as after a kill: the other server's sign of life is a moment old
    await admin.query(
      'INSERT INTO replica VALUES (gen_random_uuid(), clock_timestamp()); UPDATE cluster SET alive_at = clock_timestamp()',
    );
    await start();
    const { rows } = await admin.query('SELECT frozen_until - clock_timestamp() > $1 AS frozen FROM pool', ['110 s']);
    expect(rows).toEqual([{ frozen: true }]);
  });

  it('answers nothing at once any more when a write does not come through, and nothing expires meanwhile', {
    timeout: 60_000,
  }, async () => {
    const s = await start();
    const leaseId = await renewed(s);
    await admin.query("UPDATE pool SET frozen_until = '-infinity'");
    await locked(async () => {
      expect((await beat(s, leaseId)).status).toBe(200);
      await s.store.renewalsWritten(); // gives up after 4 s
      expect((await beat(s, leaseId)).status).toBe(503);
    });
    await expect
      .poll(
        async () =>
          (await admin.query('SELECT frozen_until > clock_timestamp() AS frozen FROM pool')).rows[0].frozen === true,
        { timeout: 20_000 },
      )
      .toBe(true);
    await expect.poll(async () => (await beat(s, leaseId)).status, { timeout: 20_000 }).toBe(200);
    await s.store.renewalsWritten();
    expect(await renewedAt(leaseId)).toBeGreaterThan(Date.now() - 20_000);
  });

  it('gives up its connections without losing what it has answered', async () => {
    const s = await start();
    const leaseId = await renewed(s);
    const { expiresAt } = (await beat(s, leaseId)).body;
    await admin.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await expect
      .poll(
        async () => {
          await s.store.renewalsWritten();
          return renewedAt(leaseId);
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThanOrEqual(Date.parse(expiresAt) - leaseMs);
  });

  it.each([
    ['given back', (s: SeatServer, id: string) => s.call('DELETE', `/v1/leases/${id}`), 204],
    ['taken back', (s: SeatServer, id: string) => s.call('POST', `/v1/leases/${id}:release`, { reason: 'x' }), 204],
  ])('does not renew a lease that was %s', async (_, end, status) => {
    const s = await start();
    const leaseId = await renewed(s);
    expect((await beat(s, leaseId)).status).toBe(200);
    expect((await end(s, leaseId)).status).toBe(status);
    expect((await beat(s, leaseId)).status).toBe(410);
  });

  it('does not renew a lease that was given back, whatever heartbeats are under way', async () => {
    const s = await start({ licences: [{ seatLimit: 50 }] });
    const users = Array.from({ length: 40 }, (_, i) => `user-${i}`);
    const late = users.map(async (user) => {
      const { leaseId } = (await s.checkOut(user)).body;
      let ended = false;
      const beats = Array.from({ length: 4 }, async () => {
        for (let answer = 200; answer === 200; ) {
          const wasEnded = ended;
          answer = (await beat(s, leaseId)).status;
          if (wasEnded && answer === 200) return 'renewed after its end';
          await new Promise(setImmediate);
        }
        return 'lost';
      });
      await beat(s, leaseId);
      await s.call('DELETE', `/v1/leases/${leaseId}`);
      ended = true;
      return Promise.all(beats);
    });
    expect(new Set((await Promise.all(late)).flat())).toEqual(new Set(['lost']));
  });

  it('says of a lease that has become sticky that it does not expire', async () => {
    const s = await start();
    const leaseId = await renewed(s);
    expect((await beat(s, leaseId)).body).toHaveProperty('expiresAt');
    expect((await s.checkOut('anna', { mode: 'sticky' })).body.leaseId).toBe(leaseId);
    expect((await beat(s, leaseId)).body).toEqual({});
  });

  it('keeps a borrowed seat until its end, not longer', async () => {
    const s = await start({ licences: [{ seatLimit: 3, borrow: { maxHours: 24, keepFree: 0 } }] });
    const leaseId = await renewed(s);
    await beat(s, leaseId);
    const borrowed = await s.checkOut('anna', { mode: 'borrowed', hours: 2 });
    expect(borrowed.body.leaseId).toBe(leaseId);
    expect((await beat(s, leaseId)).body).toEqual({});
  });

  it.each([
    ['a heartbeat', (s: SeatServer, id: string) => s.call('POST', `/v1/leases/${id}/heartbeat`, { idle: true })],
    [
      'a call of many',
      (s: SeatServer, id: string) => s.call('POST', '/v1/heartbeats', { leaseIds: [id], idleLeaseIds: [id] }),
    ],
    [
      'a report',
      (s: SeatServer) =>
        s.call('PUT', '/v1/bases/buh/sessions', {
          sessions: [{ product: 'erp', user: 'anna', host: 'pc', idle: true }],
        }),
    ],
  ])('asks the database for a program that %s said is idle, until it is not any more', async (_, say) => {
    const s = await start({ rules: [{ idleAfter: '1m' }] });
    const isIdle = async () => (await admin.query('SELECT idle_from IS NOT NULL AS idle FROM lease')).rows[0].idle;
    const leaseId = await renewed(s);
    await beat(s, leaseId);
    expect((await say(s, leaseId)).status).toBe(200);
    expect(await isIdle()).toBe(true);
    await s.store.renewalsWritten();
    expect(await isIdle()).toBe(true);
    expect((await beat(s, leaseId)).status).toBe(200);
    expect(await isIdle()).toBe(false);
    await locked(async () => expect((await beat(s, leaseId)).status).toBe(200));
  });

  it('renews no lease whose program was idle while others waited', async () => {
    const s = await start({ licences: [{ seatLimit: 1 }], rules: [{ idleAfter: '1m' }] });
    const leaseId = await renewed(s);
    await beat(s, leaseId);
    await s.call('POST', `/v1/leases/${leaseId}/heartbeat`, { idle: true });
    await admin.query(
      "UPDATE lease SET idle_from = idle_from - interval '2 min'; UPDATE pool SET frozen_until = '-infinity'",
    );
    expect((await s.checkOut('boris')).status).toBe(201);
    expect((await beat(s, leaseId)).status).toBe(410);
  });

  it('asks the database for every heartbeat of a short lease', async () => {
    const s = await start({ leaseMs: 30_000 });
    const leaseId = await renewed(s);
    const { expiresAt } = (await beat(s, leaseId)).body;
    expect(Date.parse(expiresAt) - 30_000 - (await renewedAt(leaseId))).toBeLessThanOrEqual(1); // of a part of a ms
  });

  it('says so when somebody else takes a seat away in the database', async () => {
    const s = await start();
    const leaseId = await renewed(s);
    await beat(s, leaseId);
    await admin.query('DELETE FROM lease');
    await s.store.renewalsWritten();
    expect((await beat(s, leaseId)).status).toBe(410);
    expect(s.log()).toContain('somebody else writes to the database of this server');
  });
});

describe('over a connection', () => {
  const tokens: TokenVerifier & { generation: number; known: Map<string, 'client' | 'metrics'> } = {
    generation: 1,
    known: new Map([
      ['good', 'client'],
      ['scraper', 'metrics'],
    ]),
    roleOf(token) {
      return this.known.get(token);
    },
  };
  const listening = async (options: SeatServerOptions = {}) => {
    const s = await start(options);
    const address = await s.app.listen({ host: '127.0.0.1', port: 0 });
    const post = async (path: string, token?: string, init: RequestInit = {}) => {
      const headers = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...init.headers };
      const answer = await fetch(address + path, { method: 'POST', ...init, headers });
      return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
    };
    return { s, post };
  };

  it('an answer at once is the answer of the database, to the last header', async () => {
    const { s, post } = await listening();
    const { leaseId } = (await s.checkOut('anna')).body;
    const path = `/v1/leases/${leaseId}/heartbeat`;
    const like = ({ status, headers, body }: Awaited<ReturnType<typeof post>>) => {
      const { date: _, ...others } = headers;
      return { status, others, body: body.replace(/\d/g, '9') };
    };
    const first = like(await post(path));
    const requests = s.log().split('\n').length;
    const second = like(await post(path));
    expect(second).toEqual(first);
    expect(Object.keys(second.others)).toContain('keep-alive');
    expect(s.log().split('\n').length).toBe(requests);
    // one with a body goes the longer way, to the same answer
    const headers = { 'content-type': 'application/json' };
    expect(like(await post(path, undefined, { body: '{}', headers }))).toEqual(first);
    expect((await post(path, undefined, { body: '{', headers })).status).toBe(400);
    expect((await post(path.replace('heartbeat', 'heartbeaT'))).status).toBe(404);
    const { body } = await s.call('GET', '/metrics');
    expect(body).toContain('licence_heartbeats_total{outcome="renewed"} 3');
  });

  it('asks for a token as ever', async () => {
    const { s, post } = await listening({ access: { kind: 'token', tokens } });
    const taken = await post('/v1/checkouts', 'good', {
      body: JSON.stringify({ product: 'erp', holder: { base: 'b', user: 'anna', host: 'h' } }),
      headers: { 'content-type': 'application/json' },
    });
    const path = `/v1/leases/${JSON.parse(taken.body).leaseId}/heartbeat`;
    const status = async (token?: string) => (await post(path, token)).status;
    expect([await status('good'), await status('good'), await status('good')]).toEqual([200, 200, 200]);
    await locked(async () => expect(await status('good')).toBe(200));
    expect([await status(), await status('bad'), await status('scraper')]).toEqual([401, 401, 403]);
    tokens.known.delete('good');
    tokens.generation += 1;
    expect(await status('good')).toBe(401);
    expect(s.log()).not.toContain('"level":50');
  });
});

describe('of servers on one database', () => {
  it.each([2, 3])(
    'with %i of them, none renews a lease that another has ended, and each renewal is written',
    async (n) => {
      const all = await Promise.all(
        Array.from({ length: n }, () => start({ isAlone: false, licences: [{ seatLimit: 50 }] })),
      );
      for (const [i, s] of all.entries()) {
        const leaseId = await renewed(s, `user-${i}`);
        for (const other of all) {
          const { expiresAt } = (await beat(other, leaseId)).body;
          expect(Date.parse(expiresAt) - leaseMs - (await renewedAt(leaseId))).toBeLessThanOrEqual(1); // of a part of a ms
        }
        const other = all[(i + 1) % n] as SeatServer;
        expect((await other.call('DELETE', `/v1/leases/${leaseId}`)).status).toBe(204);
        for (const each of all) expect((await beat(each, leaseId)).status).toBe(410);
      }
    },
  );
});

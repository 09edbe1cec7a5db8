import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Subject } from '../../../server/access/access.ts';
import { followPods, type PodState } from '../../../server/access/serviceAccounts.ts';
import { TokenFiles } from '../../../server/access/tokens.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from './support/seatServer.ts';
import { until } from './support/serverProcess.ts';

const secrets = {
  client: 'client-token-0123456789',
  admin: 'admin-token-0123456789',
  metrics: 'metrics-token-0123456789',
};
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const silent = pino({ level: 'silent' });

let dir: string;
let tokens: TokenFiles;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tokens-'));
  for (const [role, token] of Object.entries(secrets)) writeFileSync(join(dir, role), `${token}\n`);
  tokens = new TokenFiles(dir, silent);
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('each route asks for its role', () => {
  let database: TestDatabase;
  let s: SeatServer;
  beforeAll(async () => {
    database = await createTestDatabase(ledgerTemplate);
    s = await startSeatServer(database.url, { access: { kind: 'token', tokens } });
  });
  afterAll(async () => {
    await s.stop();
    await database.drop();
  });

  const lease = '00000000-0000-4000-8000-000000000000';
  /** All others ask for the administrator. */
  const expected: Record<string, 'public' | 'client' | 'metrics'> = {
    'GET /healthz/live': 'public',
    'GET /healthz/ready': 'public',
    'GET /v1/identity': 'client',
    'GET /metrics': 'metrics',
    'POST /v1/checkouts': 'client',
    'POST /v1/checkouts:explain': 'client',
    'POST /v1/heartbeats': 'client',
    'POST /v1/leases/{leaseId}/heartbeat': 'client',
    'DELETE /v1/leases/{leaseId}': 'client',
    'PUT /v1/bases/{base}/sessions': 'client',
  };

  it('as the OpenAPI document lists them: nobody, a stranger and every role are tried on every route', async () => {
    const { paths } = (await s.call('GET', '/openapi.json')).body as { paths: Record<string, Record<string, unknown>> };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ method: method.toUpperCase() as 'GET', path })),
    );
    const known = routes.map(({ method, path }) => `${method} ${path}`);
    expect(Object.keys(expected).filter((route) => !known.includes(route))).toEqual([]);
    expect(routes.length).toBeGreaterThan(20);
    const wrong: string[] = [];
    let tried = 0;
    for (const { method, path } of routes) {
      const role = expected[`${method} ${path}`] ?? 'admin';
      const url = path.replace('{leaseId}', lease).replace(/\{\w+\}/, 'x');
      const body = method === 'GET' || (method as string) === 'DELETE' ? undefined : {};
      for (const who of ['nobody', 'stranger', 'client', 'metrics', 'admin'] as const) {
        const token = who === 'stranger' ? 'no-such-token-0123456789' : who === 'nobody' ? undefined : secrets[who];
        const { status } = await s.call(method, url, body, token === undefined ? {} : bearer(token));
        const isKnown = who !== 'nobody' && who !== 'stranger';
        // whatever comes after the access check is not of interest here
        const due = role === 'public' || who === role || who === 'admin' ? 'served' : isKnown ? 403 : 'refused';
        const got = status === 401 || status === 429 ? 'refused' : status === 403 ? 403 : 'served';
        tried += 1;
        if (got !== due) wrong.push(`${method} ${path} by ${who}: ${status}, not ${due}`);
      }
    }
    expect(wrong).toEqual([]);
    console.log(`${tried} tries on ${routes.length} routes, each as it should be`);
  });

  it('an act of an administrator is kept with who, what, on what, why and when; what is older than its time goes', async () => {
    const before = Date.now();
    await s.call(
      'POST',
      '/v1/stale:release',
      { reason: 'month end', product: 'erp' },
      {
        ...bearer(secrets.admin),
        'x-licence-actor': 'olga',
      },
    );
    const newest = async () =>
      (await s.call('GET', '/v1/audit?limit=1', undefined, bearer(secrets.admin))).body.acts as { at: string }[];
    const [act] = await until('the act', async () => {
      const acts = await newest();
      return acts.length > 0 && acts;
    });
    expect(act).toMatchObject({
      actor: 'olga (127.0.0.1)',
      action: 'POST /v1/stale:release',
      target: 'erp',
      reason: 'month end',
    });
    expect(Math.abs(Date.parse(act?.at ?? '') - before)).toBeLessThan(60_000);
    await s.usage.prune();
    expect(await newest()).toHaveLength(1);
    await s.store.db.query("UPDATE audit SET at = at - interval '91 days'");
    await s.usage.prune();
    expect(await newest()).toEqual([]);
  });
});

describe('a seat of a pod', () => {
  let database: TestDatabase;
  let s: SeatServer;
  let stop: () => void;
  const gone = new Set<string>();
  const podOf = (name: string): Subject => ({ podUid: `shop/${name}/uid-${name}`, podName: name, namespace: 'shop' });
  beforeAll(async () => {
    database = await createTestDatabase(ledgerTemplate);
    const subjectOf = async (token: string) => (token.startsWith('pod:') ? podOf(token.slice(4)) : undefined);
    s = await startSeatServer(database.url, { access: { kind: 'serviceaccount', tokens, subjectOf } });
    const stateOf = async (subject: string): Promise<PodState> => {
      if (subject.startsWith('shop/far')) return 'unknown';
      return gone.has(subject) ? 'gone' : 'there';
    };
    // two pods a look: a round over more of them takes several
    stop = followPods({ stateOf }, s.store, silent, 50, 2);
  });
  afterAll(async () => {
    stop();
    await s.stop();
    await database.drop();
  });
  const checkOut = (pod: string, user: string) =>
    s.call('POST', '/v1/checkouts', { product: 'erp', holder: { base: 'b', user, host: 'h' } }, bearer(`pod:${pod}`));
  const held = async () => {
    const { body } = await s.call('GET', '/v1/leases', undefined, bearer(secrets.admin));
    return body.leases.map((l: { holder: { user: string } }) => l.holder.user).sort();
  };
  const passOver = async (pod: string) => {
    gone.add(podOf(pod).podUid);
    await until('its seats to come back', async () => {
      const { rows } = await s.store.db.query('SELECT FROM lease WHERE subject = $1', [podOf(pod).podUid]);
      return rows.length === 0;
    });
  };

  it('ends with the pod that held it last, and with no other', async () => {
    expect((await checkOut('one', 'anna')).status).toBe(201);
    expect((await checkOut('two', 'boris')).status).toBe(201);
    expect((await checkOut('far', 'clara')).status).toBe(201);
    // anna's program was started anew in another pod: the same holder, so the same seat
    expect((await checkOut('next', 'anna')).status).toBe(200);
    await passOver('one');
    await passOver('two');
    expect(await held()).toEqual(['anna', 'clara']);
    await passOver('next');
    expect(await held()).toEqual(['clara']);
    const metrics = (await s.call('GET', '/metrics', undefined, bearer(secrets.metrics))).body;
    expect(metrics).toContain('licence_releases_total{product="erp",cause="pod_gone"} 2');
  });

  it('needs a token that is accepted; the token of a pod opens nothing else', async () => {
    const stranger = await s.call('POST', '/v1/checkouts', { product: 'erp' }, bearer('someone-else'));
    expect([stranger.status, stranger.body.reason]).toEqual([401, 'TokenInvalid']);
    for (const path of ['/v1/leases', '/v1/status', '/metrics']) {
      expect((await s.call('GET', path, undefined, bearer('pod:one'))).status).toBe(401);
    }
  });
});

import { generateKeyPairSync } from 'node:crypto';
import { pino } from 'pino';
import type { RuleMatch, SeatRule } from '../../../../licence/seatRule.ts';
import { createMetrics } from '../../../../runtime/metrics.ts';
import type { AccessMode } from '../../../../server/access/access.ts';
import { createApp } from '../../../../server/app.ts';
import { identityOf } from '../../../../server/keys/identity.ts';
import type { Keys } from '../../../../server/keys/keys.ts';
import type { ClearPolicy } from '../../../../server/seats/clearing.ts';
import { entitlementsAt, type ProductLicence } from '../../../../server/seats/entitlement.ts';
import type { Reservation } from '../../../../server/seats/reservations.ts';
import { SeatMetrics } from '../../../../server/seats/seatMetrics.ts';
import { parseRules } from '../../../../server/seats/seatRules.ts';
import { SeatStore } from '../../../../server/seats/store.ts';
import { UsageHistory } from '../../../../server/usage/usageHistory.ts';

export interface SeatServerOptions {
  readonly licences?: readonly Partial<ProductLicence>[];
  readonly leaseMs?: number;
  readonly staleAfterMs?: number;
  readonly reservations?: readonly Partial<Reservation>[];
  readonly rules?: readonly (Partial<Omit<SeatRule, 'match'>> & { readonly match?: Partial<RuleMatch> })[];
  readonly access?: AccessMode;
  readonly clear?: ClearPolicy;
  readonly isAlone?: boolean;
}

export const licence = (l: Partial<ProductLicence>): ProductLicence => ({
  product: 'erp',
  licenceId: `l-${l.product ?? 'erp'}`,
  keyId: 'k00000000000',
  seatLimit: 3,
  supportPolicy: 'warn',
  ...l,
});

/** The whole HTTP interface over a real database, without a listening socket, and with licences instead of keys. */
export async function startSeatServer(url: string, options: SeatServerOptions = {}) {
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const metrics = createMetrics();
  const seatMetrics = new SeatMetrics(metrics);
  const identity = identityOf(generateKeyPairSync('ed25519').privateKey);
  const store = new SeatStore({
    connection: { connectionString: url },
    leaseMs: options.leaseMs ?? 120_000,
    staleAfterMs: options.staleAfterMs ?? 1_800_000,
    reservations: (options.reservations ?? []).map((r, i) => ({
      name: String(i + 1),
      product: 'erp',
      seats: 1,
      users: [],
      bases: [],
      hosts: [],
      ...r,
    })),
    rules: parseRules(
      JSON.stringify((options.rules ?? []).map((r, i) => ({ name: `rule-${i + 1}`, product: 'erp', ...r }))),
    ),
    isAlone: options.isAlone ?? false,
    log,
    metrics: seatMetrics,
  });
  const clearing = await store.start(options.clear ?? 'start');
  const setLicences = (licences: readonly Partial<ProductLicence>[]) =>
    store.setEntitlements(entitlementsAt(licences.map(licence), Date.now()));
  await setLicences(options.licences ?? [{}]);
  let stopping = false;
  const usage = new UsageHistory({ db: store.db, historyDays: 90, failed: (op, error) => store.troubled(op, error) });
  const app = await createApp({
    log,
    version: '0.0.0',
    startedAt: new Date(),
    access: options.access ?? { kind: 'open' },
    metrics,
    seatMetrics,
    store,
    database: { own: { connectionString: url } },
    keys: { status: () => ({ fingerprint: identity.fingerprint, keys: [] }) } as unknown as Keys,
    identity,
    usage,
    dataVolume: { trouble: () => undefined },
    activationOf: () => 'activation',
    clearing: () => clearing,
    stopping: () => stopping,
  });
  await app.ready();

  const call = async (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, headers = {}) => {
    const answer = await app.inject({
      method,
      url: path,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const isJson = /[/+]json/.test(String(answer.headers['content-type']));
    return { status: answer.statusCode, headers: answer.headers, body: isJson ? answer.json() : answer.body };
  };
  return {
    app,
    store,
    usage,
    identity,
    clearing,
    log: () => lines.join(''),
    setLicences,
    call,
    /** Takes a seat for a user. */
    checkOut: (user: string, more: Record<string, unknown> = {}, base = 'buh') =>
      call('POST', '/v1/checkouts', { product: 'erp', holder: { base, user, host: 'pc', session: '' }, ...more }),
    report: (base: string, users: readonly string[], product = 'erp') =>
      call('PUT', `/v1/bases/${encodeURIComponent(base)}/sessions`, {
        sessions: users.map((user) => ({ product, user, host: 'pc' })),
      }),
    stop: async () => {
      stopping = true;
      store.waitingRoom.close();
      await app.close();
      await store.stop();
    },
  };
}
export type SeatServer = Awaited<ReturnType<typeof startSeatServer>>;

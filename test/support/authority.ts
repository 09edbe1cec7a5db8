import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Token } from '../../authority/access.ts';
import { type AuthorityDeps, createAuthority } from '../../authority/app.ts';
import { databaseTime, poolSetup } from '../../authority/database.ts';
import { perMinute, type Rates } from '../../authority/rates.ts';
import { openSigningKeys, type SigningKeys } from '../../authority/signingKeys.ts';
import { type ActivationRequest, activationRequestText, type IssuedKey } from '../../licence/authorityWire.ts';
import { fingerprintOf, rawPublicKey } from '../../licence/fingerprint.ts';
import { momentOf } from '../../licence/moment.ts';
import { DatabasePool } from '../../runtime/database/pool.ts';
import { type Http, type HttpLimits, listenOn } from '../../runtime/httpShell.ts';
import { createLog } from '../../runtime/log.ts';
import { migrate } from '../../runtime/migrate.ts';
import { repository } from './sources.ts';
import { createTestDatabase } from './testDatabase.ts';

/** A real authority on a database of its own; its clock can be moved. */
export interface TestAuthority {
  readonly http: Http;
  readonly pool: DatabasePool;
  readonly signingKeys: SigningKeys;
  /** Another process of the same authority: on the same database, with a memory of its own. The caller closes it. */
  replica(): Http;
  /** Moves its clock away from the database's, in ms. */
  setAhead(ms: number): void;
  /** Starts listening on loopback; on the port of the last time if there was one. Answers the base URL. */
  open(): Promise<string>;
  /** Stops listening; the database stays. */
  shut(): Promise<void>;
  /** A call with a token; answers status and body. */
  call<T = Record<string, unknown>>(
    method: 'GET' | 'POST' | 'PATCH',
    url: string,
    body?: unknown,
    token?: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ status: number; body: T; headers: Readonly<Record<string, unknown>> }>;
  issue(more?: Record<string, unknown>): Promise<IssuedKey>;
  end(): Promise<void>;
}

export const tokens = {
  vendor: 'vendor-token',
  customer: 'customer-token',
  romashka: 'romashka-token',
  metrics: 'metrics-token',
};
const hash = (token: string) => createHash('sha256').update(token).digest();
const accepted: Token[] = [
  { role: 'vendor', hash: hash(tokens.vendor) },
  { role: 'customer', hash: hash(tokens.customer) },
  { role: 'customer', organisation: 'Romashka', hash: hash(tokens.romashka) },
  { role: 'metrics', hash: hash(tokens.metrics) },
];

const template = {
  name: 'authority',
  prepare: async (url: string) => {
    await migrate({ connectionString: url }, join(repository, 'authority/migrations'));
  },
};

/** So many that no test meets the limit by accident. */
const unlimitedAttempts = { account: perMinute(6e6), anywhere: perMinute(6e6), address: perMinute(6e6) };
const unlimited: Rates = { token: perMinute(6e6), activation: perMinute(6e6), failure: perMinute(6e6) };

export async function startAuthority(
  {
    port: wanted,
    ...options
  }: Pick<AuthorityDeps, 'clonePolicy' | 'rates' | 'clock' | 'cabinet'> & { readonly port?: number } = {},
  limits: HttpLimits = {},
): Promise<TestAuthority> {
  const database = await createTestDatabase(template);
  const pool = new DatabasePool({ connectionString: database.url }, poolSetup, 10);
  // The end of a pool does not wait for its connections, and the database is dropped under them.
  pool.on('connect', (client) => client.on('error', () => {}));
  // With all connections there, what is sent at once also runs at once.
  await Promise.all(Array.from({ length: 10 }, () => pool.query('SELECT pg_sleep(0.02)')));
  const dir = await mkdtemp(join(tmpdir(), 'authority-'));
  const signingKeys = await openSigningKeys(dir, Date.now());
  let aheadMs = 0;
  let port = wanted ?? 0;
  const build = () =>
    createAuthority(
      {
        log: createLog('authority', 'silent'),
        pool,
        signingKeys,
        readTokens: async () => accepted,
        now: async (client) => (await databaseTime(client)) + aheadMs,
        rates: unlimited,
        ...options,
        cabinet: { attemptRates: unlimitedAttempts, ...options.cabinet },
      },
      limits,
    );
  let http = build();
  const call: TestAuthority['call'] = async (method, url, body, token = tokens.vendor, headers = {}) => {
    const answer = await http.inject({
      method,
      url,
      headers: token === '' ? headers : { authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    return { status: answer.statusCode, body: answer.json(), headers: answer.headers };
  };
  return {
    get http() {
      return http;
    },
    pool,
    signingKeys,
    replica: build,
    setAhead: (ms) => {
      aheadMs = ms;
    },
    open: async () => {
      const address = await listenOn(http, { host: '127.0.0.1', port });
      port = Number(new URL(address).port);
      return address;
    },
    shut: async () => {
      await http.close();
      http = build();
    },
    call,
    issue: async (more = {}) => {
      // ends may have passed: tests outlive any date
      const request = { organisation: 'Romashka', product: 'erp', seatLimit: 50, force: true, ...more };
      const { status, body } = await call<IssuedKey>('POST', '/v1/licences', request);
      if (status !== 201) throw new Error(`not issued: ${JSON.stringify(body)}`);
      return body;
    },
    end: async () => {
      await http.close();
      await pool.end();
      await database.drop();
      await rm(dir, { recursive: true });
    },
  };
}

/** A computer that activates keys: what a licence server sends, without the server. */
export function createComputer() {
  const { privateKey } = generateKeyPairSync('ed25519');
  const raw = rawPublicKey(privateKey);
  const fingerprint = fingerprintOf(raw);
  const publicKey = raw.toString('base64url');
  return {
    fingerprint,
    publicKey,
    privateKey,
    request: (key: string, sequence = 0, change: Partial<ActivationRequest> = {}): ActivationRequest => {
      const unsigned = { key, fingerprint, publicKey, sequence, requestedAt: momentOf(Date.now()), ...change };
      const signature = sign(null, Buffer.from(activationRequestText(unsigned)), privateKey).toString('base64url');
      return { ...unsigned, signature, ...(change.signature === undefined ? {} : { signature: change.signature }) };
    },
  };
}

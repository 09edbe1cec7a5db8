import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createActivation, readActivation } from '../../../../licence/activation.ts';
import type { ActivationPayload, ActivationResponse, IssuedKey } from '../../../../licence/authorityWire.ts';
import { startAuthority, type TestAuthority } from '../../../support/authority.ts';
import { activationFile, createKeysServer, type KeysServer } from '../../../support/keysServer.ts';
import { generateSigner } from '../../../support/signer.ts';

// An authority that is away, slow or lying, while a server serves one key and is to activate another one. Time is stepped.

const [minuteMs, hourMs] = [60_000, 3_600_000];
let authority: TestAuthority;
/** What stands between the server and the authority. */
let gate: Server;
let gateUrl: string;
let onRequest: RequestListener;

/** What the authority answers, passed on as `change` makes of it. */
const through =
  (
    change: (answer: ActivationResponse) => ActivationResponse | Promise<ActivationResponse> = (a) => a,
  ): RequestListener =>
  async (request, response) => {
    const body = await text(request);
    const payload = body === '' ? undefined : JSON.parse(body);
    const { status, body: answer } = await authority.call<ActivationResponse>('POST', request.url ?? '', payload, '');
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status === 200 ? await change(answer) : answer));
  };
const away: RequestListener = (request) => request.socket.destroy();
const answering =
  (status: number, headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    response.writeHead(status, headers).end('{}');

beforeAll(async () => {
  authority = await startAuthority();
  gate = createServer((request, response) => onRequest(request, response));
  await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
  gateUrl = `http://127.0.0.1:${(gate.address() as AddressInfo).port}`;
});
afterAll(async () => {
  gate.closeAllConnections();
  gate.close();
  await authority.end();
});

let server: KeysServer;
let serving: IssuedKey;
let wanted: IssuedKey;
beforeEach(async () => {
  authority.setAhead(0);
  onRequest = through();
  serving = await authority.issue();
  wanted = await authority.issue({ product: 'zup', seatLimit: 4 });
  server = await createKeysServer(gateUrl);
  await server.trust(authority.signingKeys.jwks());
  await server.configure({ erp: serving.key });
  await server.start();
  await server.keys.refresh();
  expect(server.seats()).toEqual({ erp: 50 });
  await server.configure({ erp: serving.key, zup: wanted.key });
});
afterEach(() => server.end());

const zup = () => server.keys.status().keys.find((k) => k.name === 'zup');
/** The pauses that failed attempts were followed by, in order. */
const pauses = () => [...server.log.matchAll(/"waitMs":([\d.]+)/g)].map(([, ms]) => Number(ms));
const metric = async (name: string) => {
  const all = await server.metrics.registry.metrics();
  return all.split('\n').filter((line) => !line.startsWith('#') && line.startsWith(name));
};
/** Lets time pass, for both, then has the server look. */
const later = async (ms: number) => {
  server.clock.freeze(ms);
  authority.setAhead(server.clock.now() - Date.now());
  await server.keys.refresh();
};

describe('an authority that is away for a week', () => {
  it('stops no service, is tried about every ten minutes at most, and is used as soon as it is back', async () => {
    const lastSuccess = await metric('licence_activation_last_success');
    expect(await metric('licence_authority_reachable')).toEqual(['licence_authority_reachable 1']);
    onRequest = away;
    const looks = 84;
    for (let n = 0; n < looks; n++) {
      await later((7 * 24 * hourMs) / looks);
      expect(server.seats()).toEqual({ erp: 50 });
    }
    expect(zup()).toMatchObject({ state: 'Pending', fault: { reason: 'AuthorityUnreachable' } });
    expect(await metric('licence_authority_reachable')).toEqual(['licence_authority_reachable 0']);
    expect(await metric('licence_activation_requests_total{call="activate",outcome="AuthorityUnreachable"')).toEqual([
      'licence_activation_requests_total{call="activate",outcome="AuthorityUnreachable"} 84',
    ]);
    expect(await metric('licence_activation_last_success')).toEqual(lastSuccess);
    const first = pauses().slice(0, 8); // 2 s, 4 s, 8 s …
    expect(first.every((ms, n) => ms >= 1_500 * 2 ** n && ms <= 2_000 * 2 ** n)).toBe(true);
    const rest = pauses().slice(10); // capped, and spread, so that servers do not come all at once
    expect(rest.every((ms) => ms >= 7.5 * minuteMs && ms <= 10 * minuteMs)).toBe(true);
    expect(new Set(rest).size).toBeGreaterThan(rest.length / 2);
    await later(7 * minuteMs);
    expect(pauses()).toHaveLength(looks); // not due yet

    onRequest = through();
    await later(3 * minuteMs);
    expect(zup()).toMatchObject({ state: 'Active' });
    expect(zup()?.fault).toBeUndefined();
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
    expect(await metric('licence_authority_reachable')).toEqual(['licence_authority_reachable 1']);
    expect(await metric('licence_activation_last_success')).not.toEqual(lastSuccess);
  });

  it('takes nothing from a server that starts meanwhile', async () => {
    onRequest = away;
    await later(hourMs);
    await server.stop();
    server.clock.freeze(3 * 24 * hourMs);
    await server.start();
    expect(server.seats()).toEqual({ erp: 50 });
  });
});

it('a slow authority holds up neither service nor status, and its late answer counts', async () => {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    onRequest = through(async (answer) => {
      resolve();
      await released;
      return answer;
    });
  });
  const pass = server.keys.refresh();
  await asked;
  expect(server.seats()).toEqual({ erp: 50 });
  expect(server.keys.activationOf(serving.keyId)).toBeDefined();
  expect(zup()).toMatchObject({ state: 'Pending' });
  release();
  await pass;
  expect(server.seats()).toEqual({ erp: 50, zup: 4 });
});

describe('an authority that lies', () => {
  const signer = generateSigner();
  /** The true answer, said anew with something changed, under the true key's name. */
  const forged = (change: Partial<ActivationPayload>, by?: 'the authority') =>
    through((answer) => {
      const payload = readActivation(answer.activation);
      if (payload === undefined) throw new Error('not an activation');
      const { kid, privateKey } = authority.signingKeys.active();
      const activation = createActivation({ ...payload, ...change }, kid, by ? privateKey : signer.privateKey);
      return { ...answer, activation };
    });

  it.each<[string, () => RequestListener, string]>([
    ['with a signature that is not its own', () => forged({}), 'signature'],
    ['with an edited activation', () => through((a) => ({ ...a, activation: edited(a.activation) })), 'signature'],
    [
      'about the computer',
      () => forged({ fingerprint: `sha256:${'0'.repeat(64)}` }, 'the authority'),
      'for the computer',
    ],
    ['about the server key', () => forged({ serverPublicKey: signer.publicKey }, 'the authority'), 'for the computer'],
    ['about the key', () => forged({ keyId: serving.keyId }, 'the authority'), 'another key'],
    ['about the time', () => forged({ issuedAt: '2099-01-01T00:00:00Z' }, 'the authority'), 'clock'],
  ])('%s is not believed, and the reason says so', async (_, listener, says) => {
    onRequest = listener();
    await later(0);
    expect(zup()?.fault?.message).toContain(says);
    expect(zup()?.fault?.reason).toBe(says === 'clock' ? 'ActivationFromFuture' : 'AuthorityUntrusted');
    expect(server.seats()).toEqual({ erp: 50 });
    expect(await server.files()).toEqual([`${serving.keyId}.lic`]);
    onRequest = through();
    await later(6 * hourMs);
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
  });
  const edited = (jws: string) => jws.replace(/\.(.)/, (_, c: string) => `.${c === 'a' ? 'b' : 'a'}`);

  it('by an old answer, given once more, changes nothing', async () => {
    const old = (await activationFile(server, serving.keyId)).trim();
    await server.keys.install(serving.key, 'web');
    const current = await activationFile(server, serving.keyId);
    onRequest = through((answer) => ({ ...answer, activation: old }));
    expect(await server.keys.install(serving.key, 'web')).toMatchObject({
      ok: false,
      fault: { reason: 'AuthorityUntrusted', message: expect.stringContaining('older answer') },
    });
    expect(await activationFile(server, serving.keyId)).toBe(current);
  });
});

describe('an authority that cannot answer now', () => {
  it.each([500, 502, 503, 408])('but with status %i is tried again', async (status) => {
    onRequest = answering(status);
    await later(0);
    expect(zup()).toMatchObject({ state: 'Pending', fault: { reason: 'AuthorityUnreachable' } });
    expect(zup()?.fault?.message).toContain(String(status));
    onRequest = through();
    await later(2_000);
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
  });

  it.each([
    ['120', 120_000],
    ['999999999', hourMs], // nobody is sent away for long
    ['1', 2_000], // sooner than the pause that is due anyway
    ['Wed, 21 Oct 2037 07:28:00 GMT', 2_000],
  ])('and asks to wait (Retry-After: %s) is left alone so long', async (header, waitMs) => {
    onRequest = answering(429, { 'retry-after': header });
    await later(0);
    expect(pauses()).toHaveLength(1);
    onRequest = through();
    await later(waitMs * 0.7);
    expect(zup()?.state).toBe('Pending');
    await later(waitMs * 0.3);
    expect(zup()?.state).toBe('Active');
  });
});

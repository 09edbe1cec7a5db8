import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { signerOf } from '../../../../licence/activation.ts';
import type { IssuedKey } from '../../../../licence/authorityWire.ts';
import type { PublicJwk } from '../../../../licence/jwks.ts';
import { createAuthorityClient } from '../../../../server/keys/authorityClient.ts';
import { loadIdentity } from '../../../../server/keys/identity.ts';
import { holderKey } from '../../../../server/seats/holderKey.ts';
import { proofOf } from '../../../../server/seats/proof.ts';
import { startAuthority, type TestAuthority } from '../../../support/authority.ts';
import { activationFile, createKeysServer, type KeysServer } from '../../../support/keysServer.ts';
import { repository } from '../../../support/sources.ts';
import { createTestDatabase } from '../../../support/testDatabase.ts';
import { verifierIn } from '../../../support/verifier.ts';
import { createComputer, ServerProcess, until } from '../support/serverProcess.ts';

// The authority changes its signing key while servers run: every step against a real authority over HTTP.

let authority: TestAuthority;
let url: string;
let server: KeysServer;
beforeEach(async () => {
  authority = await startAuthority();
  url = await authority.open();
  server = await createKeysServer(url);
});
afterEach(async () => {
  await server.end();
  await authority.end();
});

const published = async () =>
  (await authority.call<{ keys: PublicJwk[] }>('GET', '/.well-known/jwks.json', undefined, '')).body.keys;
const addSigningKey = async () => (await authority.call<{ kid: string }>('POST', '/v1/signing-keys')).body.kid;
const signWith = (kid: string) => authority.call('POST', `/v1/signing-keys/${kid}:activate`);
const withdraw = (kid: string) => authority.call('POST', `/v1/signing-keys/${kid}:withdraw`);
const stateOf = (name: string) => server.keys.status().keys.find((k) => k.name === name);
const signerOfFile = async ({ keyId }: IssuedKey) => signerOf((await activationFile(server, keyId)).trim());
/** One that does not know signed key sets, as an older authority. */
const withoutKeySets = () => ({ ...createAuthorityClient({ url, timeoutMs: 2_000 }), keySet: async () => undefined });

async function startWith(keys: Readonly<Record<string, string>>, more = {}) {
  await server.configure(keys);
  await server.start(more);
  await server.keys.refresh();
}

describe('a new signing key', () => {
  it('is published before it signs, and the one before stays published for what it has signed', async () => {
    const [first] = await published();
    const kid = await addSigningKey();
    expect((await published()).map((k) => k.kid)).toEqual([first?.kid, kid]);
    await server.trust({ keys: await published() }); // the overlap: both are trusted before the new one signs
    const [a, b] = [await authority.issue(), await authority.issue({ product: 'zup', seatLimit: 4 })];
    await startWith({ a: a.key });
    expect(await signerOfFile(a)).toBe(first?.kid);
    await signWith(kid);
    expect((await published()).map((k) => k.kid)).toEqual([first?.kid, kid]);
    await server.configure({ a: a.key, b: b.key });
    await server.keys.refresh();
    expect([await signerOfFile(a), await signerOfFile(b)]).toEqual([first?.kid, kid]);
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
    await server.stop();
    await server.start();
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
  });

  it('that a server with the older file cannot learn is refused by its name; replacing the file is enough', async () => {
    const [a, b] = [await authority.issue(), await authority.issue({ product: 'zup', seatLimit: 4 })];
    await server.trust({ keys: await published() });
    await startWith({ a: a.key }, { authority: withoutKeySets() });
    const kid = await addSigningKey();
    await signWith(kid);
    await server.configure({ a: a.key, b: b.key });
    await server.keys.refresh();
    expect(stateOf('b')).toMatchObject({
      state: 'Refused',
      fault: { reason: 'AuthorityUntrusted', message: expect.stringContaining(kid) },
    });
    expect(server.seats()).toEqual({ erp: 50 }); // what was activated before goes on serving
    await server.trust({ keys: await published() });
    await server.clock.advance(5_000); // the next look; no restart, no waiting for the back-off of the refusal
    await server.keys.refresh();
    expect(stateOf('b')).toMatchObject({ state: 'Active' });
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
    expect(server.log).not.toContain('suspects a copy'); // the answers that were not believed are not held against it
  });

  it('is learned from the authority when a trusted key vouches for it, also over a restart without the authority', async () => {
    const [a, b] = [await authority.issue(), await authority.issue({ product: 'zup', seatLimit: 4 })];
    await server.trust({ keys: await published() });
    await startWith({ a: a.key });
    const kid = await addSigningKey();
    await signWith(kid);
    await server.configure({ a: a.key, b: b.key });
    await server.keys.refresh();
    expect(await signerOfFile(b)).toBe(kid);
    expect(server.log).toContain(`"kid":"${kid}"`);
    await server.stop();
    await authority.shut();
    await server.start();
    await authority.open();
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
  });

  it('that was learned counts only as long as the key that vouched for it is trusted', async () => {
    const issued = await authority.issue();
    const stolen = await published();
    await server.trust({ keys: stolen });
    await signWith(await addSigningKey());
    await startWith({ erp: issued.key });
    expect(server.seats()).toEqual({ erp: 50 });
    const others = (await published()).filter((k) => stolen.every((s) => s.kid !== k.kid));
    // Somebody else's set in the place of the learned one is worth nothing, whatever it says.
    await server.trust({ keys: others.map((k) => ({ ...k, kid: 'unrelated' })) });
    await server.clock.advance(5_000);
    await server.keys.refresh();
    expect(stateOf('erp')).toMatchObject({ state: 'Refused' });
    expect(server.seats()).toEqual({});
    await server.trust({ keys: others }); // the administrator names the new key
    await server.keys.refresh();
    expect(server.seats()).toEqual({ erp: 50 });
  });

  it('that is vouched for by nobody who is trusted is not learned', async () => {
    const issued = await authority.issue();
    await server.trust({ keys: (await published()).map((k) => ({ ...k, kid: 'another' })) });
    await startWith({ erp: issued.key });
    expect(stateOf('erp')?.fault).toMatchObject({ reason: 'AuthorityUntrusted' });
    await writeFile(join(server.dataDir, 'learned-keys.jws'), 'x.y.z');
    await server.keys.refresh();
    expect(server.seats()).toEqual({});
  });
});

it('a proof of a server verifies by the published keys and the verifier of the documentation, over a change of keys', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'verifier-'));
  const file = join(dir, 'verifier.mjs');
  await writeFile(file, verifierIn(await readFile(join(repository, 'docs/protocol.md'), 'utf8')));
  const { verifyProof } = (await import(file)) as {
    verifyProof: (proof: string, jwks: unknown, asked: object, nowMs: number) => { leaseId: string };
  };
  await rm(dir, { recursive: true });
  const issued = await authority.issue();
  await server.trust({ keys: await published() });
  await startWith({ erp: issued.key });
  const identity = await loadIdentity({ dataDir: server.dataDir });
  const nowMs = Date.now();
  const [asked, lease] = [
    { product: 'erp', nonce: 'n-1' },
    { leaseId: 'lease-1', holder: holderKey({ base: 'b', user: 'u', host: 'h', session: '1' }), nowMs },
  ];
  const prove = () =>
    proofOf(identity, server.keys.activationOf(issued.keyId), { ...asked, ...lease, expiresAtMs: nowMs + 60_000 });
  const [before] = await published();
  expect(verifyProof(prove(), { keys: await published() }, asked, nowMs)).toMatchObject({ leaseId: 'lease-1' });
  await signWith(await addSigningKey());
  await server.keys.install(issued.key, 'api');
  expect(verifyProof(prove(), { keys: await published() }, asked, nowMs)).toMatchObject({ leaseId: 'lease-1' });
  expect(() => verifyProof(prove(), { keys: [before] }, asked, nowMs)).toThrow('not trusted');
});

describe('a stolen signing key', () => {
  it('is withdrawn: servers that take up the set activate again by themselves, and its work counts nowhere', async () => {
    const issued = await authority.issue();
    const [old] = await published();
    await server.trust({ keys: await published() });
    await startWith({ erp: issued.key });
    expect((await withdraw(old?.kid ?? '')).status).toBe(409); // it signs
    const kid = await addSigningKey();
    await signWith(kid);
    expect(await withdraw(old?.kid ?? '')).toMatchObject({ status: 200, body: { state: 'withdrawn' } });
    expect((await published()).map((k) => k.kid)).toEqual([kid]);
    await server.trust({ keys: await published() });
    await server.clock.advance(5_000);
    await server.keys.refresh();
    expect(await signerOfFile(issued)).toBe(kid);
    expect(server.seats()).toEqual({ erp: 50 });
    expect((await withdraw('nobody')).status).toBe(404);
    const { body } = await authority.call<{ entries: { action: string; detail: string }[] }>(
      'GET',
      '/v1/audit?limit=4',
    );
    expect(body.entries.map((e) => e.action)).toEqual(
      expect.arrayContaining(['add-signing-key', 'activate-signing-key', 'withdraw-signing-key']),
    );
  });
});

it('a trusted keys file that is damaged or gone for a while switches nothing off', async () => {
  const issued = await authority.issue();
  await server.trust({ keys: await published() });
  await startWith({ erp: issued.key });
  await writeFile(server.trustFile, '{"keys":[');
  await server.keys.refresh();
  expect(server.seats()).toEqual({ erp: 50 });
  expect(server.keys.status().trouble).toContain(server.trustFile);
  await rm(server.trustFile);
  await server.keys.refresh();
  expect(server.seats()).toEqual({ erp: 50 });
});

it('a running program takes up a replaced file, and serves all along', async () => {
  const database = await createTestDatabase();
  const computer = await createComputer(10);
  const trustFile = computer.env.LICENCE_TRUSTED_KEYS ?? '';
  const own = JSON.parse(await readFile(trustFile, 'utf8')) as { keys: PublicJwk[] };
  await writeFile(trustFile, JSON.stringify({ keys: [...own.keys, ...(await published())] }));
  const program = await ServerProcess.start({
    ...computer.env,
    DATABASE_URL: database.url,
    LICENCE_AUTHORITY_URL: url,
  });
  try {
    const seatLimit = async (product: string): Promise<number | undefined> => {
      const { body } = await program.call('GET', '/v1/products');
      return body.products.find((p: { product: string }) => p.product === product)?.seatLimit;
    };
    expect((await program.checkOut('anna')).status).toBe(201);
    const old = await published();
    await signWith(await addSigningKey());
    for (const { kid } of old) await withdraw(kid); // nobody is left whom the server trusts
    const issued = await authority.issue({ product: 'zup', seatLimit: 4 });
    expect(await program.call('POST', '/v1/keys', { key: issued.key })).toMatchObject({
      status: 502,
      body: { reason: 'AuthorityUntrusted' },
    });
    await writeFile(trustFile, JSON.stringify({ keys: [...own.keys, ...(await published())] }));
    await until('the key to be installed', async () => {
      const { status } = await program.call('POST', '/v1/keys', { key: issued.key });
      return status === 201;
    });
    expect(await seatLimit('zup')).toBe(4);
    expect(await seatLimit('erp')).toBe(10);
    expect((await program.checkOut('anna')).status).toBe(200);
  } finally {
    await program.stop('SIGKILL');
    await database.drop();
    computer.remove();
  }
}, 120_000);

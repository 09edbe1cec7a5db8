import { cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readActivation } from '../../../../licence/activation.ts';
import type { ActivationResponse, IssuedKey } from '../../../../licence/authorityWire.ts';
import { createKey } from '../../../../licence/key.ts';
import { loadIdentity } from '../../../../server/keys/identity.ts';
import type { ProductEntitlement, SetEntitlements } from '../../../../server/seats/entitlement.ts';
import { startAuthority, type TestAuthority, tokens } from '../../../support/authority.ts';
import { activationFile, createKeysServer, type KeysServer } from '../../../support/keysServer.ts';

let authority: TestAuthority;
let url: string;
beforeAll(async () => {
  authority = await startAuthority();
  url = await authority.open();
});
afterAll(() => authority.end());

let server: KeysServer;
const others: KeysServer[] = [];
/** A server that trusts this authority. */
async function aServer(authorityUrl: string | undefined = url): Promise<KeysServer> {
  const made = await createKeysServer(authorityUrl);
  await made.trust(authority.signingKeys.jwks());
  others.push(made);
  return made;
}
beforeEach(async () => {
  server = await aServer();
});
afterEach(async () => {
  for (const made of others.splice(0)) await made.end();
});

const keyOf = (nameOrId: string, of = server) => {
  const found = of.keys.status().keys.find((k) => k.name === nameOrId || k.keyId === nameOrId);
  if (found === undefined) throw new Error(`no key ${nameOrId}`);
  return found;
};
const regenerate = async (licenceId: string) =>
  (await authority.call<IssuedKey>('POST', `/v1/licences/${licenceId}:regenerate`)).body;
const renew = async (licenceId: string, supportUntil: string) =>
  (await authority.call<IssuedKey>('POST', `/v1/licences/${licenceId}:renew`, { supportUntil })).body;
const lic = ({ keyId }: IssuedKey) => `${keyId}.lic`;
/** Starts with these keys and waits for the first pass. */
async function startWith(keys: Readonly<Record<string, string>>, of = server) {
  await of.configure(keys);
  await of.start();
  await of.keys.refresh();
}

describe('a configured key', () => {
  it('is activated at the start and counts, in a file that only the server can read', async () => {
    const issued = await authority.issue({ seatLimit: 12, supportUntil: '2030-01-01T00:00:00Z' });
    await startWith({ erp: `${issued.key.toLowerCase()}\n` });
    expect(keyOf('erp')).toEqual({
      name: 'erp',
      keyId: issued.keyId,
      state: 'Active',
      source: 'configuration',
      generation: 1,
      product: 'erp',
      seatLimit: 12,
      supportUntil: '2030-01-01T00:00:00Z',
      activatedAt: expect.any(String),
      regenerationsLeft: 3,
      regenerationsResetAt: issued.regenerationsResetAt,
    });
    expect(server.seats()).toEqual({ erp: 12 });
    const { mode } = await stat(join(server.dataDir, 'Licence', lic(issued)));
    expect(mode & 0o777).toBe(0o600);
    const text = await server.metrics.registry.metrics();
    expect(text).toContain(`licence_key_info{key="${issued.keyId}",product="erp",generation="1",state="Active"} 1`);
    expect(text).toContain(`licence_key_regenerations_remaining{key="${issued.keyId}"} 3`);
    expect(text).toContain(
      `licence_support_expiry_timestamp_seconds{product="erp",key="${issued.keyId}"} ${Date.parse('2030-01-01') / 1000}`,
    );
    expect(text).toMatch(/licence_activation_last_success_timestamp_seconds 1\d{9}/);
  });

  it('is not shown as active before the ledger grants its seats', async () => {
    const issued = await authority.issue();
    await server.configure({ erp: issued.key });
    const shown: string[] = [];
    await server.start({
      setEntitlements: async (products) => {
        if (products.length > 0) shown.push(keyOf('erp').state);
      },
    });
    await server.keys.refresh();
    expect(shown).toEqual(['Pending']);
    expect(keyOf('erp').state).toBe('Active');
  });

  it('stands in no log, no file of the data directory and no status', async () => {
    const [issued, wrong] = [await authority.issue(), createKey(Buffer.alloc(16, 7))];
    await startWith({ erp: issued.key, wrong });
    const files = await readdir(server.dataDir, { recursive: true, withFileTypes: true });
    const texts = await Promise.all(
      files.filter((f) => f.isFile()).map((f) => readFile(join(f.parentPath, f.name), 'utf8')),
    );
    expect(texts).toHaveLength(3); // identity, settings, activation
    const everything = [...texts, server.log, JSON.stringify(server.keys.status())].join();
    for (const key of [issued.key, wrong]) {
      expect(everything).not.toContain(key);
      expect(everything).not.toContain(key.replaceAll('-', ''));
    }
  });

  it.each([
    ['of nobody', createKey(Buffer.alloc(16, 9)), 'KeyUnknown', 'compare'],
    ['with a typing error', 'AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA', 'KeyMalformed', 'typing error'],
    ['that is empty', '', 'KeyMalformed', '30 characters'],
  ])('%s is refused with its reason, and the others serve', async (_, text, reason, says) => {
    const good = await authority.issue();
    await startWith({ erp: good.key, wrong: text });
    expect(keyOf('wrong')).toMatchObject({
      state: 'Refused',
      fault: { reason, message: expect.stringContaining(says) },
    });
    expect(keyOf('erp').state).toBe('Active');
    expect(server.seats()).toEqual({ erp: 50 });
  });

  it('of another computer is refused and says what to do', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key });
    const second = await aServer();
    await startWith({ erp: issued.key }, second);
    expect(keyOf('erp', second)).toMatchObject({ state: 'Refused', fault: { reason: 'KeyBoundElsewhere' } });
    expect(second.seats()).toEqual({});
  });

  it('that appears or changes while the server runs is taken up', async () => {
    await startWith({});
    const [first, second] = [await authority.issue(), await authority.issue({ product: 'zup', seatLimit: 3 })];
    await server.configure({ erp: first.key, zup: second.key });
    await server.clock.advance(5_000);
    await server.keys.refresh();
    expect(server.seats()).toEqual({ erp: 50, zup: 3 });
  });

  it('given under two names is one activation and counts once', async () => {
    const issued = await authority.issue();
    await startWith({ a: issued.key, b: issued.key });
    expect([keyOf('a').state, keyOf('b').state]).toEqual(['Active', 'Active']);
    expect(server.seats()).toEqual({ erp: 50 });
    expect(readActivation((await activationFile(server, issued.keyId)).trim())?.sequence).toBe(1);
  });

  it('goes on with the same computer: files deleted, restart, active again, nothing spent', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key });
    const { fingerprint } = server.keys.status();
    await server.stop();
    await rm(join(server.dataDir, 'Licence'), { recursive: true });
    await server.start();
    expect(server.seats()).toEqual({});
    await server.keys.refresh();
    expect(keyOf('erp')).toMatchObject({ state: 'Active', regenerationsLeft: 3 });
    expect(server.seats()).toEqual({ erp: 50 });
    expect(server.keys.status().fingerprint).toBe(fingerprint);
    expect(readActivation((await activationFile(server, issued.keyId)).trim())?.sequence).toBe(2);
    expect(server.log).not.toContain('suspects a copy');
  });
});

describe('a restart', () => {
  it('serves at once from the files, without the authority', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key });
    await server.stop();
    await authority.shut();
    try {
      await server.start();
      expect(server.seats()).toEqual({ erp: 50 });
      expect(keyOf('erp').state).toBe('Active');
    } finally {
      await authority.open();
    }
  });

  it('asks the authority nothing for a key that is active', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key });
    const before = await activationFile(server, issued.keyId);
    await server.stop();
    await server.start();
    await server.keys.refresh();
    expect(await activationFile(server, issued.keyId)).toBe(before);
  });
});

describe('an authority', () => {
  it('that is away is tried again with growing pauses until it is back', async () => {
    const issued = await authority.issue();
    await authority.shut();
    try {
      await startWith({ erp: issued.key });
      expect(keyOf('erp')).toMatchObject({ state: 'Pending', fault: { reason: 'AuthorityUnreachable' } });
      await server.clock.advance(1_000);
      await server.keys.refresh(); // not due yet
      const tries = () => server.log.split('key was not activated').length - 1;
      expect(tries()).toBe(1);
      await server.clock.advance(1_000);
      await server.keys.refresh();
      expect(tries()).toBe(2);
      await server.clock.advance(2_900);
      await server.keys.refresh();
      expect(tries()).toBe(2);
    } finally {
      await authority.open();
    }
    await server.clock.advance(2_000);
    await server.keys.refresh();
    expect(keyOf('erp')).toMatchObject({ state: 'Active' });
    expect(keyOf('erp').fault).toBeUndefined();
  });

  it('that signs with an unknown key is not believed, until the trusted keys name it', async () => {
    const issued = await authority.issue();
    const { keys } = authority.signingKeys.jwks();
    await server.trust({ keys: keys.map((k) => ({ ...k, kid: 'another' })) });
    await startWith({ erp: issued.key });
    expect(keyOf('erp')).toMatchObject({ state: 'Refused', fault: { reason: 'AuthorityUntrusted' } });
    expect(await server.files()).toEqual([]);
    await server.trust({ keys });
    await server.keys.refresh();
    expect(keyOf('erp').state).toBe('Active');
  });

  describe('that is none', () => {
    let liar: Server;
    let answer: RequestListener;
    let liarUrl: string;
    beforeAll(async () => {
      liar = createServer((request, response) => answer(request, response));
      await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve));
      liarUrl = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`;
    });
    afterAll(() => {
      liar.closeAllConnections();
      liar.close();
    });
    const json =
      (status: number, body: unknown): RequestListener =>
      (_, response) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const budget = { regenerationsLeft: 3, regenerationsResetAt: '2030-01-01T00:00:00Z' };

    it.each<[string, RequestListener, string]>([
      ['answers with nonsense', json(200, { hello: 'world' }), 'AuthorityUntrusted'],
      ['answers with an activation that is none', json(200, { activation: 'a.b.c', ...budget }), 'AuthorityUntrusted'],
      ['answers with status 500', json(500, {}), 'AuthorityUnreachable'],
      ['asks for patience', json(429, {}), 'AuthorityUnreachable'],
      ['refuses for a reason of its own', json(403, { reason: 'NotToday', detail: 'closed' }), 'AuthorityRefused'],
      ['sends elsewhere', (_, r) => r.writeHead(307, { location: url }).end(), 'AuthorityUnreachable'],
      ['hangs up', (request) => request.socket.destroy(), 'AuthorityUnreachable'],
      ['never ends', (_, r) => r.writeHead(200).write('{'), 'AuthorityUnreachable'],
      ['floods', (_, r) => r.end('x'.repeat(1_000_000)), 'AuthorityUnreachable'],
    ])('%s', async (_, listener, reason) => {
      answer = listener;
      const fooled = await aServer(liarUrl);
      await startWith({ erp: createKey(Buffer.alloc(16, 3)) }, fooled);
      expect(keyOf('erp', fooled).fault).toMatchObject({ reason });
      expect(fooled.seats()).toEqual({});
    });

    it('keeps nobody from stopping', async () => {
      const asked = new Promise<void>((resolve) => {
        answer = () => resolve();
      });
      const waiting = await aServer(liarUrl);
      await waiting.configure({ erp: createKey(Buffer.alloc(16, 3)) });
      await waiting.start();
      const pass = waiting.keys.refresh();
      await asked;
      const from = performance.now();
      await waiting.stop();
      expect(performance.now() - from).toBeLessThan(1_500); // an attempt may take two seconds
      await pass;
    });

    it('replays the activation of another server', async () => {
      const issued = await authority.issue();
      await startWith({ erp: issued.key });
      answer = json(200, { activation: (await activationFile(server, issued.keyId)).trim(), ...budget });
      const fooled = await aServer(liarUrl);
      await startWith({ erp: issued.key }, fooled);
      expect(keyOf('erp', fooled).fault).toMatchObject({ reason: 'AuthorityUntrusted' });
    });
  });
});

describe('a file of the folder', () => {
  it.each([
    ['damaged', () => 'x.y.z', 'ActivationDamaged'],
    ['empty', () => '', 'ActivationDamaged'],
    ['cut short', (text: string) => text.slice(0, -30), 'ActivationDamaged'],
  ])('that is %s switches off its key alone', async (_, damage, reason) => {
    const [kept, hurt] = [await authority.issue(), await authority.issue({ product: 'zup', seatLimit: 5 })];
    await startWith({ erp: kept.key });
    await server.keys.install(hurt.key, 'web');
    expect(server.seats()).toEqual({ erp: 50, zup: 5 });
    const path = join(server.dataDir, 'Licence', lic(hurt));
    await writeFile(path, damage((await readFile(path, 'utf8')).trim()));
    await server.keys.refresh();
    expect(keyOf(hurt.keyId)).toMatchObject({ state: 'Refused', source: 'web', fault: { reason } });
    expect(server.seats()).toEqual({ erp: 50 });
    expect(await server.files()).toContain(lic(hurt));
  });

  it('that is damaged is made anew when its key is configured', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key });
    await writeFile(join(server.dataDir, 'Licence', lic(issued)), 'garbage');
    await server.keys.refresh();
    expect(keyOf('erp').state).toBe('Active');
    expect(server.seats()).toEqual({ erp: 50 });
  });

  it('from another computer does not count', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key });
    const thief = await aServer();
    await startWith({}, thief);
    await writeFile(join(thief.dataDir, 'Licence', lic(issued)), await activationFile(server, issued.keyId));
    await thief.keys.refresh();
    expect(keyOf(issued.keyId, thief)).toMatchObject({ state: 'Refused', fault: { reason: 'ActivationForeign' } });
    expect(thief.seats()).toEqual({});
  });

  it('under another name does not count, so that nobody doubles it', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key });
    await writeFile(join(server.dataDir, 'Licence', 'copy.lic'), await activationFile(server, issued.keyId));
    await server.keys.refresh();
    expect(server.seats()).toEqual({ erp: 50 });
    expect(server.keys.status().keys.find((k) => k.name === undefined)?.fault?.message).toContain(
      `rename it to ${issued.keyId}.lic`,
    );
  });

  it('put there by hand counts, and is never thrown away', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key });
    await server.stop();
    await rm(join(server.dataDir, 'settings.json'));
    const other = await authority.issue({ product: 'zup', seatLimit: 4 });
    await startWith({ zup: other.key });
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
    expect(keyOf(issued.keyId)).toMatchObject({ state: 'Active', source: 'file' });
  });

  it('cannot be read because the folder is none: refused at the start with the path', async () => {
    await startWith({});
    await server.stop();
    await rm(join(server.dataDir, 'Licence'), { recursive: true });
    await writeFile(join(server.dataDir, 'Licence'), 'in the way');
    await expect(server.start()).rejects.toThrow(join(server.dataDir, 'Licence'));
  });
});

describe('a new generation', () => {
  it('takes over from the old one, which serves until then and then goes', async () => {
    const first = await authority.issue();
    await startWith({ erp: first.key });
    const second = await regenerate(first.licenceId);
    await authority.shut();
    try {
      await server.configure({ erp: second.key });
      await server.keys.refresh();
      expect(keyOf('erp')).toMatchObject({ keyId: second.keyId, state: 'Pending' });
      expect(keyOf(first.keyId)).toMatchObject({ state: 'Superseded', source: 'configuration' });
      expect(server.seats()).toEqual({ erp: 50 });
    } finally {
      await authority.open();
    }
    await server.clock.advance(60_000);
    await server.keys.refresh();
    expect(keyOf('erp')).toMatchObject({ keyId: second.keyId, state: 'Active', generation: 2 });
    expect(server.seats()).toEqual({ erp: 50 });
    expect(await server.files()).toEqual([lic(second)]);
    expect(server.keys.status().keys).toHaveLength(1);
  });

  it('can be rolled back to the old one on the same computer', async () => {
    const first = await authority.issue();
    await startWith({ erp: first.key });
    const second = await regenerate(first.licenceId);
    await server.configure({ erp: second.key });
    await server.keys.refresh();
    await server.configure({ erp: first.key });
    await server.keys.refresh();
    expect(keyOf('erp')).toMatchObject({ keyId: first.keyId, state: 'Active' });
    expect(await server.files()).toEqual([lic(first)]);
    expect(server.seats()).toEqual({ erp: 50 });
  });

  it('that is refused leaves the old one serving', async () => {
    const first = await authority.issue();
    await startWith({ erp: first.key });
    await server.configure({ erp: createKey(Buffer.alloc(16, 1)) });
    await server.keys.refresh();
    expect(keyOf('erp').state).toBe('Refused');
    expect(server.seats()).toEqual({ erp: 50 });
    expect(await server.files()).toEqual([lic(first)]);
  });

  it('does not throw away anything when all configuration is gone', async () => {
    const first = await authority.issue();
    await startWith({ erp: first.key });
    await server.configure({});
    await server.keys.refresh();
    expect(server.seats()).toEqual({ erp: 50 });
    expect(keyOf(first.keyId).state).toBe('Superseded');
  });
});

describe('a key installed by a person', () => {
  it('prolongs the term and is never thrown away by configuration', async () => {
    const first = await authority.issue({ supportUntil: '2027-01-01T00:00:00Z' });
    await startWith({ erp: first.key });
    const paid = await renew(first.licenceId, '2028-01-01T00:00:00Z');
    expect(await server.keys.install(paid.key, 'web')).toMatchObject({
      ok: true,
      key: { state: 'Active', source: 'web' },
    });
    expect(server.products).toMatchObject([{ seatLimit: 50, supportUntil: '2028-01-01T00:00:00Z' }]);
    expect(keyOf('erp').state).toBe('Active'); // older, but what is configured and works is active
    const other = await authority.issue({ product: 'zup', seatLimit: 4 });
    await server.configure({ zup: other.key });
    await server.keys.refresh();
    await server.stop();
    await server.start();
    await server.keys.refresh();
    expect(await server.files()).toEqual([lic(paid), lic(other)].toSorted());
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
  });

  it('stays its own when configuration names it for a while', async () => {
    const [mine, other] = [await authority.issue(), await authority.issue({ product: 'zup', seatLimit: 4 })];
    await startWith({});
    await server.keys.install(mine.key, 'api');
    await server.configure({ erp: mine.key });
    await server.keys.refresh();
    expect(keyOf('erp')).toMatchObject({ state: 'Active', source: 'api' });
    await server.configure({ zup: other.key });
    await server.keys.refresh();
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
  });

  it('stays its own when configuration has to activate it again', async () => {
    const [mine, other] = [await authority.issue(), await authority.issue({ product: 'zup', seatLimit: 4 })];
    await startWith({});
    await server.keys.install(mine.key, 'web');
    await writeFile(join(server.dataDir, 'Licence', lic(mine)), 'damaged');
    await server.configure({ erp: mine.key });
    await server.keys.refresh();
    expect(keyOf('erp')).toMatchObject({ state: 'Active', source: 'web' });
    await server.configure({ zup: other.key });
    await server.keys.refresh();
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
  });

  it('of the wrong product is refused before it is bound', async () => {
    const zup = await authority.issue({ product: 'zup' });
    await startWith({});
    expect(await server.keys.install(zup.key, 'api', 'erp')).toMatchObject({
      ok: false,
      fault: { reason: 'KeyWrongProduct' },
    });
    const elsewhere = await aServer();
    await startWith({ zup: zup.key }, elsewhere);
    expect(keyOf('zup', elsewhere).state).toBe('Active');
  });

  it('is removed on demand, a configured one is not', async () => {
    const [mine, configured] = [await authority.issue(), await authority.issue({ product: 'zup', seatLimit: 4 })];
    await startWith({ zup: configured.key });
    await server.keys.install(mine.key, 'web');
    expect(await server.keys.remove(configured.keyId)).toBe('configured');
    expect(await server.keys.remove('000000000000')).toBe('unknown');
    expect(await server.keys.remove(mine.keyId)).toBe('removed');
    expect(server.seats()).toEqual({ zup: 4 });
    expect(await server.files()).toEqual([lic(configured)]);
  });
});

describe('a check', () => {
  it('tells what a key would give and switches nothing', async () => {
    const [running, next] = [await authority.issue(), await authority.issue({ seatLimit: 80 })];
    await startWith({ erp: running.key });
    expect(await server.keys.check({ key: next.key })).toMatchObject({
      usable: true,
      keyId: next.keyId,
      product: 'erp',
      seatLimit: 80,
    });
    expect(server.seats()).toEqual({ erp: 50 });
    expect(await server.files()).toEqual([lic(running)]);
    expect(await server.keys.check({ key: createKey(Buffer.alloc(16, 5)) })).toMatchObject({
      usable: false,
      fault: { reason: 'KeyUnknown' },
    });
    expect(await server.keys.check({ key: 'nonsense' })).toMatchObject({
      usable: false,
      fault: { reason: 'KeyMalformed' },
    });
  });
});

describe('without a way to the authority', () => {
  let island: KeysServer;
  beforeEach(async () => {
    island = await createKeysServer();
    others.push(island);
    await island.trust(authority.signingKeys.jwks());
  });
  const answered = async (request: unknown) =>
    (await authority.call<ActivationResponse>('POST', '/v1/activations:respond', request, tokens.customer)).body;

  it('a key is activated by request and response', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key }, island);
    expect(keyOf('erp', island)).toMatchObject({ state: 'Refused', fault: { reason: 'ActivationMissing' } });
    const made = await island.keys.request({ name: 'erp' });
    if (!made.ok) throw new Error(made.fault.message);
    const answer = await answered(JSON.parse(JSON.stringify(made.request)));
    expect(await island.keys.respond(answer, 'api')).toMatchObject({ ok: true, key: { name: 'erp', state: 'Active' } });
    expect(island.seats()).toEqual({ erp: 50 });
    expect(keyOf('erp', island)).toMatchObject({ source: 'configuration', regenerationsLeft: 3 });
  });

  it('a key is activated by a file beside it', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key }, island);
    const made = await island.keys.request({ key: issued.key });
    if (!made.ok) throw new Error(made.fault.message);
    const { activation } = await answered(made.request);
    await island.configure({ erp: issued.key, 'erp.activation': `${activation}\n` });
    await island.keys.refresh();
    expect(keyOf('erp', island).state).toBe('Active');
    expect(island.seats()).toEqual({ erp: 50 });
    expect(await island.files()).toEqual([lic(issued)]);
  });

  it('a rotated key and its activation are checked before anything is switched', async () => {
    const [first, next] = [await authority.issue(), await authority.issue({ seatLimit: 80 })];
    const answerFor = async (key: string, of = island) => {
      const made = await of.keys.request({ key });
      if (!made.ok) throw new Error(made.fault.message);
      return (await answered(made.request)).activation;
    };
    await island.configure({ erp: first.key });
    await island.start();
    await island.configure({ erp: first.key, 'erp.activation': await answerFor(first.key) });
    await island.keys.refresh();
    const activation = await answerFor(next.key);
    const check = (more: { key?: string; activation?: string; product?: string }) =>
      island.keys.check({ key: next.key, activation, ...more });

    expect(await check({ activation: `${activation}\n` })).toEqual({
      usable: true,
      keyId: next.keyId,
      generation: 1,
      product: 'erp',
      seatLimit: 80,
    });
    expect(island.seats()).toEqual({ erp: 50 });
    expect(await island.files()).toEqual([lic(first)]);

    const elsewhere = await aServer();
    await elsewhere.start();
    const foreign = await answerFor((await authority.issue()).key, elsewhere);
    const ended = await authority.issue({ expiresAt: new Date(Date.now() - 86_400_000).toISOString() });
    const reasonOf = async (more: Parameters<typeof check>[0]) => (await check(more)).fault?.reason;
    expect(await reasonOf({ key: 'nonsense' })).toBe('KeyMalformed');
    expect(await reasonOf({ key: first.key })).toBe('ActivationForeign'); // it accompanies another key
    expect(await reasonOf({ activation: foreign })).toBe('ActivationForeign');
    expect(await reasonOf({ activation: `${activation.slice(0, -4)}AAAA` })).toBe('ActivationDamaged');
    expect(await reasonOf({ activation: 'x'.repeat(20_000) })).toBe('ActivationDamaged');
    expect(await reasonOf({ product: 'zup' })).toBe('KeyWrongProduct');
    expect(await reasonOf({ key: ended.key, activation: await answerFor(ended.key) })).toBe('ActivationExpired');
    const { kid } = (await authority.call('POST', '/v1/signing-keys')).body as { kid: string };
    const others = authority.signingKeys.jwks().keys.filter((k) => k.kid === kid);
    await island.trust({ keys: others });
    expect(await reasonOf({})).toBe('ActivationUntrusted'); // by the trusted keys as they are at this moment
  });

  it('an answer for another computer or another key is refused', async () => {
    const [mine, foreign] = [await authority.issue(), await authority.issue()];
    const elsewhere = await aServer();
    await startWith({ erp: foreign.key }, elsewhere);
    const activation = (await activationFile(elsewhere, foreign.keyId)).trim();
    await startWith({ erp: mine.key, 'erp.activation': activation }, island);
    expect(keyOf('erp', island)).toMatchObject({ state: 'Refused', fault: { reason: 'ActivationForeign' } });
    expect(await island.keys.respond({ activation }, 'web')).toMatchObject({
      ok: false,
      fault: { reason: 'ActivationForeign' },
    });
    expect(await island.keys.request({ name: 'nothing' })).toMatchObject({
      ok: false,
      fault: { reason: 'KeyUnknown' },
    });
  });

  it('an old answer does not take the place of a newer one', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key }, island);
    const made = await island.keys.request({ name: 'erp' });
    if (!made.ok) throw new Error(made.fault.message);
    const [older, newer] = [await answered(made.request), await answered(made.request)];
    expect(await island.keys.respond(newer, 'api')).toMatchObject({ ok: true });
    expect(await island.keys.respond(older, 'api')).toMatchObject({ ok: false });
  });
});

describe('activating again', () => {
  it('happens once per id and brings what the vendor has corrected; the old file serves until then', async () => {
    const issued = await authority.issue({ organisation: 'Romaska', supportUntil: '2027-01-01T00:00:00Z' });
    await startWith({ erp: issued.key });
    await server.stop();
    await authority.call('PATCH', `/v1/licences/${issued.licenceId}`, {
      organisation: 'Romashka',
      supportUntil: '2029-01-01T00:00:00Z',
    });
    const sequence = async () => readActivation((await activationFile(server, issued.keyId)).trim())?.sequence;
    await authority.shut();
    try {
      await server.start({ reactivate: 'one' });
      await server.keys.refresh();
      expect(keyOf('erp')).toMatchObject({ state: 'Active', fault: { reason: 'AuthorityUnreachable' } });
      expect(server.seats()).toEqual({ erp: 50 });
    } finally {
      await authority.open();
    }
    await server.stop();
    await server.start({ reactivate: 'one' }); // the first attempt did not succeed: it is still to be done
    await server.keys.refresh();
    expect(server.products).toMatchObject([{ supportUntil: '2029-01-01T00:00:00Z' }]);
    expect(await sequence()).toBe(2);
    await server.stop();
    await server.start({ reactivate: 'one' });
    await server.keys.refresh();
    expect(await sequence()).toBe(2);
    await server.stop();
    await server.start({ reactivate: 'two' });
    await server.keys.refresh();
    expect(await sequence()).toBe(3);
  });
});

describe('the clock', () => {
  const day = 86_400_000;
  it('set back revives nothing and is reported, also over a restart', async () => {
    const issued = await authority.issue({ expiresAt: new Date(Date.now() + 30 * day).toISOString() });
    await startWith({ erp: issued.key });
    server.clock.set(Date.now() + 31 * day);
    await server.keys.refresh();
    expect(server.seats()).toEqual({ erp: 0 });
    expect(keyOf('erp')).toMatchObject({ state: 'Refused', fault: { reason: 'ActivationExpired' } });
    server.clock.set(Date.now());
    await server.stop();
    await server.start();
    expect(server.seats()).toEqual({ erp: 0 });
    expect(Date.parse(server.products[0]?.expiresAt ?? '')).toBeLessThan(Date.now());
    expect(server.keys.status().trouble).toContain('the clock was set back');
    // A clock that was wrong by accident is believed again once the authority confirms it.
    await server.keys.install(issued.key, 'web');
    expect(server.keys.status().trouble).toBeUndefined();
    expect(server.seats()).toEqual({ erp: 50 });
  });

  it('set back or forward a year loses no seat of a perpetual key', async () => {
    const issued = await authority.issue();
    await startWith({ erp: issued.key });
    for (const at of [365, -365, 0]) {
      server.clock.set(Date.now() + at * day);
      await server.keys.refresh();
      expect(server.seats()).toEqual({ erp: 50 });
    }
  });

  it('that is wrong by more than the authority accepts is named', async () => {
    const issued = await authority.issue();
    server.clock.set(Date.now() - 2 * 3_600_000);
    await startWith({ erp: issued.key });
    expect(keyOf('erp').fault).toMatchObject({ reason: 'ProofInvalid', message: expect.stringContaining('clock') });
  });
});

it('a copied data directory shows when both go on', async () => {
  const issued = await authority.issue();
  await startWith({ erp: issued.key });
  await server.stop();
  const copy = await aServer();
  await cp(server.dataDir, copy.dataDir, { recursive: true });
  await copy.configure({ erp: issued.key });
  const activateAgain = async (of: KeysServer, reactivate: string) => {
    await of.start({ reactivate });
    await of.keys.refresh();
    const counted = await of.metrics.registry.metrics();
    await of.stop();
    expect(of.log.includes('suspects a copy')).toBe(counted.includes('licence_activation_clones_suspected_total 1'));
    return of.log.includes('suspects a copy');
  };
  expect(await activateAgain(server, 'one')).toBe(false);
  expect(await activateAgain(server, 'two')).toBe(false);
  expect(await activateAgain(copy, 'one')).toBe(true);
});

/** One at a time, as the database has it for servers that share it. */
function turnstile() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(work: () => Promise<T>): Promise<T> => {
    const run = last.then(work, work);
    last = run.catch(() => {});
    return run;
  };
}

it('a replica that has read the folder before another one installed a key does not take its seats away', async () => {
  const issued = await authority.issue({ seatLimit: 7 });
  await server.configure({ erp: issued.key });
  const twin = await aServer();
  const exclusively = turnstile();
  let limits: Record<string, number> = {};
  const ledger = (claim: () => Promise<undefined>) => ({
    exclusively,
    setEntitlements: ((given, again) => {
      const set = async () => {
        const products = again === undefined ? given : await again();
        limits = Object.fromEntries(products.map((p) => [p.product, p.seatLimit]));
      };
      return again === undefined ? set() : exclusively(set);
    }) satisfies SetEntitlements,
    owner: {
      claim,
      holds: async (products: readonly ProductEntitlement[]) =>
        isDeepStrictEqual(Object.fromEntries(products.map((p) => [p.product, p.seatLimit])), limits),
    },
  });
  await server.start(ledger(async () => undefined));
  const identity = await loadIdentity({ dataDir: server.dataDir });
  // the twin asks whose the ledger is after it has read, and is slow about it
  const asks = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<undefined>();
  let claims = 0;
  const slow = () => {
    claims += 1;
    if (claims !== 2) return Promise.resolve(undefined); // the first one is of the start
    asks.resolve();
    return answer.promise;
  };
  const starting = twin.start({ ...ledger(slow), dataDir: server.dataDir, keysDir: server.keysDir, identity });
  await asks.promise;
  await server.keys.refresh();
  expect(limits).toEqual({ erp: 7 });
  answer.resolve(undefined);
  await starting;
  await twin.stop();
  expect(limits).toEqual({ erp: 7 });
});

it('replicas on one folder activate a key once between them', async () => {
  const issued = await authority.issue();
  await server.configure({ erp: issued.key });
  const twin = await aServer();
  const exclusively = turnstile();
  await server.start({ exclusively });
  const identity = await loadIdentity({ dataDir: server.dataDir });
  await twin.start({ exclusively, dataDir: server.dataDir, keysDir: server.keysDir, identity });
  await Promise.all([server.keys.refresh(), twin.keys.refresh()]);
  // the one that left it to the other sees what came of it
  await Promise.all([server.keys.refresh(), twin.keys.refresh()]);
  expect([server.seats(), twin.seats()]).toEqual([{ erp: 50 }, { erp: 50 }]);
  await twin.stop();
  expect(readActivation((await activationFile(server, issued.keyId)).trim())?.sequence).toBe(1);
});

it('a keys directory that is not there is refused at the start with its path', async () => {
  await rm(server.keysDir, { recursive: true });
  await expect(server.start()).rejects.toThrow(server.keysDir);
});

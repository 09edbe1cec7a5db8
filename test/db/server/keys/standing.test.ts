import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ActivationResponse } from '../../../../licence/authorityWire.ts';
import { writeDurably } from '../../../../server/keys/durableFile.ts';
import { openLicenceFolder } from '../../../../server/keys/licenceFolder.ts';
import { startAuthority, type TestAuthority } from '../../../support/authority.ts';
import { activationFile, createKeysServer, type KeysServer } from '../../../support/keysServer.ts';

// What fails beside the keys: an authority that hangs, a folder that cannot be read or written. Nothing holds up anything else.

let authority: TestAuthority;
let gate: Server;
let gateUrl: string;
let onRequest: RequestListener;
let asked = 0;
let server: KeysServer;

const through: RequestListener = async (request, response) => {
  const payload = JSON.parse(await text(request));
  const { status, body } = await authority.call<ActivationResponse>('POST', request.url ?? '', payload, '');
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
const hanging: RequestListener = () => {};

beforeAll(async () => {
  authority = await startAuthority();
  gate = createServer((request, response) => {
    asked += 1;
    onRequest(request, response);
  });
  await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
  gateUrl = `http://127.0.0.1:${(gate.address() as AddressInfo).port}`;
});
afterAll(async () => {
  gate.closeAllConnections();
  gate.close();
  await authority.end();
});
beforeEach(async () => {
  onRequest = through;
  server = await createKeysServer(gateUrl);
  await server.trust(authority.signingKeys.jwks());
});
afterEach(() => server.end());

const keyOf = (name: string) => server.keys.status().keys.find((k) => k.name === name);
const licences = () => join(server.dataDir, 'Licence');
const until = async (what: string, check: () => boolean | Promise<boolean>) => {
  for (const end = Date.now() + 20_000; !(await check()); ) {
    if (Date.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

describe('an authority that accepts and never answers', () => {
  it('holds up neither checks, nor requests, nor other keys', async () => {
    const [serving, ...others] = await Promise.all(Array.from({ length: 6 }, () => authority.issue()));
    if (serving === undefined) throw new Error('not issued');
    await server.configure({ serving: serving.key });
    await server.start();
    await server.keys.refresh();
    onRequest = hanging;
    const before = asked;
    await server.configure({ serving: serving.key, ...Object.fromEntries(others.map((o, n) => [`k${n}`, o.key])) });
    await server.clock.advance(5_000);
    await until('all five are asked about', () => asked === before + others.length);

    const started = performance.now();
    expect(await server.keys.check({ key: 'AAAAA-AAAAA' })).toMatchObject({
      usable: false,
      fault: { reason: 'KeyMalformed' },
    });
    expect(await server.keys.request({ name: 'k0' })).toMatchObject({ ok: true });
    expect(await server.keys.remove('000000000000')).toBe('unknown');
    const answer = { activation: (await activationFile(server, serving.keyId)).trim() };
    expect(await server.keys.respond(answer, 'web')).toMatchObject({ ok: true });
    expect(performance.now() - started).toBeLessThan(1_500); // each call of the authority takes two seconds here
    expect(keyOf('k0')?.state).toBe('Pending');
  });

  it('does not keep what another key needs from being asked', async () => {
    const [slow, quick] = [await authority.issue(), await authority.issue({ product: 'zup', seatLimit: 4 })];
    onRequest = hanging;
    await server.configure({ a: slow.key });
    await server.start();
    await server.clock.advance(0);
    await until('the first is asked about', () => server.log !== '' && asked > 0);
    onRequest = through;
    await server.configure({ a: slow.key, b: quick.key });
    await server.clock.advance(5_000);
    await until('the second serves', async () => {
      await server.clock.advance(1_000);
      return server.seats().zup === 4;
    });
  });
});

// The superuser may do everything whatever the rights: another thing has to be in the way.
const blockWrites = async (path: string) => {
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'in the way'), '');
};

describe('an activation that cannot be written', () => {
  it('is asked for once, kept, and written when that is possible; it waits longer each time, and others serve', async () => {
    const [stuck, fine] = [await authority.issue(), await authority.issue({ product: 'zup', seatLimit: 4 })];
    await server.configure({ stuck: stuck.key, fine: fine.key });
    await mkdir(licences(), { recursive: true });
    await blockWrites(join(licences(), `${stuck.keyId}.lic`));
    const before = asked;
    await server.start();
    await server.keys.refresh();
    for (let n = 0; n < 12; n++) {
      await server.clock.advance(5_000);
      await server.keys.refresh();
    }
    expect(asked - before).toBe(2); // one for each key
    expect(server.seats()).toEqual({ zup: 4 });
    expect(keyOf('stuck')).toMatchObject({ state: 'Pending', fault: { reason: 'ActivationUnwritable' } });
    const pauses = [...server.log.matchAll(/"reason":"ActivationUnwritable".*?"waitMs":([\d.]+)/g)].map(([, ms]) =>
      Number(ms),
    );
    expect(pauses.length).toBeLessThan(7);
    expect(pauses.at(-1)).toBeGreaterThan(10_000);

    await rm(join(licences(), `${stuck.keyId}.lic`), { recursive: true });
    server.clock.freeze(600_000);
    await server.keys.refresh();
    expect(server.seats()).toEqual({ erp: 50, zup: 4 });
    expect(asked - before).toBe(2);
    expect(keyOf('stuck')?.fault).toBeUndefined();
  });

  it('is a fault with its reason for whoever installs it by hand', async () => {
    const issued = await authority.issue();
    await server.start();
    await blockWrites(join(licences(), `${issued.keyId}.lic`));
    expect(await server.keys.install(issued.key, 'web')).toMatchObject({
      ok: false,
      fault: { reason: 'ActivationUnwritable', message: expect.stringContaining(licences()) },
    });
  });
});

describe('an activation file that cannot be read', () => {
  it('serves on with what it held, and that is said', async () => {
    const issued = await authority.issue();
    await server.configure({ erp: issued.key });
    await server.start();
    await server.keys.refresh();
    const path = join(licences(), `${issued.keyId}.lic`);
    const before = asked;
    await rename(path, `${path}.away`);
    await mkdir(path); // EISDIR, as good as EIO or ESTALE
    await server.keys.refresh();
    expect(server.seats()).toEqual({ erp: 50 });
    expect(keyOf('erp')?.state).toBe('Active');
    expect(server.keys.status().trouble).toContain(path);
    expect(asked).toBe(before);
    await rm(path, { recursive: true });
    await rename(`${path}.away`, path);
    await server.keys.refresh();
    expect(server.keys.status().trouble).toBeUndefined();
  });

  it('at the start is not called damaged', async () => {
    await mkdir(join(licences(), '000000000000.lic'), { recursive: true });
    await server.start();
    expect(server.keys.status().keys).toMatchObject([{ state: 'Refused', fault: { reason: 'ActivationUnreadable' } }]);
  });
});

describe('an answer that is older than one that was installed', () => {
  const respond = (activation: string) => server.keys.respond({ activation }, 'web');

  it('is refused as such, also after the key was removed', async () => {
    const issued = await authority.issue();
    await server.start();
    expect(await server.keys.install(issued.key, 'web')).toMatchObject({ ok: true });
    const old = (await activationFile(server, issued.keyId)).trim();
    expect(await server.keys.install(issued.key, 'web')).toMatchObject({ ok: true });
    const newer = (await activationFile(server, issued.keyId)).trim();
    expect(await respond(old)).toMatchObject({ ok: false, fault: { reason: 'ActivationOutdated' } });
    expect(await server.keys.remove(issued.keyId)).toBe('removed');
    expect(await respond(old)).toMatchObject({ ok: false, fault: { reason: 'ActivationOutdated' } });
    expect(await respond(newer)).toMatchObject({ ok: true });
  });

  it('is refused beside its key in the configuration, too', async () => {
    const issued = await authority.issue();
    await server.start();
    await server.keys.install(issued.key, 'web');
    const old = (await activationFile(server, issued.keyId)).trim();
    await server.keys.install(issued.key, 'web');
    await server.keys.remove(issued.keyId);
    await server.configure({ erp: issued.key, 'erp.activation': old });
    await server.keys.refresh();
    expect(keyOf('erp')).toMatchObject({ state: 'Refused', fault: { reason: 'ActivationOutdated' } });
    expect(server.seats()).toEqual({});
  });
});

describe('the temporary files of a folder that several servers share', () => {
  it('are left alone while they are young: somebody is writing them', async () => {
    await openLicenceFolder(server.dataDir);
    const [young, old] = ['.0123456789ab.tmp', '.ba9876543210.tmp'].map((name) => join(licences(), name));
    for (const path of [young, old]) await writeFile(path ?? '', '');
    const hourAgo = new Date(Date.now() - 3_600_000);
    await utimes(old ?? '', hourAgo, hourAgo);
    await openLicenceFolder(server.dataDir);
    await expect(stat(young ?? '')).resolves.toBeDefined();
    await expect(stat(old ?? '')).rejects.toThrow('ENOENT');
  });

  it('are no reason for a write to fail while others open the folder', async () => {
    await openLicenceFolder(server.dataDir);
    const path = join(licences(), '000000000000.lic');
    let writing = true;
    const opening = (async () => {
      while (writing) await openLicenceFolder(server.dataDir);
    })();
    try {
      for (let n = 0; n < 150; n++) await writeDurably(path, `${n}\n`);
    } finally {
      writing = false;
      await opening;
    }
    expect(await readFile(path, 'utf8')).toBe('149\n');
  });
});

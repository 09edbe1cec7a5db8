import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LicenceClient } from '../../../client/licenceClient.ts';
import { chromiumOrSkip, launchBrowser, openTab } from '../../support/browser.ts';
import { buildPage } from '../../support/buildPage.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { type Computer, createComputer, ServerProcess } from './support/serverProcess.ts';

const chromium = await chromiumOrSkip();
const prefix = '/licences';
let computer: Computer;
let database: TestDatabase;
let server: ServerProcess;
let browser: Browser | undefined;
const proxies: Server[] = [];

beforeAll(async () => {
  await buildPage('web');
  database = await createTestDatabase(ledgerTemplate);
  computer = await createComputer(5);
  const tokens = join(computer.dataDir, 'own-tokens');
  mkdirSync(tokens);
  for (const role of ['client', 'admin', 'metrics'])
    writeFileSync(join(tokens, role), `the-${role}-token-of-this-test`);
  server = await ServerProcess.start({
    ...computer.env,
    DATABASE_URL: database.url,
    LICENCE_ACCESS: 'token',
    LICENCE_TOKENS_DIR: tokens,
    LICENCE_TRUSTED_PROXIES: '127.0.0.0/8',
    LICENCE_KEEP_ALIVE_SECONDS: '95',
    LICENCE_PATH_PREFIX: prefix,
  });
  if (chromium !== undefined) browser = await launchBrowser(chromium);
}, 120_000);
afterAll(async () => {
  await browser?.close();
  for (const proxy of proxies) proxy.closeAllConnections();
  await Promise.all(proxies.map((proxy) => new Promise((resolve) => proxy.close(resolve))));
  await server?.stop();
  await database?.drop();
  computer?.remove();
});

/** A reverse proxy before the server that takes only what is below the prefix. */
async function proxyTo(isStripping: boolean, client = '203.0.113.1'): Promise<string> {
  const { hostname, port } = new URL(server.address);
  const proxy = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '';
    if (path.split('?')[0] !== prefix && !path.startsWith(`${prefix}/`))
      return outgoing.writeHead(404).end('not for the server');
    const onward = isStripping ? path.slice(prefix.length) || '/' : path;
    const headers = { ...incoming.headers, 'x-forwarded-for': client };
    const asked = request({ hostname, port, method: incoming.method, path: onward, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    asked.on('error', () => outgoing.destroy());
    return incoming.pipe(asked);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  proxies.push(proxy);
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${prefix}`;
}

describe.for([
  ['leaves the path prefix', false],
  ['takes the path prefix away', true],
] as const)('behind a reverse proxy that %s', ([, isStripping]) => {
  it('the page and what it consists of are found', async () => {
    const outside = await proxyTo(isStripping);
    if (!isStripping) {
      const led = await fetch(`${outside}?a=b`, { redirect: 'manual' });
      expect([led.status, led.headers.get('location')]).toEqual([308, `${prefix}/?a=b`]);
    }
    const page = await fetch(`${outside}/`);
    expect(page.status).toBe(200);
    const parts = [...(await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, part]) => part ?? '');
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) expect((await fetch(new URL(part, `${outside}/`))).status, part).toBe(200);
  });

  it.skipIf(chromium === undefined)('the page shows what the server says', async () => {
    const outside = await proxyTo(isStripping);
    const { page, complaints } = await openTab(browser as Browser, `${outside}/#token=the-admin-token-of-this-test`);
    await page.getByText('erp').first().waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('a client takes a seat and gives it back', async () => {
    const client = new LicenceClient({ url: await proxyTo(isStripping), token: 'the-client-token-of-this-test' });
    const lease = await client.checkOut({
      product: 'erp',
      mode: 'leased',
      holder: { base: 'b', user: 'anna', host: 'h' },
    });
    expect(lease.leaseId).toMatch(/^[0-9a-f-]{36}$/);
    await client.release(lease.leaseId);
  });
});

it('guesses are counted by the client that the proxy names, not by the proxy', async () => {
  const [one, other] = [await proxyTo(false, '203.0.113.7'), await proxyTo(false, '203.0.113.8')];
  const guess = async (outside: string) =>
    (await fetch(`${outside}/v1/status`, { headers: { authorization: 'Bearer wrong' } })).status;
  const answers: number[] = [];
  while (answers.length < 60 && !answers.includes(429)) answers.push(await guess(one));
  expect(answers).toContain(429);
  expect(await guess(other)).toBe(401);
});

it('an idle connection is kept as long as the setting says', async () => {
  const { headers } = await fetch(`${server.address}/healthz/live`);
  expect(headers.get('keep-alive')).toBe('timeout=95');
});

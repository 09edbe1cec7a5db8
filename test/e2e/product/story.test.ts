import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleObjects, vendorNamespace } from '../../../demo/product.ts';
import { reachEmbedded } from '../../../demo/reach.ts';
import type { IssuedKey } from '../../../licence/authorityWire.ts';
import { momentOf } from '../../../licence/moment.ts';
import { chromiumOrSkip, launchBrowser, openTab } from '../../support/browser.ts';
import { aPassword } from '../../support/cabinet.ts';
import { licenceCommand } from '../../support/licenceCommand.ts';
import { eventually, type Product, type TestServer, testServer, useProduct } from '../../support/product.ts';

// From the first invitation to a renewed licence, with what people have at hand: the cabinet and the server's page in a browser,
// `kubectl licence`, and programs that hold seats all the while. Two namespaces stand for two clusters: a computer is an identity,
// and each has its own.

const chromium = await chromiumOrSkip();
const organisation = 'Romashka Ltd';
const name = 'office';
const [here, there] = ['e2e-story', 'e2e-story-new'] as const;
const inEnglish = { locale: 'en-GB', timezoneId: 'UTC' };

describe.skipIf(chromium === undefined)('a licence, from the invitation to the extension', () => {
  let product: Product;
  let browser: Browser;
  let cabinet: Page;
  let first: IssuedKey;
  /** What was regenerated for the new cluster. */
  let moved: string;
  let old: TestServer;
  let now: TestServer;
  beforeAll(async () => {
    [product, browser] = await Promise.all([useProduct(), launchBrowser(chromium ?? '')]);
  });
  afterAll(async () => {
    await browser?.close();
    for (const namespace of [here, there]) {
      await product.kubectl(['-n', namespace, 'delete', 'lics', name, '--ignore-not-found', '--wait=false']);
    }
  });

  const licence = (namespace: string, args: readonly string[], input?: string) =>
    licenceCommand(product.cluster.kubeconfig, ['-n', namespace, ...args], input === undefined ? {} : { input });
  const rotate = (namespace: string, key: string) =>
    licence(namespace, ['rotate', name, 'erp', '--from-file', '-'], `${key}\n`);
  /** A LicenceServer that names a Secret which is not there yet. */
  const installServer = async (namespace: string): Promise<TestServer> => {
    const objects = await sampleObjects({ namespace, name, vendor: product.vendor, key: '' });
    await product.kubectl.apply(objects.filter((object) => (object as { kind: string }).kind !== 'Secret'));
    return testServer(product, { namespace, name, key: first });
  };
  const card = () => cabinet.getByRole('article', { name: /erp/ });
  const dialog = (page: Page) => page.getByRole('dialog');
  const newKey = async (action: string): Promise<string> => {
    await card().getByRole('button', { name: action }).click();
    await dialog(cabinet).getByRole('button', { name: action }).click();
    const key = await dialog(cabinet).locator('code').textContent();
    await dialog(cabinet).getByRole('button', { name: 'I have kept it' }).click();
    return key ?? '';
  };
  const says = (page: () => Promise<string | null>, text: string | RegExp) =>
    expect.poll(page, { timeout: 30_000 }).toMatch(text);

  // Programs, each with its seat; whoever moves takes a seat there before the one here is given back.
  const programs = ['anna', 'boris', 'vera'];
  const seats = new Map<string, { readonly server: TestServer; readonly leaseId: string }>();
  const takeSeats = async (server: TestServer) => {
    for (const user of programs) {
      const { status, body } = await server.checkOut(user, 'leased');
      expect(status, JSON.stringify(body)).toBe(201);
      const before = seats.get(user);
      if (before !== undefined) await before.server.call('client', 'DELETE', `/v1/leases/${before.leaseId}`);
      seats.set(user, { server, leaseId: body.leaseId });
    }
  };
  /** Every program still has the seat that it has had: by its heartbeat, and when it asks again. Answers what it is told of the support. */
  const askAgain = () =>
    Promise.all(
      [...seats].map(async ([user, { server, leaseId }]) => {
        const beat = await server.call('client', 'POST', `/v1/leases/${leaseId}/heartbeat`);
        const again = await server.checkOut(user, 'leased');
        expect({ user, beat: beat.status, status: again.status, leaseId: again.body.leaseId }).toEqual({
          user,
          beat: 200,
          status: 200,
          leaseId,
        });
        return again.body.support as { state: string; until?: string };
      }),
    );

  it('the vendor invites the customer, who comes in by the link and sees no licence yet', async () => {
    const { token } = await product.vendor.invite({ email: 'anna@romashka.example', organisation });
    const address = await reachEmbedded(product.cluster, product.kubectl)(vendorNamespace, 'licence-authority', 8080);
    ({ page: cabinet } = await openTab(browser, `${address}/#/invitation/${token}`, inEnglish));
    await cabinet.getByLabel('Your name').fill('Anna');
    await cabinet.getByLabel('New password').fill(aPassword);
    await cabinet.getByRole('button', { name: 'Come in' }).click();
    await cabinet.getByRole('heading', { name: 'Activation keys' }).waitFor();
    expect(await card().count()).toBe(0);
  });

  it('the vendor issues a licence, whose support ends soon', async () => {
    const supportUntil = momentOf(Date.now() + 60_000);
    first = await product.vendor.issue({ organisation, product: 'erp', seatLimit: 5, supportUntil });
    await cabinet.reload();
    await card().getByText('Not activated yet').waitFor();
  });

  it('the key goes into its Secret, is proven, and programs take seats', async () => {
    old = await installServer(here);
    const { status, err } = await rotate(here, first.key);
    expect(err).toMatch(/proven: key erp is .*, active, generation 1/);
    expect(status).toBe(0);
    await takeSeats(old);
    await cabinet.reload();
    await card().getByText('Activated', { exact: true }).waitFor();
  });

  it('on another cluster the key is refused, and a regenerated one is taken', async () => {
    now = await installServer(there);
    const refused = await rotate(there, first.key);
    expect(refused.err).toMatch(/not proven, and there is no key to go back to: .*another computer/);
    expect(refused.err).toMatch(/→ make a new key for this computer/);
    expect(refused.status).toBe(2);

    moved = await newKey('Regenerate');
    await says(() => card().textContent(), '2 of 3');
    await askAgain(); // the old one goes on until people have moved
    const rotated = await rotate(there, moved);
    expect(rotated.err).toMatch(/proven: key erp is .*, active, generation 2/);
    await takeSeats(now);
    await askAgain();
  });

  it('the old cluster can never activate its key again', async () => {
    const folder = '/var/Softonit/Licence Server/Licence';
    await product.kubectl(['-n', here, 'exec', `deploy/${name}`, '--', 'sh', '-c', `rm "${folder}"/*.lic`]);
    const [key] = await eventually('its key refused', 60_000, async () => {
      const { keys } = await old.status();
      return keys[0]?.state === 'Refused' && keys;
    });
    expect(key?.fault).toMatchObject({ reason: 'KeySuperseded', message: expect.stringContaining('generation 2') });
    expect((await old.checkOut('late', 'leased')).status).toBe(409);
    await askAgain();
  });

  it('a reinstallation on the same computer counts nothing, and nobody loses a seat', async () => {
    const { err, status } = await licence(there, ['reactivate', name, '--yes']);
    expect(err).toMatch(/every key has a new activation/);
    expect(status).toBe(0);
    await askAgain();
    await cabinet.reload();
    await says(() => card().textContent(), '2 of 3');
  });

  it('a fourth key within the month is refused, with the day when there are new ones', async () => {
    await newKey('Regenerate');
    await newKey('Regenerate');
    await says(() => card().textContent(), /0 of 3, the next ones free up on 1 \w+ \d{4}/);
    await card().getByRole('button', { name: 'Regenerate' }).click();
    await dialog(cabinet).getByRole('button', { name: 'Regenerate' }).click();
    await says(() => dialog(cabinet).getByRole('alert').textContent(), 'Three new keys were made this month');
    await dialog(cabinet).getByRole('button', { name: 'Cancel' }).click();
    await askAgain(); // what runs is not touched by keys that nobody has installed
  });

  it('the support ends, and programs are told when they ask', async () => {
    const told = await eventually('the end of the support', 90_000, async () => {
      const heard = await askAgain();
      return heard.every(({ state }) => state === 'expired') && heard;
    });
    expect(new Set(told.map(({ until }) => until))).toEqual(new Set([first.supportUntil]));
  });

  it('the extension that was paid is taken in the cabinet, and installed on the page of the server', async () => {
    await product.vendor.grantRenewal(first.licenceId, { supportUntil: '2039-05-31T23:59:59Z' });
    await cabinet.reload();
    await says(() => card().textContent(), 'support until 31 May 2039');
    const key = await newKey('Take the extension');

    const address = `${await now.url()}/#token=${await now.token('admin')}`;
    const { page, complaints } = await openTab(browser, address, inEnglish);
    await page.getByRole('link', { name: 'Keys', exact: true }).click();
    await page.getByLabel('Key', { exact: true }).first().fill(key);
    await page.getByRole('button', { name: 'Install', exact: true }).click();
    const answer = page.getByRole('region', { name: 'Install a key' }).getByRole('status');
    await says(() => answer.textContent(), 'installed and active');
    expect(complaints).toEqual([]);
    await page.context().close();
    expect(await askAgain()).toEqual(programs.map(() => ({ state: 'valid', until: '2039-05-31T23:59:59Z' })));
  });

  it('nobody was refused a seat on the way, and nobody lost one', async () => {
    const { status, out } = await licence(there, ['status', name]);
    expect(out.split('\n')[0]).toBe(`${there}/${name} is well`);
    expect(status).toBe(0);
    expect((await now.status()).products).toMatchObject([{ product: 'erp', seatLimit: 5, seatsInUse: 3 }]);
    const held = await licence(there, ['seats', name]);
    for (const user of programs) expect(held.out).toContain(user);
    expect((await now.call('admin', 'GET', '/v1/denials')).body.denials).toEqual([]);
    expect(new Set([...seats.values()].map(({ server }) => server))).toEqual(new Set([now]));
    // the day after, the same cabinet shows where the licence is at home
    await cabinet.reload();
    const { fingerprint } = await now.status();
    await says(() => card().textContent(), fingerprint.slice(0, 17));
  });
});

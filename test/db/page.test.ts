import pg from 'pg';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IssuedKey } from '../../licence/authorityWire.ts';
import { createKey } from '../../licence/key.ts';
import { axeViolations, chromiumOrSkip, launchBrowser, openTab } from '../support/browser.ts';
import { type PageServer, startPageServer } from '../support/pageServer.ts';
import { eventually } from '../support/product.ts';

const chromium = await chromiumOrSkip();
const inEnglish = { locale: 'en-GB', timezoneId: 'UTC' };
const inRussian = { locale: 'ru-RU', timezoneId: 'Europe/Moscow' };

describe.skipIf(chromium === undefined)('the page of the licence server', () => {
  let server: PageServer;
  let browser: Browser;
  let payroll: IssuedKey;
  let staff: IssuedKey;
  beforeAll(async () => {
    [server, browser] = await Promise.all([startPageServer(), launchBrowser(chromium ?? '')]);
    const { authority } = server;
    const erp = await authority.issue({ product: 'erp', seatLimit: 1, supportUntil: '2020-01-01T00:00:00Z' });
    const trade = await authority.issue({ product: 'trade', seatLimit: 10 });
    for (const { key } of [erp, trade]) {
      expect(await server.call('admin', 'POST', '/v1/keys', { key })).toMatchObject({ status: 201 });
    }
    payroll = await authority.issue({ product: 'payroll', seatLimit: 7 });
    staff = await authority.issue({ product: 'staff' });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
  });

  const signedIn = (view = '') => `${server.url}#token=${server.tokens.admin}${view}`;
  const checkOut = async (user: string, more: object = {}) => {
    const holder = { base: 'Бухгалтерия', user, host: `ws-${user}`, session: '' };
    return server.call('client', 'POST', '/v1/checkouts', { product: 'trade', mode: 'sticky', holder, ...more });
  };
  const leaseUsers = async () => {
    const { body } = await server.call('admin', 'GET', '/v1/leases?product=trade');
    return (body as { leases: { holder: { user: string } }[] }).leases.map((l) => l.holder.user);
  };
  const goTo = async (page: Page, view: string) => {
    await page.goto(`${server.url}#/${view}`);
    await page.locator('main h1').waitFor();
  };

  it('is sent to everybody, and says what browsers may do with it', async () => {
    const response = await fetch(server.url);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toContain('max-age=0');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|data:|https?:|\*/);
    const html = await response.text();
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/);
    const [script] = /assets\/[\w-]+\.js/.exec(html) ?? [];
    const asset = await fetch(new URL(script ?? 'missing', server.url));
    expect(asset.headers.get('cache-control')).toContain('immutable');
    for (const path of ['assets/', 'assets/nothing.js', 'assets/..%2findex.html', 'assets/..%2f..%2fpackage.json']) {
      expect((await fetch(new URL(path, server.url))).status, path).toBeGreaterThanOrEqual(400);
    }
  });

  it('takes the token from the address, and leaves none there or in the history', async () => {
    const { page, complaints } = await openTab(browser, signedIn(), inEnglish);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    expect(page.url()).toBe(server.url);
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    expect(complaints).toEqual([]);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }))).not.toContain(
      server.tokens.admin,
    );
    await page.context().close();
  });

  it('goes where the address leads, also when that changes between the first rendering and its picture', async () => {
    const { page, complaints } = await openTab(browser, signedIn(), inEnglish);
    const content = `new MutationObserver((_, observer) => {
      if (document.querySelector('main') === null) return;
      observer.disconnect();
      location.hash = '#/keys';
    }).observe(document, { childList: true, subtree: true });`;
    await page.addInitScript({ content });
    await page.reload();
    await page.getByRole('heading', { name: 'Keys', level: 1 }).waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it.each([
    ['a-wrong-token', 'does not know this token'],
    ['a-token-of-a-client', 'belongs to client programs'],
    ['токен', 'does not know this token'],
  ])('says why a token does not do: %s', async (token, part) => {
    const { page } = await openTab(browser, server.url, inEnglish);
    await page.getByLabel('Token', { exact: true }).fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect.poll(() => page.getByRole('alert').textContent()).toContain(part);
    await page.context().close();
  });

  it('tells a typing error from an unknown key, checks a key without installing it, and installs it', async () => {
    const { page, complaints } = await openTab(browser, signedIn(), inEnglish);
    await page.getByRole('link', { name: 'Keys', exact: true }).click();
    const key = page.getByLabel('Key', { exact: true }).first();
    const answer = page.getByRole('region', { name: 'Install a key' }).getByRole('status');
    const check = page.getByRole('button', { name: 'Check', exact: true });

    await check.click();
    await expect.poll(() => page.getByRole('alert').first().textContent()).toContain('Enter the key');
    await key.fill(`${payroll.key.slice(0, -1)}${payroll.key.endsWith('0') ? '1' : '0'}`);
    await check.click();
    await expect.poll(() => answer.textContent()).toContain('typing error');
    await key.fill(createKey(new Uint8Array(16).fill(77)));
    await check.click();
    await expect.poll(() => answer.textContent()).toContain('does not know this key');
    await key.fill(payroll.key.toLowerCase());
    await check.click();
    await expect.poll(() => answer.textContent()).toContain('can be installed');
    expect(await answer.textContent()).toContain('7 seats');
    expect(JSON.stringify((await server.call('admin', 'GET', '/v1/keys')).body)).not.toContain(payroll.keyId);

    await page.getByRole('button', { name: 'Install', exact: true }).click();
    await expect.poll(() => answer.textContent()).toContain('installed and active');
    const card = page.getByRole('article', { name: `Key ${payroll.keyId}` });
    await card.getByText('Active', { exact: true }).waitFor();
    expect(await card.textContent()).toContain('this page');
    expect(await key.inputValue()).toBe('');
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('activates without a network: a request file out, the authority’s response in', async () => {
    const { page, complaints } = await openTab(browser, signedIn(), inRussian);
    await goTo(page, 'keys');
    await page.getByText('Активация без сети').click();
    const steps = page.getByRole('group').filter({ has: page.getByText('Активация без сети') });
    await steps.getByLabel('Ключ', { exact: true }).fill(staff.key);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      steps.getByRole('button', { name: 'Скачать запрос' }).click(),
    ]);
    const request = JSON.parse(await streamText(await download.createReadStream()));
    const { body: response } = await server.authority.call('POST', '/v1/activations', request, '');

    const file = steps.getByLabel('Файл ответа');
    await file.setInputFiles({ name: 'photo.txt', mimeType: 'text/plain', buffer: Buffer.from('not it') });
    await steps.getByRole('button', { name: 'Загрузить ответ' }).click();
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('Это не ответ');
    await file.setInputFiles({
      name: 'response.json',
      mimeType: 'application/json',
      buffer: Buffer.from(JSON.stringify(response)),
    });
    await steps.getByRole('button', { name: 'Загрузить ответ' }).click();
    await page.getByText(`Ключ ${staff.keyId} установлен и активен.`).waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('shows who holds seats, finds one by its filter and takes it back with a reason', async () => {
    for (const user of ['anna', 'boris', 'vera']) expect(await checkOut(user)).toMatchObject({ status: 201 });
    const { page, complaints } = await openTab(browser, signedIn(), inEnglish);
    await goTo(page, 'seats?product=trade');
    await expect.poll(() => page.getByRole('row').count()).toBeGreaterThanOrEqual(4);
    await page.getByLabel('Search').fill('ORI бухг');
    await expect.poll(() => page.getByRole('row').count()).toBe(2);
    expect(new URLSearchParams(page.url().split('?')[1]).get('search')).toBe('ORI бухг');

    await page.getByRole('button', { name: /^Release the seat of boris/ }).click();
    const dialog = page.getByRole('dialog', { name: 'Release the seat' });
    await dialog.getByRole('button', { name: 'Release' }).click();
    await expect.poll(() => dialog.getByRole('alert').textContent()).toContain('Write a reason');
    expect(await axeViolations(page)).toEqual([]);
    await dialog.getByLabel('Reason').fill('the computer was switched off');
    await dialog.getByRole('button', { name: 'Release' }).click();
    await page.getByText('is free.').waitFor();
    await page.getByText('No seat fits the filter.').waitFor();
    const users = await leaseUsers();
    expect(users).toEqual(expect.arrayContaining(['anna', 'vera']));
    expect(users).not.toContain('boris');
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('sorts seats, shows them a row a person, and leads from a person to the seats', async () => {
    for (const user of ['anna', 'zoya']) {
      for (const host of ['a-1', 'a-2'])
        expect(await checkOut(user, { holder: { base: 'Склад', user, host, session: '' } })).toMatchObject({
          status: 201,
        });
    }
    const { page, complaints } = await openTab(browser, signedIn(), inEnglish);
    await goTo(page, 'seats?product=trade');
    const names = () => page.locator('tbody th').allTextContents();
    await page.getByRole('button', { name: 'User' }).click();
    await expect.poll(names).toEqual((await names()).toSorted());
    expect(page.url()).toContain('sort=user');
    await page.getByRole('button', { name: /^User/ }).click();
    await expect.poll(async () => (await names())[0]).toBe('zoya');
    expect(await page.getByRole('columnheader', { name: /^User/ }).getAttribute('aria-sort')).toBe('descending');
    expect(await axeViolations(page)).toEqual([]);

    await page.getByLabel('One row a').selectOption('person');
    const anna = page.getByRole('row').filter({ hasText: 'anna' });
    await expect.poll(() => anna.count()).toBe(1);
    expect(await anna.textContent()).toContain('several');
    expect(await axeViolations(page)).toEqual([]);
    await anna.getByRole('link').click();
    await expect.poll(async () => new Set(await names())).toEqual(new Set(['anna']));
    expect(page.url()).toContain('user=anna');
    await page.getByRole('link', { name: /User: anna/ }).click();
    await expect.poll(async () => (await names()).includes('zoya')).toBe(true);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('tells what changed since yesterday', async () => {
    const { page } = await openTab(browser, signedIn(), inEnglish);
    const section = page.getByRole('region', { name: 'Since yesterday' });
    await expect.poll(() => section.textContent()).toContain('The server was started');
    expect(await section.textContent()).toContain('was activated');
    expect(await section.textContent()).toContain('the computer was switched off');
    await page.context().close();
  });

  it('can be used by keyboard alone: to the seats, into the dialog, out with Escape or Cancel, the focus back where it was', async () => {
    expect(await checkOut('dina')).toMatchObject({ status: 201 });
    const { page } = await openTab(browser, signedIn(), inEnglish);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    const focused = () => page.evaluate<string>(`document.activeElement?.textContent ?? ''`);
    const tabTo = async (name: RegExp) => {
      for (let i = 0; i < 60; i++) {
        await page.keyboard.press('Tab');
        if (name.test(await focused())) return;
      }
      throw new Error(`the Tab key does not reach ${name}`);
    };
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to content');
    await tabTo(/^Seats$/);
    await page.keyboard.press('Enter');
    await expect.poll(focused).toBe('Seats');
    await page.getByRole('row').nth(1).waitFor();
    await tabTo(/^Release$/);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    await expect.poll(focused).toBe('Release');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await tabTo(/^Cancel$/);
    await page.keyboard.press('Enter');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    await expect.poll(focused).toBe('Release');
    await page.context().close();
  });

  it('lists the refused check-outs with their reasons', async () => {
    await checkOut('anna', { product: 'erp' });
    expect(await checkOut('galina', { product: 'erp' })).toMatchObject({ status: 409 });
    const { page, complaints } = await openTab(browser, signedIn(), inRussian);
    await goTo(page, 'denials');
    const row = page.getByRole('row').filter({ hasText: 'galina' });
    await eventually('the denial is shown', 20_000, async () => {
      if ((await row.count()) > 0) return true;
      await page.reload();
      await page.locator('main h1').waitFor();
      await row.waitFor({ timeout: 5_000 });
      return true;
    });
    expect(await row.textContent()).toContain('Все места заняты');
    await row.getByRole('button', { name: 'Почему?' }).click();
    const dialog = page.getByRole('dialog');
    await expect.poll(() => dialog.textContent()).toContain('Нет. Все места заняты.');
    expect(await dialog.getByRole('listitem').allTextContents()).toEqual([
      expect.stringContaining('Лицензия ключ действует'),
      expect.stringMatching(/Места заняты все 1\s*решает/),
      expect.stringContaining('anna @ ws-anna, Бухгалтерия'),
    ]);
    expect(await axeViolations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await expect.poll(() => dialog.count()).toBe(0);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('plays the last days with another number of seats, by a slider', async () => {
    const sql = new pg.Client({ connectionString: server.databaseUrl });
    await sql.connect();
    // yesterday twelve at once, of a licence of ten seats
    await sql.query(
      `INSERT INTO event SELECT date_trunc('day', now(), 'UTC') - interval '1 day' + h * interval '1 h' + n * interval '1 s', pool_id, c::"char", gen_random_uuid(),
              concat_ws(chr(31), 'b', 'u' || n, 'h', '') FROM pool, generate_series(1, 12) n, (VALUES (9, 'G'), (17, 'X')) x(h, c) WHERE product = 'trade'`,
    );
    await sql.end();
    const { page, complaints } = await openTab(browser, signedIn(), inEnglish);
    await goTo(page, 'whatIf?product=trade');
    const says = page.locator('main .notice');
    await expect.poll(() => says.textContent(), { timeout: 60_000 }).toContain('with 12 nobody would have waited');
    const slider = page.getByRole('slider');
    await slider.fill('12');
    await expect.poll(() => says.textContent(), { timeout: 60_000 }).toBe('With 12 seats nobody would have waited.');
    expect(await page.getByRole('row', { name: 'Refused' }).getByRole('cell').allTextContents()).toEqual(['2', '0']);
    expect(await axeViolations(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it.each([
    ['English, light', { ...inEnglish, colorScheme: 'light' }],
    ['Russian, dark', { ...inRussian, colorScheme: 'dark' }],
    ['Russian, a phone', { ...inRussian, viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }],
  ] as const)('has no fault of accessibility, breaks no policy and fits the screen: %s', async (_, options) => {
    const { page, complaints } = await openTab(browser, signedIn(), options);
    const look = async (view: string) => {
      expect(await axeViolations(page), view).toEqual([]);
      const overflow = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect(overflow, `${view} is wider than the screen`).toBeLessThanOrEqual(0);
    };
    for (const view of ['overview', 'seats', 'seats?by=person', 'denials', 'whatIf', 'keys', 'about']) {
      await goTo(page, view);
      await page.waitForLoadState('networkidle');
      for (const closed of await page.locator('main details:not([open]) > summary').all()) await closed.click();
      await look(view);
    }
    expect(complaints).toEqual([]);
    await page.getByRole('button', { name: /Sign out|Выйти/ }).click();
    await page.getByLabel(/^(Token|Токен)$/).waitFor();
    await look('sign in');
    await page.context().close();
  });

  it('assigns, moves and takes away seats of named users, from a form and from a file', async () => {
    const { page, complaints } = await openTab(browser, signedIn(), inEnglish);
    await goTo(page, 'overview');
    const link = page.getByRole('link', { name: 'Named users' });
    expect(await link.count()).toBe(0); // no licence is for named users yet
    const { key } = await server.authority.issue({ product: 'cad', seatLimit: 3, assignment: 'named' });
    expect(await server.call('admin', 'POST', '/v1/keys', { key })).toMatchObject({ status: 201 });
    await link.click();
    const cad = page.getByRole('region', { name: 'cad' });
    await cad.getByText('0 of 3 seats assigned').waitFor();
    await cad.getByLabel('Users', { exact: true }).fill('anna, Boris');
    await cad.getByRole('button', { name: 'Assign' }).click();
    await cad.getByRole('row', { name: /^Boris/ }).waitFor();
    // a seat is somebody's for 30 days
    expect(await cad.getByRole('button', { name: 'Move the seat of Boris' }).isDisabled()).toBe(true);
    await cad.getByLabel('Users', { exact: true }).fill('c, d');
    await cad.getByRole('button', { name: 'Assign' }).click();
    await expect.poll(() => cad.getByRole('alert').textContent()).toContain('the licence has 3');

    const database = new pg.Client({ connectionString: server.databaseUrl });
    await database.connect();
    await database.query("UPDATE assignment SET assigned_at = assigned_at - interval '31 days'");
    await database.end();
    await page.reload();
    await cad.getByRole('button', { name: 'Move the seat of Boris' }).click();
    await page.getByLabel('To the user').fill('vera');
    await page.getByRole('dialog').getByRole('button', { name: 'Move' }).click();
    await cad.getByRole('row', { name: /^vera/ }).waitFor();
    expect(await cad.getByRole('row', { name: /^anna/ }).textContent()).toContain('unused');
    expect(await axeViolations(page)).toEqual([]);

    await cad.getByLabel('Take the list from a CSV file').setInputFiles({
      name: 'people.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from('user\nvera\nгалина\n'),
    });
    await page.getByRole('dialog').getByRole('button', { name: 'Replace' }).click();
    await cad.getByRole('row', { name: /^галина/ }).waitFor();
    expect(await cad.getByRole('row', { name: /^anna/ }).count()).toBe(0);
    if (process.env.SCREENSHOTS)
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/named.png`, fullPage: true });
    expect(complaints.filter((c) => !c.includes('409'))).toEqual([]);
    await page.context().close();
  });

  it('costs at most 100 kB over the wire', async () => {
    const context = await browser.newContext(inEnglish);
    const page = await context.newPage();
    const network = await context.newCDPSession(page);
    await network.send('Network.enable');
    let bytes = 0;
    network.on('Network.loadingFinished', (event) => {
      bytes += event.encodedDataLength;
    });
    await page.goto(signedIn());
    await page.getByRole('article', { name: 'trade' }).waitFor();
    await page.waitForLoadState('networkidle');
    expect(bytes).toBeGreaterThan(5_000);
    expect(bytes).toBeLessThanOrEqual(100_000);
    await context.close();
  });
});

async function streamText(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

import { readFile } from 'node:fs/promises';
import { TOTP } from 'otpauth';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createComputer, startAuthority, type TestAuthority } from '../support/authority.ts';
import { axeViolations, chromiumOrSkip, launchBrowser, openTab } from '../support/browser.ts';
import { buildPage } from '../support/buildPage.ts';
import { aPassword, comeIn } from '../support/cabinet.ts';

const chromium = await chromiumOrSkip();
/** Also on a machine that is busy with other things. */
const poll = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: 15_000 });
const inEnglish = { locale: 'en-GB', timezoneId: 'UTC' };
const inRussian = { locale: 'ru-RU', timezoneId: 'Europe/Moscow' };

describe.skipIf(chromium === undefined)('the cabinet', () => {
  let authority: TestAuthority;
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    [browser] = await Promise.all([launchBrowser(chromium ?? ''), buildPage('web/cabinet')]);
    authority = await startAuthority();
    url = `${await authority.open()}/`;
    for (const [email, organisation] of people) await comeIn(authority, email, organisation);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await authority?.end();
  });

  const people = [
    ['boss@vendor.example', undefined],
    ['anna@romashka.example', 'Romashka'],
    ['vera@vasilyok.example', 'Vasilyok'],
  ] as const;
  const invite = async (email: string, organisation: string) => {
    const { body } = await authority.call<{ token: string }>('POST', '/v1/invitations', { email, organisation });
    return `${url}#/invitation/${body.token}`;
  };
  const enter = async (email: string, options: BrowserContextOptions = inEnglish) => {
    const tab = await openTab(browser, url, options);
    await tab.page.locator('input[name=email]').fill(email);
    await tab.page.locator('input[name=password]').fill(aPassword);
    await tab.page.locator('button[type=submit]').click();
    await tab.page.locator('nav').waitFor();
    return tab;
  };
  const goTo = async (page: Page, view: string) => {
    await page.goto(`${url}#/${view}`);
    await page.locator('main h1').waitFor();
    await page.waitForLoadState('networkidle');
  };
  const dialog = (page: Page) => page.getByRole('dialog');

  it('is sent to everybody, and says what browsers may do with it', async () => {
    const response = await fetch(url);
    expect(response.status).toBe(200);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|data:|https?:|\*/);
    expect(await response.text()).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/);
  });

  it('brings somebody in by a link, once; the token never reaches the server’s address line', async () => {
    const link = await invite('olga@romashka.example', 'Romashka');
    const { page, complaints } = await openTab(browser, link, inEnglish);
    await page.getByText('olga@romashka.example is invited to look after the licences of Romashka').waitFor();
    await page.getByLabel('Your name').fill('Olga');
    await page.getByLabel('New password').fill('too short');
    await page.getByRole('button', { name: 'Come in' }).click();
    await poll(() => page.getByRole('alert').textContent()).toContain('too short');
    await page.getByLabel('New password').fill(aPassword);
    await page.getByRole('button', { name: 'Come in' }).click();
    await page.getByRole('heading', { name: 'Activation keys' }).waitFor();
    expect(page.url()).not.toContain('invitation');
    expect(complaints).toEqual([]);
    const cookies = await page.context().cookies();
    expect(cookies).toMatchObject([
      { name: '__Host-licence-session', httpOnly: true, secure: true, sameSite: 'Strict', path: '/', expires: -1 },
    ]);
    await page.context().close();

    const again = await openTab(browser, link, inEnglish);
    await again.page.getByRole('alert').filter({ hasText: 'was used already' }).waitFor();
    await again.page.context().close();
  });

  it('says why somebody is not let in, lets them in, and out again', async () => {
    const { page } = await openTab(browser, url, inEnglish);
    const tryIn = async (password: string) => {
      await page.getByLabel('E-mail').fill('anna@romashka.example');
      await page.getByLabel('Password', { exact: true }).fill(password);
      await page.getByRole('button', { name: 'Sign in' }).click();
    };
    await tryIn('a wrong password');
    await poll(() => page.getByRole('alert').textContent()).toContain('do not belong together');
    await tryIn(aPassword);
    await page.getByRole('heading', { name: 'Activation keys' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Activation keys' }).waitFor();
    expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }))).toBe('{}');
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(await page.context().cookies()).toEqual([]);
    await page.context().close();
  });

  it('tells somebody whose session has ended, and takes them back where they were', async () => {
    const { page } = await enter('anna@romashka.example');
    await authority.pool.query('DELETE FROM session');
    await page.getByRole('link', { name: 'History' }).click();
    await poll(() => page.locator('main').textContent()).toContain('You were signed out');
    await page.getByLabel('E-mail').fill('anna@romashka.example');
    await page.getByLabel('Password', { exact: true }).fill(aPassword);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'History' }).waitFor();
    await page.context().close();
  });

  it('shows a customer where each key is, makes new ones until the month is used up, and says when it begins anew', async () => {
    const issued = await authority.issue({ organisation: 'Vasilyok', product: 'trade', seatLimit: 12 });
    await authority.issue({ organisation: 'Romashka', product: 'hidden' });
    const computer = createComputer();
    await authority.call('POST', '/v1/activations', computer.request(issued.key), '');
    const { page, complaints } = await enter('vera@vasilyok.example');
    const card = page.getByRole('article', { name: /trade/ });
    await card.getByText('Activated', { exact: true }).waitFor();
    const said = await card.textContent();
    expect(said).toContain(computer.fingerprint.slice(0, 17));
    expect(said).toContain('3 of 3');
    expect(await page.locator('main').textContent()).not.toContain('hidden');

    const keys = new Set([issued.key]);
    for (const left of [2, 1, 0]) {
      await card.getByRole('button', { name: /Regenerate/ }).click();
      expect(await dialog(page).textContent()).toContain(`Left this month: ${left + 1}`);
      await dialog(page).getByRole('button', { name: 'Regenerate' }).click();
      const key = await dialog(page).locator('code').textContent();
      expect(key).toMatch(/^([0-9A-Z]{5}-){5}[0-9A-Z]{5}$/);
      keys.add(key ?? '');
      await dialog(page).getByRole('button', { name: 'I have kept it' }).click();
      await poll(() => card.textContent()).toContain(`${left} of 3`);
    }
    expect(keys.size).toBe(4);
    expect(await card.textContent()).toMatch(/the next ones free up on 1 \w+ \d{4}/);
    await card.getByRole('button', { name: /Regenerate/ }).click();
    await dialog(page).getByRole('button', { name: 'Regenerate' }).click();
    await poll(() => dialog(page).getByRole('alert').textContent()).toContain('Three new keys were made this month');
    await dialog(page).getByRole('button', { name: 'Cancel' }).click();
    expect(complaints.filter((c) => !c.includes('409'))).toEqual([]);

    // the new key is at home nowhere yet: the old computer is in the list of earlier ones
    await card.getByText('Not activated yet').waitFor();
    await card.locator('summary').filter({ hasText: '3 earlier keys' }).click();
    expect(await card.locator('.older').textContent()).toContain(computer.fingerprint.slice(0, 17));
    await page.context().close();
  });

  it('lets a customer take an extension, and see both sides of it in the history', async () => {
    const { licenceId } = await authority.issue({ organisation: 'Vasilyok', product: 'longer' });
    await authority.call('POST', `/v1/licences/${licenceId}/renewals`, {
      supportUntil: '2039-05-31T23:59:59Z',
      seatLimit: 60,
    });
    const { page } = await enter('vera@vasilyok.example');
    const card = page.getByRole('article', { name: /longer/ });
    expect(await card.textContent()).toContain('support until 31 May 2039, 60 seats');
    await card.getByRole('button', { name: 'Take the extension' }).click();
    await dialog(page).getByRole('button', { name: 'Take the extension' }).click();
    await dialog(page).getByRole('button', { name: 'I have kept it' }).click();
    await poll(() => card.textContent()).toContain('31 May 2039');
    expect(await card.textContent()).not.toContain('is paid for');
    await card.getByRole('link', { name: 'History' }).click();
    await page.getByRole('row').filter({ hasText: 'Extension taken' }).waitFor();
    expect(await page.getByRole('row').filter({ hasText: 'Extension taken' }).textContent()).toContain(
      'vera@vasilyok.example',
    );
    expect(await page.getByRole('row').filter({ hasText: 'Extension granted' }).textContent()).toContain('vendor');
    await page.context().close();
  });

  it('answers a request file that was pasted or uploaded, and says what is wrong with one', async () => {
    const issued = await authority.issue({ organisation: 'Vasilyok', product: 'far' });
    const foreign = await authority.issue({ organisation: 'Romashka' });
    const { page } = await enter('vera@vasilyok.example');
    await page.getByRole('link', { name: 'Request file' }).click();
    const answer = page.getByRole('button', { name: 'Answer the request' });
    const paste = page.getByLabel('Or paste what is in it');
    await answer.click();
    await poll(() => page.getByRole('alert').textContent()).toContain('Choose the request file');
    await paste.fill('{"key": 1}');
    await answer.click();
    await poll(() => page.getByRole('alert').textContent()).toContain('not a request of a licence server');
    await paste.fill(JSON.stringify(createComputer().request(foreign.key)));
    await answer.click();
    await poll(() => page.getByRole('alert').textContent()).toContain('None of your licences has this key');
    await paste.fill('');
    const request = JSON.stringify(createComputer().request(issued.key));
    await page.locator('input[type=file]').setInputFiles({
      name: 'activation-request.json',
      mimeType: 'application/json',
      buffer: Buffer.from(request),
    });
    await answer.click();
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save the response' }).click();
    const file = await (await saved).path();
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ activation: expect.stringMatching(/^[\w-]+\./) });
    await page.context().close();
  });

  it('takes a second factor on by the app’s code, asks for it at the sign-in, and takes a recovery code once', async () => {
    await comeIn(authority, 'factor@romashka.example', 'Romashka');
    const { page, complaints } = await enter('factor@romashka.example');
    await goTo(page, 'account');
    await page.getByRole('button', { name: 'Turn it on' }).click();
    await page.getByRole('img', { name: 'QR code' }).waitFor();
    const secret = (await page.locator('.copyable code').textContent()) ?? '';
    const codeAt = (ms: number) => new TOTP({ secret }).generate({ timestamp: ms });
    await page.getByLabel('Code', { exact: true }).fill(codeAt(Date.now()));
    await page.getByRole('button', { name: 'Turn it on' }).click();
    await page.getByText('Keep these recovery codes').waitFor();
    const codes = await page.locator('.codes code').allTextContents();
    expect(codes).toHaveLength(10);
    expect(complaints).toEqual([]);
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();

    const signIn = async (code: string) => {
      await page.getByLabel('E-mail').fill('factor@romashka.example');
      await page.getByLabel('Password', { exact: true }).fill(aPassword);
      if ((await page.getByLabel('Code', { exact: true }).count()) === 0) {
        await page.getByRole('button', { name: 'Sign in' }).click();
        await page.getByLabel('Code', { exact: true }).waitFor();
      }
      await page.getByLabel('Code', { exact: true }).fill(code);
      await page.getByRole('button', { name: 'Sign in' }).click();
    };
    await signIn('000000');
    await poll(() => page.getByRole('alert').textContent()).toContain('wrong or was used already');
    await signIn(codes[0] ?? '');
    await page.getByRole('heading', { name: 'Activation keys' }).waitFor();
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await signIn(codes[0] ?? '');
    await poll(() => page.getByRole('alert').textContent()).toContain('wrong or was used already');
    await page.context().close();
  });

  it('lets the vendor invite, issue, correct, prolong, pardon and revoke', async () => {
    const { page, complaints } = await enter('boss@vendor.example');
    await page.getByRole('button', { name: 'Invite somebody', exact: true }).click();
    await dialog(page).getByLabel('Organisation').fill('Lyutik');
    await dialog(page).getByLabel('E-mail').fill('lena@lyutik.example');
    await dialog(page).getByRole('button', { name: 'Make the link' }).click();
    await dialog(page).getByText('Send it to lena@lyutik.example').waitFor();
    expect(await dialog(page).locator('code').textContent()).toMatch(new RegExp(`^${url}#/invitation/[\\w-]{43}$`));
    await dialog(page).getByRole('button', { name: 'I have kept it' }).click();

    await page.getByRole('searchbox').fill('lyut');
    await poll(() => page.getByRole('row').count()).toBe(2);
    await page.getByRole('link', { name: 'Lyutik' }).click();
    await page.getByText('Nothing was sold yet').waitFor();
    await page.getByRole('button', { name: 'Issue a licence' }).click();
    await dialog(page).getByLabel('Organisation').fill('Lyutik');
    await dialog(page).getByLabel('Product').fill('crm');
    await dialog(page).getByLabel('Seats').fill('5');
    await dialog(page).getByLabel('Support until').fill('2020-01-31');
    await dialog(page).getByRole('button', { name: 'Issue' }).click();
    await poll(() => dialog(page).getByRole('alert').textContent()).toContain('has passed already');
    await dialog(page).getByLabel('That is meant').check();
    await dialog(page).getByRole('button', { name: 'Issue' }).click();
    const key = (await dialog(page).locator('code').textContent()) ?? '';
    await dialog(page).getByRole('button', { name: 'I have kept it' }).click();

    const card = page.getByRole('article', { name: /crm/ });
    await card.getByRole('button', { name: 'Correct' }).click();
    await dialog(page).getByLabel('Seats').fill('7');
    await dialog(page).getByRole('button', { name: 'Correct' }).click();
    await poll(() => card.locator('dd').first().textContent()).toBe('7');
    expect(await card.textContent()).toContain('31 January 2020');

    await card.getByRole('button', { name: 'Grant an extension' }).click();
    await dialog(page).getByLabel('Support until').fill('2039-01-31');
    await dialog(page).getByLabel('Reference').fill('order 17');
    await dialog(page).getByRole('button', { name: 'Grant' }).click();
    await card.getByText('support until 31 January 2039').waitFor();

    const computer = createComputer();
    // the last one continues what another one has gone on from: somebody has a copy
    for (const sequence of [0, 1, 2, 1]) {
      await authority.call('POST', '/v1/activations', computer.request(key, sequence), '');
    }
    await page.getByRole('link', { name: 'Only suspected copies' }).click();
    await card.getByText('Copy suspected').waitFor();
    await card.getByRole('button', { name: 'Take the suspicion back' }).click();
    await dialog(page).getByRole('button', { name: 'Take the suspicion back' }).click();
    await poll(() => dialog(page).getByRole('alert').textContent()).toContain('Write a reason');
    await dialog(page).getByLabel('Reason').fill('the copy is stopped');
    await dialog(page).getByRole('button', { name: 'Take the suspicion back' }).click();
    await page.getByText('No copy is suspected').waitFor();
    await page.getByRole('link', { name: 'Not only suspected copies' }).click();

    await card.getByRole('button', { name: 'Revoke' }).click();
    await dialog(page).getByLabel('Reason').fill('not paid');
    await dialog(page).getByRole('button', { name: 'Revoke' }).click();
    await card.getByText('Revoked', { exact: true }).waitFor();
    await card.getByRole('link', { name: 'History' }).click();
    const row = page.getByRole('row').filter({ hasText: 'not paid' });
    await row.waitFor();
    expect(await row.textContent()).toContain('boss@vendor.example');
    expect(complaints.filter((c) => !c.includes('409'))).toEqual([]);
    await page.context().close();
  });

  it('lets the vendor make a link for a new password, and shut somebody out', async () => {
    await comeIn(authority, 'leaves@romashka.example', 'Romashka');
    const { page } = await enter('boss@vendor.example');
    await goTo(page, 'people');
    const row = page.getByRole('row').filter({ hasText: 'leaves@romashka.example' });
    await row.getByRole('button', { name: /New password/ }).click();
    await dialog(page).getByRole('button', { name: 'New password' }).click();
    expect(await dialog(page).locator('code').textContent()).toContain('#/invitation/');
    await dialog(page).getByRole('button', { name: 'I have kept it' }).click();
    await row.getByRole('button', { name: /Shut/ }).click();
    await dialog(page).getByRole('button', { name: 'Shut out' }).click();
    await row.getByText('shut out', { exact: true }).waitFor();
    const { body } = await authority.call('GET', '/v1/people');
    expect(JSON.stringify(body)).toMatch(/leaves@romashka[^}]+disabledAt/);
    await page.context().close();
  });

  it.each([
    ['English, light', { ...inEnglish, colorScheme: 'light' }],
    ['Russian, dark', { ...inRussian, colorScheme: 'dark' }],
    ['Russian, a phone', { ...inRussian, viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }],
  ] as const)('has no fault of accessibility, breaks no policy and fits the screen: %s', async (_, options) => {
    const look = async (page: Page, view: string) => {
      expect(await axeViolations(page), view).toEqual([]);
      const overflow = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect(overflow, `${view} is wider than the screen`).toBeLessThanOrEqual(0);
    };
    const invited = await openTab(browser, await invite('eye@romashka.example', 'Romashka'), options);
    await invited.page.getByText('eye@romashka.example').waitFor();
    await look(invited.page, 'invitation');
    expect(invited.complaints).toEqual([]);
    await invited.page.context().close();
    for (const [email, views] of [
      ['vera@vasilyok.example', ['keys', 'request', 'history', 'account']],
      ['boss@vendor.example', ['customers', 'licences', 'people', 'history', 'account']],
    ] as const) {
      const { page, complaints } = await enter(email, options);
      for (const view of views) {
        await goTo(page, view);
        const closed = page.locator('main details:not([open]) > summary');
        while ((await closed.count()) > 0) await closed.first().click();
        await look(page, view);
      }
      expect(complaints).toEqual([]);
      await page.getByRole('button', { name: /^(Sign out|Выйти)$/ }).click();
      await page.locator('input[name=email]').waitFor();
      await look(page, 'sign in');
      await page.context().close();
    }
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
    await page.goto(url);
    await page.locator('input[name=email]').waitFor();
    await page.waitForLoadState('networkidle');
    expect(bytes).toBeGreaterThan(5_000);
    expect(bytes).toBeLessThanOrEqual(100_000);
    await context.close();
  });
});

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createIdentityProvider } from '../../authority/cabinet/identityProvider.ts';
import { freePort } from '../../cluster/process.ts';
import { startAuthority, type TestAuthority } from '../support/authority.ts';
import { chromiumOrSkip, launchBrowser } from '../support/browser.ts';
import { buildPage } from '../support/buildPage.ts';
import { comeIn } from '../support/cabinet.ts';
import { cabinetClient, startProvider } from '../support/openIdProvider.ts';

const chromium = await chromiumOrSkip();
const accounts = {
  anna: { email: 'anna@romashka.example', email_verified: true, name: 'Anna' },
  olga: { email: 'olga@romashka.example', email_verified: true, name: 'Olga' },
};

describe.skipIf(chromium === undefined)('the button of the identity provider', () => {
  let provider: Awaited<ReturnType<typeof startProvider>>;
  let authority: TestAuthority;
  let browser: Browser;
  let home: string;
  beforeAll(async () => {
    [browser] = await Promise.all([launchBrowser(chromium ?? ''), buildPage('web/cabinet')]);
    const port = await freePort();
    home = `http://127.0.0.1:${port}/`;
    provider = await startProvider(home, accounts);
    const settings = { issuer: provider.issuer, ...cabinetClient, name: 'Company', cabinetUrl: home };
    authority = await startAuthority({ port, cabinet: { provider: createIdentityProvider(settings) } });
    await authority.open();
    await comeIn(authority, 'anna@romashka.example', 'Romashka');
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await authority?.end();
    await provider?.end();
  });

  const open = async (address: string): Promise<Page> => {
    const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC' });
    // the provider's own pages ask for a typeface of another site
    await context.route(
      ({ hostname }) => hostname !== '127.0.0.1',
      (route) => route.abort(),
    );
    const page = await context.newPage();
    await page.goto(address);
    return page;
  };
  /** Through the provider's pages, which then send the browser back. */
  const signInThere = async (page: Page, login: string) => {
    await page.getByRole('button', { name: 'Sign in with Company' }).click();
    await page.locator('input[name=login]').fill(login);
    await page.locator('input[name=password]').fill('whatever the provider takes');
    await page.locator('button[type=submit]').click();
    await page.getByRole('button', { name: 'Continue' }).click();
  };

  it('leads to the provider and back, signed in', async () => {
    const page = await open(home);
    await signInThere(page, 'anna');
    await page.getByRole('heading', { name: 'Activation keys' }).waitFor();
    expect(page.url()).toMatch(new RegExp(`^${home}(#.*)?$`));
    await page.reload();
    await page.getByRole('heading', { name: 'Activation keys' }).waitFor();
    const ours = (await page.context().cookies()).filter(({ name }) => name.startsWith('__Host-'));
    expect(ours).toMatchObject([{ name: '__Host-licence-session', httpOnly: true, secure: true, sameSite: 'Strict' }]);
    await page.context().close();
  });

  it('brings in whom an invitation’s link is for, and tells somebody unknown why not', async () => {
    const stranger = await open(home);
    await signInThere(stranger, 'olga');
    await stranger.getByRole('alert').filter({ hasText: 'Nobody here has this identity' }).waitFor();
    await stranger.getByRole('heading', { name: 'Sign in' }).waitFor();
    await stranger.context().close();

    const { body } = await authority.call<{ token: string }>('POST', '/v1/invitations', {
      email: 'olga@romashka.example',
      organisation: 'Romashka',
    });
    const invited = await open(`${home}#/invitation/${body.token}`);
    await signInThere(invited, 'olga');
    await invited.getByRole('heading', { name: 'Activation keys' }).waitFor();
    await invited.goto(`${home}#/account`);
    await invited.getByText('olga@romashka.example').first().waitFor();
    await invited.context().close();
  });
});

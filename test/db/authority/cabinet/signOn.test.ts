import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionCookie, signOnCookie } from '../../../../authority/cabinet/cookies.ts';
import { createIdentityProvider } from '../../../../authority/cabinet/identityProvider.ts';
import { startAuthority, type TestAuthority } from '../../../support/authority.ts';
import { comeIn, createVisitor, type Visitor } from '../../../support/cabinet.ts';
import { cabinetClient, startProvider } from '../../../support/openIdProvider.ts';

const home = 'https://authority.example/';

/** Who the identity provider knows; whoever signs in there is believed to be who they say. */
const accounts = {
  anna: { email: 'Anna@romashka.example', email_verified: true, name: 'Anna P.' },
  liar: { email: 'boss@vendor.example', email_verified: false, name: 'Not the boss' },
  olga: { email: 'olga@elsewhere.example', email_verified: true, name: 'Olga' },
};

/** Goes through the provider's pages as a browser does; answers the address that it sends the browser back to. */
async function signInThere(start: string, login: string): Promise<URL> {
  const cookies = new Map<string, string>();
  const go = async (url: string, form?: Record<string, string>): Promise<Response> => {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([k, v]) => `${k}=${v}`).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    return response;
  };
  let response = await go(start);
  for (let step = 0; step < 12; step++) {
    const to = response.headers.get('location');
    if (to !== null) {
      const url = new URL(to, start);
      if (url.href.startsWith(home)) return url;
      response = await go(url.href);
      continue;
    }
    const html = await response.text();
    const [, action] = /<form[^>]*action="([^"]+)"/.exec(html) ?? [];
    if (action === undefined) throw new Error(`the provider says: ${html}`);
    const prompt = html.includes('name="password"') ? { prompt: 'login', login, password: 'x' } : { prompt: 'consent' };
    response = await go(new URL(action, start).href, prompt);
  }
  throw new Error('the provider leads nowhere');
}

describe('a sign-in by the identity provider', () => {
  let provider: Awaited<ReturnType<typeof startProvider>>;
  let authority: TestAuthority;
  beforeAll(async () => {
    provider = await startProvider(home, accounts);
    authority = await startAuthority({
      cabinet: {
        provider: createIdentityProvider({
          issuer: provider.issuer,
          ...cabinetClient,
          name: 'Company',
          cabinetUrl: home,
        }),
      },
    });
    await comeIn(authority, 'anna@romashka.example', 'Romashka');
    await comeIn(authority, 'boss@vendor.example');
  });
  afterAll(async () => {
    await authority?.end();
    await provider?.end();
  });

  const begin = async (visitor: Visitor, body: object = {}) => {
    const begun = await visitor.call<{ url: string }>('POST', '/v1/sign-on', body);
    expect(begun.status).toBe(201);
    expect(String(begun.headers['set-cookie'])).toMatch(/; Secure; HttpOnly; SameSite=Lax$/);
    return begun.body.url;
  };
  // another site sends the browser here
  const comeBack = (visitor: Visitor, at: URL) =>
    visitor.call('GET', `${at.pathname}${at.search}`, undefined, { 'sec-fetch-site': 'cross-site' });
  const signOn = async (login: string, body: object = {}, visitor = createVisitor(authority.http)) => {
    const back = await comeBack(visitor, await signInThere(await begin(visitor, body), login));
    return { visitor, to: back.headers.location, session: (await visitor.call('GET', '/v1/session')).body };
  };

  it('lets in whom the provider has verified, and knows them by its own name of them from then on', async () => {
    const first = await signOn('anna');
    expect(first).toMatchObject({ to: home, session: { person: { email: 'anna@romashka.example' } } });
    expect((await first.visitor.call('GET', '/v1/licences')).status).toBe(200);
    expect(first.visitor.cookies.has(signOnCookie)).toBe(false);
    await authority.pool.query("UPDATE person SET email = 'anna@new.example' WHERE email = 'anna@romashka.example'");
    expect(await signOn('anna')).toMatchObject({ session: { person: { email: 'anna@new.example' } } });
  });

  it('offers itself by its name', async () => {
    expect((await createVisitor(authority.http).call('GET', '/v1/session')).body).toEqual({
      singleSignOn: { name: 'Company' },
    });
  });

  it('believes no e-mail that is not verified, and nobody unknown', async () => {
    for (const login of ['liar', 'olga', 'nobody']) {
      const { visitor, to, session } = await signOn(login);
      expect({ to, person: session.person }, login).toEqual({
        to: `${home}#/sign-on/PersonUnknown`,
        person: undefined,
      });
      expect(visitor.cookies.has(sessionCookie)).toBe(false);
    }
  });

  it('brings somebody in by an invitation, without a password, once', async () => {
    const { body } = await authority.call<{ token: string }>('POST', '/v1/invitations', {
      email: 'olga@vasilyok.example',
      organisation: 'Vasilyok',
    });
    const invited = { invitation: body.token };
    expect(await signOn('olga', invited)).toMatchObject({
      to: home,
      session: {
        person: { email: 'olga@vasilyok.example', name: 'Olga', organisation: 'Vasilyok', hasPassword: false },
      },
    });
    expect((await signOn('nobody', invited)).to).toBe(`${home}#/sign-on/InvitationNotOpen`);
    expect(await signOn('olga')).toMatchObject({ to: home });
    const byPassword = await createVisitor(authority.http).call('POST', '/v1/session', {
      email: 'olga@vasilyok.example',
      password: 'whatever it may be',
    });
    expect(byPassword).toMatchObject({ status: 401, body: { reason: 'SignInRefused' } });
  });

  it('ends only in the browser in which it was begun, once, and with the state that was sent along', async () => {
    const visitor = createVisitor(authority.http);
    const back = await signInThere(await begin(visitor), 'anna');
    const stranger = createVisitor(authority.http);
    expect((await comeBack(stranger, back)).headers.location).toBe(`${home}#/sign-on/SignOnNotBegun`);
    // the stranger has begun one, too, and puts the victim's code into it
    await begin(stranger);
    expect((await comeBack(stranger, back)).headers.location).toBe(`${home}#/sign-on/SignOnRefused`);
    expect(stranger.cookies.has(sessionCookie)).toBe(false);

    const cookie = visitor.cookies.get(signOnCookie) ?? '';
    expect((await comeBack(visitor, back)).headers.location).toBe(home);
    visitor.cookies.set(signOnCookie, cookie);
    expect((await comeBack(visitor, back)).headers.location).toBe(`${home}#/sign-on/SignOnNotBegun`);
  });

  it('ends a session that the browser had before, and lets nobody in who is shut out', async () => {
    const planted = await signOn('anna');
    const known = planted.visitor.cookies.get(sessionCookie) ?? '';
    const victim = createVisitor(authority.http);
    victim.cookies.set(sessionCookie, known);
    const { visitor } = await signOn('anna', {}, victim);
    expect(visitor.cookies.get(sessionCookie)).not.toBe(known);
    expect((await planted.visitor.call('GET', '/v1/licences')).status).toBe(401);
    await authority.pool.query("UPDATE person SET disabled_at = now() WHERE email LIKE 'anna@%'");
    expect((await signOn('anna')).to).toBe(`${home}#/sign-on/PersonUnknown`);
  });

  it('that cannot be reached is said so, and passwords go on', async () => {
    const alone = await startAuthority({
      cabinet: {
        provider: createIdentityProvider({
          issuer: 'http://127.0.0.1:9',
          clientId: 'cabinet',
          clientSecret: 'x',
          name: 'Gone',
          cabinetUrl: home,
        }),
      },
    });
    try {
      const visitor = createVisitor(alone.http);
      expect(await visitor.call('POST', '/v1/sign-on', {})).toMatchObject({
        status: 503,
        body: { reason: 'ProviderUnreachable' },
      });
      await comeIn(alone, 'anna@romashka.example', 'Romashka');
    } finally {
      await alone.end();
    }
  });
});

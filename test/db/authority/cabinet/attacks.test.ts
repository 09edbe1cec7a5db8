import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultAttemptRates } from '../../../../authority/cabinet/attempts.ts';
import { sessionCookie } from '../../../../authority/cabinet/cookies.ts';
import { csrfTokenOf } from '../../../../authority/cabinet/sessions.ts';
import type { IssuedKey } from '../../../../licence/authorityWire.ts';
import { startAuthority, type TestAuthority } from '../../../support/authority.ts';
import { aPassword, comeIn, createVisitor, signedIn, type Visitor } from '../../../support/cabinet.ts';

describe('a stranger', () => {
  let authority: TestAuthority;
  beforeAll(async () => {
    authority = await startAuthority();
    await comeIn(authority, 'anna@romashka.example', 'Romashka');
    await authority.pool.query(
      "INSERT INTO person (id, email, name, created_at) VALUES ('per-x', 'sso@romashka.example', 'No password', now())",
    );
  });
  afterAll(() => authority.end());

  const tryIn = async (email: string) => {
    const begun = performance.now();
    const answer = await createVisitor(authority.http).call('POST', '/v1/session', {
      email,
      password: 'a wrong password',
    });
    const { 'x-request-id': _, date: __, ...headers } = answer.headers;
    return { answer: { ...answer, headers }, ms: performance.now() - begun };
  };

  it('cannot learn from the answer, or from its time, who has an account', async () => {
    const emails = ['anna@romashka.example', 'nobody@romashka.example', 'sso@romashka.example'];
    const times = new Map(emails.map((email) => [email, [] as number[]]));
    const answers = new Set<string>();
    // taken in turns, so that whatever else the machine does meets all alike; the quickest of each is its own work
    for (let round = 0; round < 12; round++) {
      for (const email of emails) {
        const { answer, ms } = await tryIn(email);
        answers.add(JSON.stringify(answer));
        times.get(email)?.push(ms);
      }
    }
    expect([...answers]).toHaveLength(1);
    expect([...answers][0]).toContain('SignInRefused');
    const quickest = [...times.values()].map((all) => Math.min(...all));
    expect(Math.max(...quickest) / Math.min(...quickest)).toBeLessThan(1.5);
  });

  it('cannot make somebody use a session that the stranger knows', async () => {
    const planted = await signedIn(authority.http, 'anna@romashka.example');
    const victim = createVisitor(authority.http);
    const known = planted.cookies.get(sessionCookie) ?? '';
    victim.cookies.set(sessionCookie, known);
    await victim.call('POST', '/v1/session', { email: 'anna@romashka.example', password: aPassword });
    expect(victim.cookies.get(sessionCookie)).not.toBe(known);
    // and the planted one is over: whoever knows it has nothing
    expect((await planted.call('GET', '/v1/licences')).status).toBe(401);
    const made = createVisitor(authority.http);
    made.cookies.set(sessionCookie, 'A'.repeat(43));
    const { status } = await made.call('POST', '/v1/session', { email: 'anna@romashka.example', password: aPassword });
    expect([status, made.cookies.get(sessionCookie) === 'A'.repeat(43)]).toEqual([201, false]);
  });

  it('cannot use a cookie after the sign-out, nor two cookies of which one was planted', async () => {
    const visitor = await signedIn(authority.http, 'anna@romashka.example');
    const cookie = visitor.cookies.get(sessionCookie) ?? '';
    const thief = createVisitor(authority.http);
    thief.cookies.set(sessionCookie, cookie);
    expect((await thief.call('GET', '/v1/licences')).status).toBe(200);
    const two = { cookie: `${sessionCookie}=${cookie}; ${sessionCookie}=${'B'.repeat(43)}` };
    expect((await createVisitor(authority.http).call('GET', '/v1/licences', undefined, two)).status).toBe(401);
    await visitor.call('DELETE', '/v1/session');
    expect(await thief.call('GET', '/v1/licences')).toMatchObject({ status: 401, body: { reason: 'SessionEnded' } });
    expect((await thief.call('GET', '/v1/session')).body).toEqual({});
  });
});

describe('a page of another site', () => {
  let authority: TestAuthority;
  let anna: Visitor;
  let issued: IssuedKey;
  beforeAll(async () => {
    authority = await startAuthority();
    issued = await authority.issue();
    anna = await comeIn(authority, 'anna@romashka.example', 'Romashka');
  });
  afterAll(() => authority.end());

  const regenerate = (headers: Record<string, string>) =>
    anna.call('POST', `/v1/licences/${issued.licenceId}:regenerate`, {}, headers);
  const token = () => anna.csrfToken;

  it.each([
    ['the cookie alone', () => ({ 'x-csrf-token': '' })],
    ['a token of another session', () => ({ 'x-csrf-token': csrfTokenOf('another') })],
    ['the right token, but from another site', () => ({ 'sec-fetch-site': 'cross-site', 'x-csrf-token': token() })],
    ['the right token, but from a sister host', () => ({ 'sec-fetch-site': 'same-site', 'x-csrf-token': token() })],
  ])('changes nothing with %s', async (_, headers) => {
    expect(await regenerate(headers())).toMatchObject({ status: 403, body: { reason: 'CsrfTokenWrong' } });
    const { rows } = await authority.pool.query('SELECT count(*)::int AS n FROM regeneration');
    expect(rows).toEqual([{ n: 0 }]);
  });

  it('that an older browser names only by Origin changes nothing', async () => {
    const ofOrigin = async (origin: string) => {
      const answer = await authority.http.inject({
        method: 'POST',
        url: `/v1/licences/${issued.licenceId}:regenerate`,
        headers: {
          host: 'authority.example',
          origin,
          cookie: `${sessionCookie}=${anna.cookies.get(sessionCookie)}`,
          'x-csrf-token': token(),
        },
        payload: {},
      });
      return answer.statusCode;
    };
    expect(await ofOrigin('https://evil.example')).toBe(403);
    expect(await ofOrigin('null')).toBe(403);
    expect(await ofOrigin('https://authority.example')).toBe(201);
  });

  it('signs nobody in, brings nobody in by an invitation, and begins no sign-in by the identity provider', async () => {
    const foreign = { 'sec-fetch-site': 'cross-site' };
    const visitor = createVisitor(authority.http);
    const in_ = { email: 'anna@romashka.example', password: aPassword };
    for (const [path, body] of [
      ['/v1/session', in_],
      ['/v1/invitations:accept', { token: 'A'.repeat(43), name: 'X', password: aPassword }],
      ['/v1/invitations:look', { token: 'A'.repeat(43) }],
      ['/v1/sign-on', {}],
    ] as const) {
      expect(await visitor.call('POST', path, body, foreign), path).toMatchObject({
        status: 403,
        body: { reason: 'OriginForeign' },
      });
    }
    expect(visitor.cookies.size).toBe(0);
    // a form of another site can send no JSON
    const form = await authority.http.inject({
      method: 'POST',
      url: '/v1/session',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'email=anna%40romashka.example',
    });
    expect(form.statusCode).toBe(415);
  });
});

describe('somebody in a hurry', () => {
  let authority: TestAuthority;
  beforeAll(async () => {
    authority = await startAuthority();
  });
  afterAll(() => authority.end());

  it('gets three new keys of a month out of twenty requests at once, in two browsers', async () => {
    const { licenceId } = await authority.issue();
    const anna = await comeIn(authority, 'anna@romashka.example', 'Romashka');
    const boris = await comeIn(authority, 'boris@romashka.example', 'Romashka');
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 === 0 ? anna : boris).call('POST', `/v1/licences/${licenceId}:regenerate`, {}),
      ),
    );
    expect(answers.filter((a) => a.status === 201)).toHaveLength(3);
    const refused = answers.filter((a) => a.status !== 201);
    expect(new Set(refused.map((a) => `${a.status} ${a.body.reason}`))).toEqual(new Set(['409 RegenerationLimit']));
    const { rows } = await authority.pool.query('SELECT count(*)::int AS n FROM regeneration');
    expect(rows).toEqual([{ n: 3 }]);
  });
});

describe('who guesses passwords', () => {
  let authority: TestAuthority;
  beforeAll(async () => {
    authority = await startAuthority({ cabinet: { attemptRates: defaultAttemptRates } });
    await comeIn(authority, 'anna@romashka.example', 'Romashka', '198.51.100.1');
    await comeIn(authority, 'boris@romashka.example', 'Romashka', '198.51.100.1');
  });
  afterAll(() => authority.end());

  it('has five attempts over two replicas together, all at once or not; another address and another person are not held up', async () => {
    const replica = authority.replica();
    try {
      const guess = (n: number) =>
        createVisitor(n % 2 === 0 ? authority.http : replica, '203.0.113.9').call('POST', '/v1/session', {
          email: 'anna@romashka.example',
          password: `guess number ${n}`,
        });
      const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => guess(n)));
      expect(answers.map((a) => a.status).toSorted()).toEqual([...Array(5).fill(401), ...Array(11).fill(429)]);
      const late = await guess(17);
      expect(late).toMatchObject({ status: 429, body: { reason: 'TooManyRequests' } });
      expect(Number(late.headers['retry-after'])).toBeGreaterThan(0);
      // the right password does not help who has guessed too often
      await expect(signedIn(replica, 'anna@romashka.example', '203.0.113.9')).rejects.toThrow('TooManyRequests');
      await signedIn(replica, 'anna@romashka.example', '203.0.113.10');
      await signedIn(replica, 'boris@romashka.example', '203.0.113.9');
      authority.setAhead(61_000);
      await signedIn(authority.http, 'anna@romashka.example', '203.0.113.9');
    } finally {
      authority.setAhead(0);
      await replica.close();
    }
  });

  it('of one person from many addresses is stopped, too', async () => {
    const guess = (n: number) =>
      createVisitor(authority.http, `203.0.113.${100 + n}`).call('POST', '/v1/session', {
        email: 'boris@romashka.example',
        password: 'a wrong guess',
      });
    const statuses: number[] = [];
    for (let n = 0; n < 34; n++) statuses.push((await guess(n)).status);
    expect(statuses.filter((s) => s === 401).length).toBeLessThanOrEqual(32);
    expect(statuses.at(-1)).toBe(429);
  });

  it('and who signs in rightly again and again is never held up', async () => {
    authority.setAhead(7_200_000);
    for (let n = 0; n < 8; n++) await signedIn(authority.http, 'anna@romashka.example', '198.51.100.77');
    authority.setAhead(0);
  });
});

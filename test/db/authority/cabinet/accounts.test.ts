import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultAttemptRates } from '../../../../authority/cabinet/attempts.ts';
import { sessionCookie } from '../../../../authority/cabinet/cookies.ts';
import { comeIn as useInvitation } from '../../../../authority/cabinet/invitations.ts';
import { createSecretBox } from '../../../../authority/cabinet/secretBox.ts';
import { defaultSessionTimes, hashOfToken } from '../../../../authority/cabinet/sessions.ts';
import { type Client, databaseTime } from '../../../../authority/database.ts';
import { startAuthority, type TestAuthority, tokens } from '../../../support/authority.ts';
import { aPassword, comeIn, createVisitor, signedIn } from '../../../support/cabinet.ts';

let authority: TestAuthority;
beforeAll(async () => {
  authority = await startAuthority();
});
afterAll(() => authority.end());

const invite = (email: string, to: object = { organisation: 'Romashka' }) =>
  authority.call<{ token: string; invitationId: string }>('POST', '/v1/invitations', { email, ...to });
const accept = (token: string, more: object = {}) =>
  createVisitor(authority.http).call('POST', '/v1/invitations:accept', {
    token,
    name: 'Anna',
    password: aPassword,
    ...more,
  });

describe('an invitation', () => {
  it('says whom it is for, brings somebody in once, and signs them in', async () => {
    const { body } = await invite(' Anna@Romashka.example ');
    const visitor = createVisitor(authority.http);
    const { token } = body;
    expect((await visitor.call('POST', '/v1/invitations:look', { token })).body).toMatchObject({
      email: 'anna@romashka.example',
      organisation: 'Romashka',
      role: 'customer',
      isKnown: false,
    });
    const accepted = await visitor.call('POST', '/v1/invitations:accept', { token, name: 'Anna', password: aPassword });
    expect(accepted).toMatchObject({
      status: 201,
      body: { person: { email: 'anna@romashka.example', role: 'customer', organisation: 'Romashka' } },
    });
    expect((await visitor.call('GET', '/v1/session')).body).toMatchObject({ person: { name: 'Anna' } });
    const signed = await signedIn(authority.http, 'ANNA@romashka.example');
    expect((await signed.call('GET', '/v1/licences')).status).toBe(200);
  });

  it('is good once, also for twenty who come at the same moment', async () => {
    const { body } = await invite('race@romashka.example');
    const answers = await Promise.all(Array.from({ length: 20 }, () => accept(body.token)));
    expect(answers.map((a) => a.status).toSorted()).toEqual([201, ...Array(19).fill(410)]);
    expect(await accept(body.token)).toMatchObject({ status: 410, body: { reason: 'InvitationNotOpen' } });
    const { rows } = await authority.pool.query("SELECT FROM person WHERE email = 'race@romashka.example'");
    expect(rows.length).toBe(1);
  });

  it('is used up under a lock: of those that have their passwords hashed already, one comes in', async () => {
    const { body } = await invite('lock@romashka.example');
    const { pool } = authority;
    const deps = {
      transact: <T>(work: (client: Client) => Promise<T>) => pool.transaction(work),
      now: databaseTime,
      attemptRates: defaultAttemptRates,
      sessionTimes: defaultSessionTimes,
      invitationMs: 1,
      secrets: createSecretBox(Buffer.alloc(32)),
      provider: undefined,
    };
    const as = { name: 'Lock', passwordHash: '$argon2id$' };
    const came = await Promise.all(
      Array.from({ length: 10 }, () =>
        pool.transaction((client) => useInvitation(client, deps, hashOfToken(body.token), as, '192.0.2.1')),
      ),
    );
    expect(came.filter((c) => c.ok)).toHaveLength(1);
  });

  it('is good no more once it is too old, taken back, or another one was made', async () => {
    const first = await invite('late@romashka.example');
    const second = await invite('late@romashka.example');
    expect((await accept(first.body.token)).status).toBe(410);
    authority.setAhead(72 * 3_600_000 + 1_000);
    expect((await accept(second.body.token)).status).toBe(410);
    authority.setAhead(0);
    const { token: vendor } = { token: tokens.vendor };
    const gone = await authority.http.inject({
      method: 'DELETE',
      url: `/v1/invitations/${second.body.invitationId}`,
      headers: { authorization: `Bearer ${vendor}` },
    });
    expect(gone.statusCode).toBe(200);
    expect((await accept(second.body.token)).status).toBe(410);
  });

  it.each([
    ['of who is known', { email: 'known@romashka.example', organisation: 'Romashka' }, 409, 'PersonKnown'],
    ['to nowhere', { email: 'x@y.example' }, 400, 'InvalidRequest'],
    [
      'to an unknown organisation',
      { email: 'x@y.example', organisationId: 'org-0123456789abcdef' },
      404,
      'OrganisationUnknown',
    ],
    [
      'of the vendor’s people to an organisation',
      { email: 'x@y.example', role: 'vendor', organisation: 'X' },
      400,
      'InvalidRequest',
    ],
    ['without an address', { email: 'nobody', organisation: 'Romashka' }, 400, 'InvalidRequest'],
  ])('%s is refused, and nothing is changed', async (_, body, status, reason) => {
    if (reason === 'PersonKnown') await comeIn(authority, 'known@romashka.example', 'Romashka');
    const count = async () =>
      (
        await authority.pool.query(
          'SELECT (SELECT count(*) FROM invitation) + (SELECT count(*) FROM organisation) AS n',
        )
      ).rows;
    const before = await count();
    expect(await authority.call('POST', '/v1/invitations', body)).toMatchObject({ status, body: { reason } });
    expect(await count()).toEqual(before);
  });

  it('does not bring in with a password of eleven characters', async () => {
    const { body } = await invite('short@romashka.example');
    expect(await accept(body.token, { password: 'eleven char' })).toMatchObject({
      status: 400,
      body: { reason: 'InvalidRequest' },
    });
    expect((await accept(body.token)).status).toBe(201);
  });

  it('of somebody known sets a new password, ends their sessions and takes the second factor away', async () => {
    const visitor = await comeIn(authority, 'lost@romashka.example', 'Romashka');
    await authority.pool.query("UPDATE person SET totp_secret = '\\x00' WHERE email = 'lost@romashka.example'");
    const { rows } = await authority.pool.query<{ id: string }>(
      "SELECT id FROM person WHERE email = 'lost@romashka.example'",
    );
    const again = await authority.call<{ token: string }>('POST', `/v1/people/${rows[0]?.id}:invite`, {});
    expect((await visitor.call('GET', '/v1/licences')).status).toBe(200);
    expect((await accept(again.body.token, { password: 'another long password' })).status).toBe(201);
    expect((await visitor.call('GET', '/v1/licences')).status).toBe(401);
    const email = 'lost@romashka.example';
    const fresh = createVisitor(authority.http);
    expect((await fresh.call('POST', '/v1/session', { email, password: aPassword })).status).toBe(401);
    expect((await fresh.call('POST', '/v1/session', { email, password: 'another long password' })).status).toBe(201);
  });
});

describe('a session', () => {
  it('has a cookie that no script reads, no other site sends, and no other host sets', async () => {
    await comeIn(authority, 'cookie@romashka.example', 'Romashka');
    const visitor = createVisitor(authority.http);
    const { headers } = await visitor.call('POST', '/v1/session', {
      email: 'cookie@romashka.example',
      password: aPassword,
    });
    expect(String(headers['set-cookie'])).toMatch(
      /^__Host-licence-session=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/,
    );
    expect(headers['cache-control']).toBe('no-store');
    const token = visitor.cookies.get(sessionCookie) ?? '';
    const { rows } = await authority.pool.query('SELECT row_to_json(s)::text AS row FROM session s');
    expect(JSON.stringify(rows)).not.toContain(token);
  });

  it('ends after half an hour without a request, and after twelve hours whatever one does', async () => {
    const visitor = await comeIn(authority, 'times@romashka.example', 'Romashka');
    const alive = async (minutes: number) => {
      authority.setAhead(minutes * 60_000);
      return (await visitor.call('GET', '/v1/licences')).status;
    };
    expect([await alive(29), await alive(58), await alive(89)]).toEqual([200, 200, 401]);
    authority.setAhead(0);
    const steady = await signedIn(authority.http, 'times@romashka.example');
    const seen: number[] = [];
    for (let minutes = 25; minutes <= 725; minutes += 25) {
      authority.setAhead(minutes * 60_000);
      seen.push((await steady.call('GET', '/v1/licences')).status);
    }
    authority.setAhead(0);
    expect(seen).toEqual([...Array(28).fill(200), 401]);
  });

  it('ends with the sign-out, here or everywhere', async () => {
    await comeIn(authority, 'out@romashka.example', 'Romashka');
    const [one, two, three] = [
      await signedIn(authority.http, 'out@romashka.example'),
      await signedIn(authority.http, 'out@romashka.example'),
      await signedIn(authority.http, 'out@romashka.example'),
    ];
    const statuses = async () => [
      (await one.call('GET', '/v1/licences')).status,
      (await two.call('GET', '/v1/licences')).status,
      (await three.call('GET', '/v1/licences')).status,
    ];
    const stolen = new Map(one.cookies);
    expect((await one.call('DELETE', '/v1/session')).status).toBe(200);
    expect(one.cookies.size).toBe(0);
    for (const [name, value] of stolen) one.cookies.set(name, value);
    expect(await statuses()).toEqual([401, 200, 200]);
    expect((await two.call('DELETE', '/v1/sessions')).status).toBe(200);
    expect(await statuses()).toEqual([401, 401, 401]);
  });

  it('of others ends when the password is changed; the present password is asked for', async () => {
    const visitor = await comeIn(authority, 'change@romashka.example', 'Romashka');
    const other = await signedIn(authority.http, 'change@romashka.example');
    const change = (present: string) =>
      visitor.call('POST', '/v1/session/password', { present, next: 'a very new password' });
    expect(await change('not the present one')).toMatchObject({ status: 403, body: { reason: 'PasswordWrong' } });
    expect((await other.call('GET', '/v1/licences')).status).toBe(200);
    expect((await change(aPassword)).status).toBe(200);
    expect((await other.call('GET', '/v1/licences')).status).toBe(401);
    expect((await visitor.call('GET', '/v1/licences')).status).toBe(200);
    const email = 'change@romashka.example';
    const fresh = createVisitor(authority.http);
    expect((await fresh.call('POST', '/v1/session', { email, password: aPassword })).status).toBe(401);
    expect((await fresh.call('POST', '/v1/session', { email, password: 'a very new password' })).status).toBe(201);
  });

  it('of who is shut out ends at once, and no new one begins; nobody shuts themselves out', async () => {
    const visitor = await comeIn(authority, 'gone@romashka.example', 'Romashka');
    const boss = await comeIn(authority, 'boss@vendor.example');
    const { body } = await boss.call<{ people: { personId: string; email: string }[] }>('GET', '/v1/people');
    const idOf = (email: string) => body.people.find((p) => p.email === email)?.personId;
    expect((await boss.call('POST', `/v1/people/${idOf('boss@vendor.example')}:disable`, {})).status).toBe(409);
    expect((await boss.call('POST', `/v1/people/${idOf('gone@romashka.example')}:disable`, {})).status).toBe(200);
    expect((await visitor.call('GET', '/v1/licences')).status).toBe(401);
    await expect(signedIn(authority.http, 'gone@romashka.example')).rejects.toThrow('SignInRefused');
  });

  it('leaves who did what in the audit: a customer sees their own, and of the vendor only what', async () => {
    const boss = await comeIn(authority, 'auditor@vendor.example');
    const issued = await boss.call<{ licenceId: string; keyId: string }>('POST', '/v1/licences', {
      organisation: 'Vasilyok',
      product: 'erp',
      seatLimit: 5,
    });
    expect(issued.status).toBe(201);
    const visitor = await comeIn(authority, 'vera@vasilyok.example', 'Vasilyok');
    expect((await visitor.call('POST', `/v1/keys/${issued.body.keyId}:regenerate`, {})).status).toBe(201);
    type Page = { entries: { action: string; person?: string; address?: string; licenceId?: string }[] };
    const own = (await visitor.call<Page>('GET', '/v1/audit')).body.entries;
    expect(own.map((e) => [e.action, e.person])).toEqual([
      ['regenerate', 'vera@vasilyok.example'],
      ['accept-invitation', 'vera@vasilyok.example'],
      ['invite', undefined],
      ['issue', undefined],
    ]);
    expect(own.filter((e) => e.person === undefined).every((e) => e.address === undefined)).toBe(true);
    const all = (await boss.call<Page>('GET', '/v1/audit?limit=500')).body.entries;
    expect(all.find((e) => e.action === 'issue')).toMatchObject({ person: 'auditor@vendor.example' });
    expect(all.length).toBeGreaterThan(own.length);
  });
});

describe('the first person of the vendor', () => {
  it('is invited by a token; the signing keys stay with tokens', async () => {
    const boss = await comeIn(authority, 'first@vendor.example');
    expect((await boss.call('GET', '/v1/organisations')).status).toBe(200);
    for (const [method, path] of [
      ['GET', '/v1/signing-keys'],
      ['POST', '/v1/signing-keys'],
      ['GET', '/metrics'],
    ] as const) {
      expect(await boss.call(method, path), path).toMatchObject({ status: 403, body: { reason: 'RoleMissing' } });
    }
  });
});

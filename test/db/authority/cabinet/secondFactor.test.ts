import { TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { defaultAttemptRates } from '../../../../authority/cabinet/attempts.ts';
import { startAuthority, type TestAuthority } from '../../../support/authority.ts';
import { aPassword, comeIn, createVisitor } from '../../../support/cabinet.ts';

let authority: TestAuthority;
beforeAll(async () => {
  authority = await startAuthority();
});
afterAll(() => authority.end());

/** The clock of the database, by which codes are judged; moved by the test as it needs. */
const start = Date.now();
let aheadMs = 0;
const ahead = (ms: number) => {
  aheadMs = ms;
  authority.setAhead(ms);
};
const codeOf = (secret: string, offMs = 0) =>
  new TOTP({ secret }).generate({ timestamp: Date.now() + aheadMs + offMs });

async function withFactor(email: string) {
  const visitor = await comeIn(authority, email, 'Romashka');
  const { body } = await visitor.call<{ secret: string; uri: string }>('POST', '/v1/session/second-factor', {});
  expect(body.uri).toMatch(/^otpauth:\/\/totp\/Licence%20cabinet:/);
  const on = await visitor.call<{ recoveryCodes: string[] }>('POST', '/v1/session/second-factor:confirm', {
    code: codeOf(body.secret),
  });
  expect(on.status).toBe(200);
  return { visitor, secret: body.secret, recovery: on.body.recoveryCodes };
}
const signIn = (email: string, code?: string, address?: string) =>
  createVisitor(authority.http, address).call('POST', '/v1/session', {
    email,
    password: aPassword,
    ...(code === undefined ? {} : { code }),
  });

it('is asked for only after the right password, and each code is good once, in any number of browsers at once', async () => {
  const email = 'anna@romashka.example';
  const { secret } = await withFactor(email);
  expect(await signIn(email)).toMatchObject({ status: 401, body: { reason: 'CodeMissing' } });
  const wrong = { email, password: 'not the password', code: codeOf(secret) };
  expect(await createVisitor(authority.http).call('POST', '/v1/session', wrong)).toMatchObject({
    body: { reason: 'SignInRefused' },
  });
  ahead(60_000 + (start % 1_000));
  const code = codeOf(secret);
  const answers = await Promise.all(Array.from({ length: 8 }, () => signIn(email, code)));
  expect(answers.map((a) => a.status).toSorted()).toEqual([201, ...Array(7).fill(401)]);
  expect(await signIn(email, codeOf(secret, -30_000))).toMatchObject({ body: { reason: 'CodeWrong' } });
  expect(await signIn(email, codeOf(secret, 120_000))).toMatchObject({ body: { reason: 'CodeWrong' } });
  ahead(0);
});

it('has ten recovery codes, each good once, in whatever way it is typed', async () => {
  const email = 'boris@romashka.example';
  const { recovery } = await withFactor(email);
  expect(new Set(recovery).size).toBe(10);
  const [first = '', second = ''] = recovery;
  expect((await signIn(email, first.toLowerCase().replaceAll('-', ' '))).status).toBe(201);
  expect((await signIn(email, first)).status).toBe(401);
  expect((await signIn(email, second)).status).toBe(201);
});

it('goes only with the password, not with a browser that was left open', async () => {
  const email = 'vera@romashka.example';
  const { visitor } = await withFactor(email);
  const remove = (password: string) => visitor.call('POST', '/v1/session/second-factor:remove', { password });
  expect(await remove('not the password')).toMatchObject({ status: 403, body: { reason: 'PasswordWrong' } });
  expect((await signIn(email)).status).toBe(401);
  expect((await remove(aPassword)).status).toBe(200);
  expect((await signIn(email)).status).toBe(201);
});

it('is never in the database in clear', async () => {
  const { secret, recovery } = await withFactor('galina@romashka.example');
  const { rows } = await authority.pool
    .query("SELECT convert_from(totp_secret, 'SQL_ASCII') AS s FROM person WHERE email = 'galina@romashka.example'")
    .catch(() => ({ rows: [] }));
  const codes = await authority.pool.query("SELECT encode(code_hash, 'escape') AS c FROM recovery_code");
  const all = JSON.stringify([rows, codes.rows]);
  expect(all).not.toContain(secret);
  expect(all).not.toContain(recovery[0]?.replaceAll('-', ''));
});

it('cannot be guessed: six attempts of a known password and wrong codes are one too many', async () => {
  const strict = await startAuthority({ cabinet: { attemptRates: defaultAttemptRates } });
  try {
    const visitor = await comeIn(strict, 'anna@romashka.example', 'Romashka');
    const { body } = await visitor.call<{ secret: string }>('POST', '/v1/session/second-factor', {});
    const code = new TOTP({ secret: body.secret }).generate();
    expect((await visitor.call('POST', '/v1/session/second-factor:confirm', { code })).status).toBe(200);
    const statuses: number[] = [];
    for (let n = 0; n < 6; n++) {
      const guess = { email: 'anna@romashka.example', password: aPassword, code: String(100_000 + n) };
      statuses.push((await createVisitor(strict.http, '203.0.113.5').call('POST', '/v1/session', guess)).status);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
  } finally {
    await strict.end();
  }
});

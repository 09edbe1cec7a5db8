import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../../authority/cli.ts';
import { createComputer, startAuthority, type TestAuthority, tokens } from '../../support/authority.ts';

let authority: TestAuthority;
let url: string;
let dir: string;
beforeAll(async () => {
  authority = await startAuthority();
  url = await authority.open();
  dir = await mkdtemp(join(tmpdir(), 'cli-'));
});
afterAll(async () => {
  await authority.end();
  await rm(dir, { recursive: true });
});

async function run(args: readonly string[], token: string = tokens.vendor, at = url) {
  const said: Record<'out' | 'err', string[]> = { out: [], err: [] };
  const io = {
    env: { LICENCE_AUTHORITY_TOKEN: token },
    out: (t: string) => void said.out.push(t),
    err: (t: string) => void said.err.push(t),
  };
  const status = await runCli(['--url', at, ...args], io);
  return { status, out: said.out.join(''), err: said.err.join('') };
}
const json = async (args: readonly string[]) => {
  const { out, err } = await run(['-o', 'json', ...args]);
  if (err !== '') throw new Error(err);
  return JSON.parse(out);
};
const issue = ['issue', '--organisation', 'Romashka', '--product', 'erp', '--seats', '5'];

describe('licence-authority', () => {
  it('issues and corrects what a seat is, and how many there are beyond the limit', async () => {
    const issued = await json([...issue, '--count-by', 'userOnHost', '--overdraft-seats', '2']);
    const listed = async () => (await json(['list', '--key-id', issued.keyId])).licences[0];
    expect(await listed()).toMatchObject({ countBy: 'userOnHost', overdraftSeats: 2 });
    await json(['correct', issued.licenceId, '--count-by', 'session', '--overdraft-seats', '0']);
    expect(await listed()).not.toHaveProperty('countBy');
    expect(await listed()).not.toHaveProperty('overdraftSeats');
    expect((await run([...issue, '--count-by', 'floor'])).status).toBe(2);
  });
  it('issues and corrects what features cost, and how long seats may be taken along', async () => {
    const issued = await json([...issue, '--weights', 'payroll=3, trade=1', '--borrow', '48h:2']);
    const listed = async () => (await json(['list', '--key-id', issued.keyId])).licences[0];
    expect(await listed()).toMatchObject({ weights: { payroll: 3 }, borrow: { maxHours: 48, keepFree: 2 } });
    await json(['correct', issued.licenceId, '--seats', '6']);
    expect(await listed()).toMatchObject({ seatLimit: 6, weights: { payroll: 3 } });
    await json(['correct', issued.licenceId, '--weights', '', '--borrow', '0']);
    expect(await listed()).not.toHaveProperty('weights');
    expect(await listed()).not.toHaveProperty('borrow');
    for (const wrong of [
      ['--weights', 'payroll'],
      ['--weights', 'payroll=0'],
      ['--borrow', 'long'],
    ])
      expect((await run([...issue, ...wrong])).status).toBe(2);
  });
  it('issues licences for named users, whose seats are counted by user', async () => {
    const issued = await json([...issue, '--assignment', 'named', '--reassign-after-days', '90']);
    const listed = async () => (await json(['list', '--key-id', issued.keyId])).licences[0];
    expect(await listed()).toMatchObject({ assignment: 'named', reassignAfterDays: 90, countBy: 'user' });
    await json(['correct', issued.licenceId, '--seats', '6', '--reassign-after-days', '60']);
    expect(await listed()).toMatchObject({ assignment: 'named', reassignAfterDays: 60, seatLimit: 6 });
    expect((await run(['correct', issued.licenceId, '--count-by', 'host'])).status).not.toBe(0);
    await json(['correct', issued.licenceId, '--assignment', 'floating', '--count-by', 'session']);
    for (const member of ['assignment', 'reassignAfterDays', 'countBy'])
      expect(await listed()).not.toHaveProperty(member);
    const other = await json([...issue, '--assignment', 'named']);
    expect((await json(['list', '--key-id', other.keyId])).licences[0]).toMatchObject({ reassignAfterDays: 30 });
    for (const wrong of [
      ['--assignment', 'rented'],
      ['--assignment', 'named', '--count-by', 'host'],
      ['--reassign-after-days', '30'],
      ['--assignment', 'named', '--reassign-after-days', 'x'],
    ])
      expect((await run([...issue, ...wrong])).status).not.toBe(0);
  });
  it('issues a trial for so many days', async () => {
    const before = Date.now();
    const issued = await json([...issue, '--trial', '30d']);
    expect(issued.trial).toBe(true);
    const days = (Date.parse(issued.expiresAt) - before) / 86_400_000;
    expect(days).toBeGreaterThanOrEqual(30);
    expect(days).toBeLessThan(30.01);
    for (const wrong of [
      ['--trial', '0'],
      ['--trial', 'soon'],
      ['--trial', '9d', '--expires-at', '2037-01-01'],
    ])
      expect((await run([...issue, ...wrong])).status).toBe(2);
  });
  it('leads a licence through its life', async () => {
    const shown = await run([...issue, '--support-until', '2037-12-31']);
    expect(shown).toMatchObject({ status: 0, err: '' });
    const [, keyId = '', licenceId = ''] = /keyId: +(\S+)\nlicence: +(\S+)/.exec(shown.out) ?? [];
    expect(shown.out).toMatch(/^key: +([0-9A-Z]{5}-){5}[0-9A-Z]{5}$/m);

    expect((await run(['regenerate', licenceId])).out).toContain('2 left until');
    expect(await json(['renew', licenceId, '--seats', '8'])).toMatchObject({ generation: 3 });
    expect((await run(['correct', licenceId, '--organisation', 'OOO Romashka'])).out).toContain('OOO Romashka');
    const list = (await run(['list', '--key-id', keyId])).out;
    expect(list).toMatch(/^LICENCE +ORGANISATION/);
    expect(list).toMatch(new RegExp(`${licenceId} +OOO Romashka +erp +8 +2037-12-31T23:59:59Z`));
    expect((await run(['revoke', keyId, '--reason', 'not paid'])).out).toBe(`revoked ${keyId}\n`);
    const audit = (await run(['audit', '--licence-id', licenceId])).out;
    expect(audit.split('\n').slice(1, 3).join()).toMatch(/revoke +ok .*not paid,.*correct/);
  });

  it('lets a customer see, regenerate and renew what is its own', async () => {
    const issued = await json([...issue, '--support-until', '2037-12-31']);
    const asCustomer = (...args: string[]) => run(args, tokens.romashka);
    expect((await asCustomer('show', issued.keyId)).out).toMatch(/3 left until.*\nextension: +none waits\n/);
    expect(await asCustomer('renew', issued.keyId)).toMatchObject({
      status: 1,
      err: expect.stringContaining('NothingToRenew'),
    });
    const granted = await run(['grant-renewal', issued.licenceId, '--support-until', '2038-12-31', '--seats', '9']);
    expect(granted.out).toBe('waits to be taken: support until 2038-12-31T23:59:59Z, 9 seats\n');
    expect((await asCustomer('show', issued.keyId)).out).toContain('9 seats: take it with renew');
    const renewed = await asCustomer('renew', issued.keyId);
    expect(renewed).toMatchObject({ status: 0, out: expect.stringMatching(/generation: +2/) });
    const [, keyId = ''] = /keyId: +(\S+)/.exec(renewed.out) ?? [];
    expect((await asCustomer('regenerate', issued.keyId)).err).toContain(keyId); // it is the newest
    expect((await asCustomer('regenerate', keyId)).out).toContain('2 left until');
    expect((await asCustomer('grant-renewal', issued.licenceId, '--seats', '99')).err).toContain('RoleMissing');
    expect(await run(['pardon', keyId, '--reason', 'restored'])).toMatchObject({ out: `pardoned ${keyId}\n` });
    expect((await run(['list', '--suspected'])).out.split('\n')).toHaveLength(2);
  });

  it('says how to get the key of an answer that was lost', async () => {
    const { licenceId } = await json(issue);
    const lossy = createServer(async (request, response) => {
      const payload = JSON.parse(await text(request));
      await authority.http.inject({ method: 'POST', url: request.url ?? '', headers: request.headers, payload });
      response.destroy();
    });
    await new Promise<void>((resolve) => lossy.listen(0, '127.0.0.1', resolve));
    const at = `http://127.0.0.1:${(lossy.address() as AddressInfo).port}`;
    const lost = await run(['regenerate', licenceId], tokens.vendor, at);
    lossy.close();
    expect(lost.status).toBe(3);
    const [, again = ''] = /--idempotency-key (\S+)/.exec(lost.err) ?? [];
    for (let n = 0; n < 2; n++) {
      expect(await json(['regenerate', licenceId, '--idempotency-key', again])).toMatchObject({
        generation: 2,
        regenerationsLeft: 2,
      });
    }
  });

  it('takes a day until its end, in the time zone of the vendor, and no day that there is not', async () => {
    const ended = async (...args: string[]) => (await json([...issue, ...args])).expiresAt;
    expect(await ended('--expires-at', '2037-06-30')).toBe('2037-06-30T23:59:59Z');
    expect(await ended('--time-zone', 'Europe/Moscow', '--expires-at', '2037-06-30')).toBe('2037-06-30T20:59:59Z');
    expect(await ended('--expires-at', '2037-06-30T12:00:00+03:00')).toBe('2037-06-30T09:00:00Z');
    for (const strange of ['2037-02-30', '2037-12-31 10:00', 'soon']) {
      const { status, err } = await run([...issue, '--expires-at', strange]);
      expect([status, err]).toEqual([2, expect.stringContaining(strange)]);
    }
    expect((await run([...issue, '--time-zone', 'Moscow'])).status).toBe(2);
  });

  it('does not end or shorten a licence by a slip, and takes an end away that was put in by one', async () => {
    expect((await run([...issue, '--expires-at', '2020-01-01'])).err).toContain('TermsPast');
    expect((await run([...issue, '--expires-at', '2020-01-01', '--force'])).status).toBe(0);
    const { licenceId } = await json([...issue, '--expires-at', '2037-06-30']);
    const shorter = ['--expires-at', '2036-06-30'];
    for (const command of ['correct', 'grant-renewal', 'renew']) {
      expect((await run([command, licenceId, ...shorter])).err).toContain('TermsShorter');
    }
    expect((await run(['correct', licenceId, ...shorter, '--force'])).out).toContain('2036-06-30T23:59:59Z');
    const corrected = await json(['correct', licenceId, '--expires-at', 'none']);
    expect([corrected.licenceId, corrected.expiresAt]).toEqual([licenceId, undefined]);
  });

  it('says what a renewal has gained, and shows that a key was revoked', async () => {
    const { licenceId, keyId } = await json([...issue, '--support-until', '2037-12-31']);
    await run(['grant-renewal', licenceId, '--support-until', '2038-12-31', '--seats', '9']);
    const renewed = (await run(['renew', licenceId])).out;
    expect(renewed).toMatch(/^terms: +support until 2038-12-31T23:59:59Z, 9 seats$/m);
    expect((await run(['revoke', licenceId, '--reason', 'chargeback'])).out).toBe(`revoked ${licenceId}\n`);
    const today = new Date().toISOString().slice(0, 8);
    expect((await run(['list', '--key-id', keyId])).out).toMatch(new RegExp(` renew +${today}`));
    expect((await run(['show', keyId])).out).toMatch(
      /generation 1, by issue, REVOKED .*\n.*generation 2, by renew, REVOKED/,
    );
  });

  it('reads the audit in pages', async () => {
    const { licenceId } = await json(issue);
    for (const n of ['6', '7', '8']) await run(['correct', licenceId, '--seats', n]);
    const page = async (...more: string[]) =>
      (await run(['audit', '--licence-id', licenceId, '--limit', '3', ...more])).out;
    const first = await page();
    const [, before = ''] = /^more: --before (\d+)$/m.exec(first) ?? [];
    expect(first).toMatch(/ vendor +127\.0\.0\.1 +[0-9a-f]{12} +correct/);
    expect(await page('--before', before)).toMatch(/ issue +ok/);
  });

  it.each([500, 503])('says how to repeat a command that status %i leaves open', async (status) => {
    const broken = createServer((_, response) => {
      response.writeHead(status, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ reason: 'InternalError', detail: 'a fault' }));
    });
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const at = `http://127.0.0.1:${(broken.address() as AddressInfo).port}`;
    for (const command of [['regenerate', 'lic-1'], issue, ['grant-renewal', 'lic-1', '--seats', '3']]) {
      expect(await run(command, tokens.vendor, at)).toMatchObject({
        status: 3,
        err: expect.stringMatching(/InternalError: a fault\n.*--idempotency-key [0-9a-f-]{36}/),
      });
    }
    broken.close();
  });

  it('answers a request file', async () => {
    const { key } = await json(issue);
    const file = join(dir, 'request.json');
    await writeFile(file, JSON.stringify(createComputer().request(key)));
    const { status, out } = await run(['respond', file], tokens.customer);
    expect([status, Object.keys(JSON.parse(out))]).toEqual([
      0,
      ['activation', 'regenerationsLeft', 'regenerationsResetAt'],
    ]);
  });

  it('brings the first person of the vendor and people of customers into the cabinet, and shuts them out', async () => {
    const first = await run([
      '--cabinet-url',
      'https://licences.example/',
      'invite',
      'boss@vendor.example',
      '--vendor',
    ]);
    expect(first).toMatchObject({ status: 0, err: '' });
    expect(first.out).toMatch(
      /^https:\/\/licences\.example\/#\/invitation\/[\w-]{43}\nfor boss@vendor\.example, once, until \d{4}-/,
    );
    const [, token] = /invitation\/([\w-]{43})/.exec(first.out) ?? [];
    const accepted = await authority.http.inject({
      method: 'POST',
      url: '/v1/invitations:accept',
      payload: { token, name: 'Boss', password: 'correct horse battery' },
    });
    expect(accepted.statusCode).toBe(201);
    const people = (await run(['people'])).out;
    const [personId = ''] = /per-\w+(?= +boss@vendor)/.exec(people) ?? [];
    expect(people).toMatch(/boss@vendor\.example +Boss +vendor/);
    expect((await run(['reset-password', personId])).out).toContain('/#/invitation/');
    expect((await run(['disable-person', personId])).out).toBe(`${personId} is shut out\n`);
    expect(await run(['invite', 'anna@romashka.example'])).toMatchObject({ status: 1, out: '' });
    expect((await run(['invite', 'anna@romashka.example', '--organisation', 'Romashka'])).status).toBe(0);
  });

  it('rolls the signing key over', async () => {
    const { kid } = await json(['signing-keys', 'add']);
    expect((await run(['signing-keys', 'activate', kid])).out).toBe(`${kid} is active\n`);
    expect((await run(['signing-keys', 'list'])).out).toMatch(new RegExp(`retired.*\n${kid} +active`));
    expect((await run(['signing-keys', 'withdraw', kid])).err).toContain('SigningKeyActive');
    const [old] = (await json(['signing-keys', 'list'])).keys;
    expect((await run(['signing-keys', 'withdraw', old.kid])).out).toBe(`${old.kid} is withdrawn\n`);
  });

  it('tells a refusal from wrong usage and from an authority that is not there', async () => {
    const { licenceId } = await json(issue);
    for (let n = 0; n < 3; n++) await json(['regenerate', licenceId]);
    const refused = await run(['regenerate', licenceId]);
    expect(refused).toMatchObject({ status: 1, err: expect.stringContaining('RegenerationLimit: ') });
    expect(await run(['regenerate', licenceId, '--support-override', 'ticket 7'])).toMatchObject({ status: 0 });
    expect(await run(['list'], 'wrong')).toMatchObject({ status: 1, err: expect.stringContaining('TokenUnknown') });
    expect(await run(['list'], '')).toMatchObject({ status: 2, err: expect.stringContaining('a token is needed') });
    expect(await run(['issue', '--seats', 'many'])).toMatchObject({
      status: 2,
      err: expect.stringContaining('whole number'),
    });
    expect(await run(['respond', join(dir, 'none.json')])).toMatchObject({ status: 2 });
    expect(await run(['list'], 'x', 'http://127.0.0.1:1')).toMatchObject({
      status: 3,
      err: expect.stringContaining('--url'),
    });
    expect(await run(['--help'])).toMatchObject({ status: 0, out: expect.stringContaining('Exit status') });
  });
});

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
  it('leads a licence through its life', async () => {
    const shown = await run([...issue, '--support-until', '2027-12-31']);
    expect(shown).toMatchObject({ status: 0, err: '' });
    const [, keyId = '', licenceId = ''] = /keyId: +(\S+)\nlicence: +(\S+)/.exec(shown.out) ?? [];
    expect(shown.out).toMatch(/^key: +([0-9A-Z]{5}-){5}[0-9A-Z]{5}$/m);

    expect((await run(['regenerate', licenceId])).out).toContain('2 left until');
    expect(await json(['renew', licenceId, '--seats', '8'])).toMatchObject({ generation: 3 });
    expect((await run(['correct', licenceId, '--organisation', 'OOO Romashka'])).out).toContain('OOO Romashka');
    const list = (await run(['list', '--key-id', keyId])).out;
    expect(list).toMatch(/^LICENCE +ORGANISATION/);
    expect(list).toMatch(new RegExp(`${licenceId} +OOO Romashka +erp +8 +2027-12-31T00:00:00Z`));
    expect((await run(['revoke', keyId, '--reason', 'not paid'])).out).toBe(`revoked ${keyId}\n`);
    const audit = (await run(['audit', '--licence-id', licenceId])).out;
    expect(audit.split('\n').slice(1, 3).join()).toMatch(/revoke +ok .*not paid,.*correct/);
  });

  it('lets a customer see, regenerate and renew what is its own', async () => {
    const issued = await json([...issue, '--support-until', '2027-12-31']);
    const asCustomer = (...args: string[]) => run(args, tokens.romashka);
    expect((await asCustomer('show', issued.keyId)).out).toMatch(/3 left until.*\nextension: +none waits\n/);
    expect(await asCustomer('renew', issued.keyId)).toMatchObject({
      status: 1,
      err: expect.stringContaining('NothingToRenew'),
    });
    const granted = await run(['grant-renewal', issued.licenceId, '--support-until', '2028-12-31', '--seats', '9']);
    expect(granted.out).toBe('waits to be taken: support until 2028-12-31T00:00:00Z, 9 seats\n');
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

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readActivation, verifyActivation } from '../../../licence/activation.ts';
import type { ActivationCheckResponse, ActivationResponse, IssuedKey } from '../../../licence/authorityWire.ts';
import { parseTrustedKeys } from '../../../licence/jwks.ts';
import { createKey, parseKey } from '../../../licence/key.ts';
import { momentOf } from '../../../licence/moment.ts';
import { monthStart } from '../../../licence/regenerationBudget.ts';
import { createComputer, startAuthority, type TestAuthority, tokens } from '../../support/authority.ts';

let authority: TestAuthority;
beforeAll(async () => {
  authority = await startAuthority();
});
afterAll(() => authority.end());

type Computer = ReturnType<typeof createComputer>;
const activate = (computer: Computer, key: string, sequence = 0, change = {}) =>
  authority.call<ActivationResponse & { reason?: string; detail?: string }>(
    'POST',
    '/v1/activations',
    computer.request(key, sequence, change),
    '',
  );
const regenerate = (licenceId: string, body?: object, token: string = tokens.customer) =>
  authority.call<IssuedKey & { reason?: string; regenerationsResetAt: string }>(
    'POST',
    `/v1/licences/${licenceId}:regenerate`,
    body,
    token,
  );
const renew = (licenceId: string, body: object) =>
  authority.call<IssuedKey>('POST', `/v1/licences/${licenceId}:renew`, body);
const outcome = ({ status, body }: { status: number; body: { reason?: string } }) => body.reason ?? status;
const sequenceOf = (r: { body: ActivationResponse }) => readActivation(r.body.activation)?.sequence;

describe('issuing', () => {
  it('gives a well-formed key once and keeps only its hash', async () => {
    const issued = await authority.issue();
    expect(parseKey(issued.key)).toEqual({ ok: true, key: issued.key, keyId: issued.keyId });
    expect(issued).toMatchObject({ generation: 1, regenerationsLeft: 3 });
    const { rows } = await authority.pool.query('SELECT * FROM licence_key k, audit a WHERE k.key_id = $1', [
      issued.keyId,
    ]);
    expect(JSON.stringify(rows)).not.toContain(issued.key);
    const { body } = await authority.call('GET', `/v1/licences?keyId=${issued.keyId}`);
    expect(JSON.stringify(body)).not.toContain(issued.key);
    expect(body).toMatchObject({
      licences: [{ licenceId: issued.licenceId, seatLimit: 50, keys: [{ generation: 1 }] }],
    });
  });

  it.each([
    [{ seatLimit: -1 }],
    [{ seatLimit: 1.5 }],
    [{ product: 'ERP two' }],
    [{ organisation: '' }],
    [{ supportUntil: 'tomorrow' }],
    [{ supportPolicy: 'maybe' }],
  ])('refuses %j', async (wrong) => {
    const request = { organisation: 'Romashka', product: 'erp', seatLimit: 5, ...wrong };
    const { status, body } = await authority.call('POST', '/v1/licences', request);
    expect([status, body.reason]).toEqual([400, 'InvalidRequest']);
  });
});

describe('access', () => {
  it.each([
    ['no token', 'POST', '/v1/licences', '', 401],
    ['a wrong token', 'POST', '/v1/licences', 'vendor-tokem', 401],
    ["the customer's token", 'POST', '/v1/licences', tokens.customer, 403],
    ["the customer's token", 'GET', '/v1/audit', tokens.customer, 403],
    ["the customer's token", 'POST', '/v1/signing-keys', tokens.customer, 403],
    ["the customer's token", 'POST', '/v1/keys/abc:revoke', tokens.customer, 403],
  ] as const)('%s is refused at %s %s', async (_, method, url, token, status) => {
    expect((await authority.call(method, url, method === 'POST' ? {} : undefined, token)).status).toBe(status);
  });

  it('of a token that is tied to an organisation ends at its licences', async () => {
    const other = await authority.issue({ organisation: 'Vasilek' });
    const { body } = await authority.call<{ licences: { organisation: string }[] }>(
      'GET',
      '/v1/licences',
      undefined,
      tokens.romashka,
    );
    expect(new Set(body.licences.map((l) => l.organisation))).toEqual(new Set(['Romashka']));
    expect(outcome(await regenerate(other.licenceId, {}, tokens.romashka))).toBe('LicenceUnknown');
    expect(outcome(await regenerate(other.licenceId, {}, tokens.customer))).toBe(201);
  });
});

describe('activating', () => {
  it('answers an activation that verifies by the published keys', async () => {
    const computer = createComputer();
    const issued = await authority.issue({ supportUntil: '2030-01-01T00:00:00Z', features: ['reports'] });
    const { status, body } = await activate(computer, issued.key);
    expect(status).toBe(200);
    const trust = parseTrustedKeys(
      JSON.stringify((await authority.call('GET', '/.well-known/jwks.json', undefined, '')).body),
    );
    if (!trust.ok) throw new Error(trust.message);
    expect(verifyActivation(body.activation, { ...computer, trusted: trust.keys, nowMs: Date.now() })).toMatchObject({
      ok: true,
      activation: {
        keyId: issued.keyId,
        generation: 1,
        sequence: 1,
        entitlements: {
          licenceId: issued.licenceId,
          seatLimit: 50,
          supportUntil: '2030-01-01T00:00:00Z',
          features: ['reports'],
        },
      },
    });
  });

  it('says that a licence is a trial, until an extension is paid for', async () => {
    const computer = createComputer();
    const trial = { trial: true as const, expiresAt: '2035-01-01T00:00:00Z' };
    const issued = await authority.issue(trial);
    expect(issued.trial).toBe(true);
    const entitled = async (key: string, sequence = 0) =>
      readActivation((await activate(computer, key, sequence)).body.activation)?.entitlements;
    expect(await entitled(issued.key)).toMatchObject(trial);
    const again = (await authority.call('POST', `/v1/licences/${issued.licenceId}:regenerate`, {})).body;
    expect(await entitled(String(again.key))).toMatchObject(trial);
    const bought = (
      await authority.call('POST', `/v1/licences/${issued.licenceId}:renew`, { expiresAt: '2036-01-01T00:00:00Z' })
    ).body;
    expect(bought).not.toHaveProperty('trial');
    expect(await entitled(String(bought.key))).not.toHaveProperty('trial');
    const endless = await authority.call('POST', '/v1/licences', {
      organisation: 'Romashka',
      product: 'erp',
      seatLimit: 1,
      trial: true,
    });
    expect([endless.status, endless.body.detail]).toEqual([400, expect.stringContaining('expiresAt')]);
  });

  it('is free on the same computer: as often as it likes, uncounted', async () => {
    const computer = createComputer();
    const { key } = await authority.issue();
    for (let n = 1; n <= 10; n++) {
      const answer = await activate(computer, key, n - 1);
      expect([answer.status, sequenceOf(answer), answer.body.regenerationsLeft]).toEqual([200, n, 3]);
    }
  });

  it('is refused on another computer, with what to do', async () => {
    const { key } = await authority.issue();
    await activate(createComputer(), key);
    const { status, body } = await activate(createComputer(), key);
    expect([status, body.reason]).toEqual([409, 'KeyBoundElsewhere']);
    expect(body.detail).toContain('generate a new key');
  });

  it('binds to one of many computers that ask at once', async () => {
    const { key } = await authority.issue();
    const answers = await Promise.all(Array.from({ length: 12 }, () => activate(createComputer(), key)));
    expect(answers.filter((a) => a.status === 200)).toHaveLength(1);
    expect(answers.filter((a) => a.body.reason === 'KeyBoundElsewhere')).toHaveLength(11);
  });

  it('tells an unknown key from a mistyped one', async () => {
    const unknown = createKey(Buffer.alloc(16, 42));
    expect(outcome(await activate(createComputer(), unknown))).toBe('KeyUnknown');
    expect(
      outcome(await activate(createComputer(), `${unknown.slice(0, -1)}${unknown.endsWith('7') ? '8' : '7'}`)),
    ).toBe('KeyMalformed');
  });

  it('is refused without proof of the identity', async () => {
    const { key } = await authority.issue();
    const [a, b] = [createComputer(), createComputer()];
    expect(outcome(await activate(a, key, 0, { fingerprint: b.fingerprint }))).toBe('ProofInvalid');
    expect(outcome(await activate(a, key, 0, { fingerprint: b.fingerprint, publicKey: b.publicKey }))).toBe(
      'ProofInvalid',
    );
    expect(outcome(await activate(a, key, 0, { signature: 'A'.repeat(86) }))).toBe('ProofInvalid');
    expect(outcome(await activate(a, key))).toBe(200);
  });

  it('is refused when the clocks differ by more than five minutes', async () => {
    const { key } = await authority.issue();
    const computer = createComputer();
    for (const offMs of [-6 * 60_000, 6 * 60_000]) {
      const answer = await activate(computer, key, 0, { requestedAt: momentOf(Date.now() + offMs) });
      expect(outcome(answer)).toBe('ProofInvalid');
      expect(answer.body.detail).toContain('clock');
    }
    expect(outcome(await activate(computer, key, 0, { requestedAt: momentOf(Date.now() - 4 * 60_000) }))).toBe(200);
  });

  it('checked beforehand changes nothing', async () => {
    const { key } = await authority.issue({ seatLimit: 7 });
    const check = (c: Computer) =>
      authority.call<ActivationCheckResponse & { reason?: string }>(
        'POST',
        '/v1/activations:check',
        c.request(key),
        '',
      );
    const [a, b] = [createComputer(), createComputer()];
    expect(await check(a)).toMatchObject({ status: 200, body: { generation: 1, entitlements: { seatLimit: 7 } } });
    expect(await check(b)).toMatchObject({ status: 200 });
    expect(sequenceOf(await activate(b, key))).toBe(1);
    expect(outcome(await check(a))).toBe('KeyBoundElsewhere');
  });

  it('by a request file takes a token and may be a week old', async () => {
    const { key } = await authority.issue();
    const computer = createComputer();
    const request = computer.request(key, 0, { requestedAt: momentOf(Date.now() - 7 * 86_400_000) });
    expect((await authority.call('POST', '/v1/activations:respond', request, '')).status).toBe(401);
    const answer = await authority.call<ActivationResponse>(
      'POST',
      '/v1/activations:respond',
      request,
      tokens.customer,
    );
    expect([answer.status, sequenceOf(answer)]).toEqual([200, 1]);
    const old = computer.request(key, 0, { requestedAt: momentOf(Date.now() - 40 * 86_400_000) });
    expect(outcome(await authority.call('POST', '/v1/activations:respond', old, tokens.customer))).toBe('ProofInvalid');
  });

  it('takes up what the vendor has corrected', async () => {
    const issued = await authority.issue({ organisation: 'Romashka' });
    const computer = createComputer();
    await activate(computer, issued.key);
    const change = { organisation: 'OOO Romashka', supportUntil: '2031-05-05T00:00:00Z' };
    expect((await authority.call('PATCH', `/v1/licences/${issued.licenceId}`, change)).status).toBe(200);
    const { body } = await activate(computer, issued.key, 1);
    expect(readActivation(body.activation)?.entitlements).toMatchObject({ ...change, seatLimit: 50 });
  });
});

describe('regenerating', () => {
  it('by twenty at once makes exactly three keys, each of its own generation', async () => {
    const { licenceId } = await authority.issue();
    const answers = await Promise.all(Array.from({ length: 20 }, () => regenerate(licenceId)));
    const made = answers.filter((a) => a.status === 201).map((a) => a.body);
    expect(made.map((k) => k.generation).toSorted()).toEqual([2, 3, 4]);
    expect(made.map((k) => k.regenerationsLeft).toSorted()).toEqual([0, 1, 2]);
    const refused = answers.filter((a) => a.status !== 201);
    expect(refused).toHaveLength(17);
    for (const { status, body } of refused) {
      expect([status, body.reason]).toEqual([409, 'RegenerationLimit']);
      expect(body.regenerationsResetAt).toBe(momentOf(monthStart(Date.now(), 1)));
    }
  });

  it('beyond the limit is for support, with a reason that is kept; it comes back with the next month', async () => {
    const { licenceId } = await authority.issue();
    for (let n = 0; n < 3; n++) expect(outcome(await regenerate(licenceId))).toBe(201);
    expect(outcome(await regenerate(licenceId, { supportOverride: 'please' }))).toBe('RoleMissing');
    expect(outcome(await regenerate(licenceId, {}, tokens.vendor))).toBe('RegenerationLimit');
    expect(outcome(await regenerate(licenceId, { supportOverride: 'disk died, ticket 7' }, tokens.vendor))).toBe(201);
    const { body } = await authority.call('GET', `/v1/audit?licenceId=${licenceId}`);
    expect(body).toMatchObject({
      entries: [
        { action: 'regenerate', outcome: 'ok', detail: 'disk died, ticket 7' },
        { outcome: 'RegenerationLimit' },
        {},
        {},
        {},
        {},
      ],
    });
    try {
      authority.setAhead(monthStart(Date.now(), 1) - Date.now() - 60_000);
      expect(outcome(await regenerate(licenceId))).toBe('RegenerationLimit');
      authority.setAhead(monthStart(Date.now(), 1) - Date.now() + 60_000);
      expect(await regenerate(licenceId)).toMatchObject({ status: 201, body: { generation: 6, regenerationsLeft: 2 } });
    } finally {
      authority.setAhead(0);
    }
  });

  it('lets the older key work where it is, until the newer one is activated elsewhere', async () => {
    const [home, away] = [createComputer(), createComputer()];
    const first = await authority.issue();
    await activate(home, first.key);
    const second = (await regenerate(first.licenceId)).body;
    expect(outcome(await activate(home, first.key, 1))).toBe(200); // nothing has moved yet
    expect(outcome(await activate(away, first.key))).toBe('KeySuperseded');
    expect(outcome(await activate(home, second.key))).toBe(200);
    expect(outcome(await activate(home, first.key, 2))).toBe(200); // back to the older one on the same computer
    expect(outcome(await activate(away, second.key))).toBe('KeyBoundElsewhere');
    const third = (await regenerate(first.licenceId)).body;
    expect(outcome(await activate(away, third.key))).toBe(200);
    expect(outcome(await activate(home, first.key, 3))).toBe('KeySuperseded');
    expect(outcome(await activate(home, second.key, 1))).toBe('KeySuperseded');
  });

  it('leaves no second life to an older key that was never activated', async () => {
    const first = await authority.issue();
    await regenerate(first.licenceId);
    expect(outcome(await activate(createComputer(), first.key))).toBe('KeySuperseded');
  });
});

describe('renewing', () => {
  it('makes a key that prolongs, on the same computer only, uncounted', async () => {
    const [home, away] = [createComputer(), createComputer()];
    const first = await authority.issue({ supportUntil: '2027-01-01T00:00:00Z' });
    await activate(home, first.key);
    const { status, body } = await renew(first.licenceId, { supportUntil: '2028-01-01T00:00:00Z' });
    expect([status, body.generation, body.regenerationsLeft]).toEqual([201, 2, 3]);
    expect(outcome(await activate(away, body.key))).toBe('KeyBoundElsewhere');
    const prolonged = await activate(home, body.key);
    expect(readActivation(prolonged.body.activation)?.entitlements).toMatchObject({
      seatLimit: 50,
      supportUntil: '2028-01-01T00:00:00Z',
    });
    const older = await activate(home, first.key, 1);
    expect(readActivation(older.body.activation)?.entitlements.supportUntil).toBe('2027-01-01T00:00:00Z');
  });
});

describe('revoking', () => {
  it('ends a key for good, with the reason in the audit', async () => {
    const computer = createComputer();
    const { key, keyId, licenceId } = await authority.issue();
    await activate(computer, key);
    expect((await authority.call('POST', `/v1/keys/${keyId}:revoke`, { reason: 'not paid' })).status).toBe(200);
    expect(outcome(await activate(computer, key, 1))).toBe('KeyRevoked');
    const { body } = await authority.call('GET', `/v1/audit?licenceId=${licenceId}&limit=2`);
    expect(body).toMatchObject({ entries: [{ outcome: 'KeyRevoked' }, { action: 'revoke', detail: 'not paid' }] });
    expect(outcome(await authority.call('POST', '/v1/keys/zzzz:revoke', { reason: 'x' }))).toBe('KeyUnknown');
  });
});

describe('a copied identity', () => {
  const suspected = async (computer: Computer, key: string, sequence: number) => {
    const { body } = await activate(computer, key, sequence);
    return body.cloneSuspected === true;
  };
  it('shows when two go on from the same activation', async () => {
    const computer = createComputer();
    const { key, keyId } = await authority.issue();
    for (let n = 0; n < 3; n++) expect(await suspected(computer, key, n)).toBe(false);
    expect(await suspected(computer, key, 3)).toBe(false); // the original goes on: gets 4
    expect(await suspected(computer, key, 4)).toBe(false); // gets 5
    expect(await suspected(computer, key, 3)).toBe(true); // the copy was made at 3
    const { body } = await authority.call<{ licences: { keys: { cloneSuspectedAt?: string }[] }[] }>(
      'GET',
      `/v1/licences?keyId=${keyId}`,
    );
    expect(body.licences[0]?.keys[0]?.cloneSuspectedAt).toBeDefined();
  });
  it('is not suspected for a lost answer, nor for a fresh start', async () => {
    const computer = createComputer();
    const { key } = await authority.issue();
    for (const sequence of [0, 0, 2, 2, 2, 5, 0, 7]) expect(await suspected(computer, key, sequence)).toBe(false);
  });
});

describe('the signing keys', () => {
  it('roll over without an unknown key at any moment', async () => {
    const own = await startAuthority();
    try {
      const published = async () =>
        (await own.call<{ keys: { kid: string }[] }>('GET', '/.well-known/jwks.json')).body.keys.map((k) => k.kid);
      const signer = async () => {
        const { key } = await own.issue();
        const { body } = await own.call<ActivationResponse>(
          'POST',
          '/v1/activations',
          createComputer().request(key),
          '',
        );
        const [header = ''] = body.activation.split('.');
        return JSON.parse(Buffer.from(header, 'base64url').toString()).kid;
      };
      const [first] = await published();
      const { kid } = (await own.call('POST', '/v1/signing-keys')).body;
      expect(await published()).toEqual([first, kid]);
      expect(await signer()).toBe(first);
      expect((await own.call('POST', `/v1/signing-keys/${kid}:activate`)).status).toBe(200);
      expect(await signer()).toBe(kid);
      expect(await published()).toEqual([first, kid]);
      expect((await own.call('POST', '/v1/signing-keys/nope:activate')).status).toBe(404);
    } finally {
      await own.end();
    }
  });
});

it('answers probes without a token, and an unknown route as such', async () => {
  expect((await authority.call('GET', '/healthz/ready', undefined, '')).status).toBe(200);
  expect((await authority.call('GET', '/healthz/live', undefined, '')).status).toBe(200);
  expect(outcome(await authority.call('GET', '/v2/keys', undefined, ''))).toBe('RouteUnknown');
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { perMinute } from '../../../authority/rates.ts';
import type { ActivationResponse, IssuedKey } from '../../../licence/authorityWire.ts';
import { createKey } from '../../../licence/key.ts';
import { createComputer, startAuthority, type TestAuthority, tokens } from '../../support/authority.ts';
import { FakeClock } from '../../support/fakeClock.ts';
import { createKeysServer } from '../../support/keysServer.ts';

const plenty = perMinute(6e6);
const metricOf = async (authority: TestAuthority, name: string) => {
  const { body } = await authority.http.inject({
    url: '/metrics',
    headers: { authorization: `Bearer ${tokens.metrics}` },
  });
  return body.split('\n').filter((line) => line.startsWith(`${name}{`));
};

describe('who asks too often', () => {
  const clock = new FakeClock();
  let authority: TestAuthority;
  let issued: IssuedKey;
  const small = { burst: 3, perSecond: 0.1 };
  beforeAll(async () => {
    authority = await startAuthority({
      clock,
      rates: { token: small, activation: { burst: 8, perSecond: 1 }, failure: small },
    });
    issued = await authority.issue();
    clock.freeze(3_600_000);
  });
  afterAll(() => authority.end());

  const statuses = async (n: number, ask: () => Promise<{ status: number }>) => {
    const seen: number[] = [];
    for (let i = 0; i < n; i++) seen.push((await ask()).status);
    return seen;
  };

  it('with one token waits as long as it is told; another token is not held up', async () => {
    const ask = (token: string = tokens.romashka) =>
      authority.call('GET', `/v1/keys/${issued.keyId}`, undefined, token);
    expect(await statuses(4, ask)).toEqual([200, 200, 200, 429]);
    const refused = await ask();
    expect(refused).toMatchObject({ body: { reason: 'TooManyRequests' }, headers: { 'retry-after': '10' } });
    expect(await statuses(1, () => ask(tokens.customer))).toEqual([200]);
    clock.freeze(10_000);
    expect(await statuses(2, ask)).toEqual([200, 429]);
    clock.freeze(3_600_000);
  });

  it('by guessing tokens from one address is slowed down; who has a good one is not', async () => {
    const guess = (token: string) => authority.call('GET', '/v1/licences', undefined, token);
    expect(await statuses(4, () => guess('wrong'))).toEqual([401, 401, 401, 429]);
    expect(await statuses(1, () => guess(tokens.customer))).toEqual([200]);
    clock.freeze(3_600_000);
  });

  it('by guessing keys from one address is slowed down', async () => {
    const ask = async (key: string, path = '/v1/activations') =>
      authority.call('POST', path, createComputer().request(key), '');
    const strange = createKey(Buffer.alloc(16, 9));
    expect(await statuses(4, () => ask(strange, '/v1/activations:check'))).toEqual([404, 404, 404, 429]);
    expect((await ask(issued.key)).status).toBe(200);
    clock.freeze(3_600_000);
  });

  it('by activating from one address waits; nothing is done for what is refused', async () => {
    const computer = createComputer();
    const { key, keyId } = await authority.issue();
    const activate = () => authority.call<ActivationResponse>('POST', '/v1/activations', computer.request(key, 0), '');
    expect(await statuses(9, activate)).toEqual([...Array(8).fill(200), 429]);
    expect((await activate()).headers['retry-after']).toBe('1');
    const { rows } = await authority.pool.query('SELECT sequence FROM licence_key WHERE key_id = $1', [keyId]);
    expect(rows).toEqual([{ sequence: 8 }]);
    expect(await metricOf(authority, 'licence_authority_limited_total')).toEqual(
      expect.arrayContaining([
        'licence_authority_limited_total{what="activation"} 2',
        expect.stringMatching(/what="token"} \d/),
        expect.stringMatching(/what="failure"} \d/),
      ]),
    );
  });
});

it.each([
  ['a proxy that is trusted', { trustedProxies: '127.0.0.0/8' }, [200, 200, 429]],
  ['a proxy that is not', {}, [200, 429, 429]],
])('behind %s clients are told apart by what it says of them, or are one', async (_, limits, expected) => {
  const one = { burst: 1, perSecond: 0.001 };
  const authority = await startAuthority({ rates: { token: plenty, activation: one, failure: plenty } }, limits);
  try {
    const { key } = await authority.issue();
    const computer = createComputer();
    const statuses: number[] = [];
    for (const client of ['203.0.113.1', '203.0.113.2', '203.0.113.2']) {
      const headers = { 'x-forwarded-for': client };
      statuses.push((await authority.call('POST', '/v1/activations:check', computer.request(key), '', headers)).status);
    }
    expect(statuses).toEqual(expected);
  } finally {
    await authority.end();
  }
});

it('a server that is refused as a copy serves on with what it has, and activates again once it is pardoned', async () => {
  const rates = { token: plenty, activation: plenty, failure: plenty };
  const authority = await startAuthority({ clonePolicy: 'refuse', rates });
  const server = await createKeysServer(await authority.open());
  try {
    const { key, keyId } = await authority.issue();
    await server.trust(authority.signingKeys.jwks());
    await server.configure({ erp: key });
    const activateAgain = async (reactivate: string) => {
      await server.start({ reactivate });
      await server.keys.refresh();
      const [status] = server.keys.status().keys;
      const outcome = { state: status?.state, reason: status?.fault?.reason, seats: server.seats() };
      await server.stop();
      return outcome;
    };
    const active = { state: 'Active', reason: undefined, seats: { erp: 50 } };
    expect(await activateAgain('one')).toEqual(active);
    expect(await activateAgain('two')).toEqual(active);
    // A copy of it has gone on meanwhile, twice.
    await authority.pool.query('UPDATE licence_key SET sequence = 9, continued_sequence = 8 WHERE key_id = $1', [
      keyId,
    ]);
    expect(await activateAgain('three')).toEqual({ ...active, reason: 'IdentityCopied' });
    await authority.call('POST', `/v1/keys/${keyId}:pardon`, { reason: 'the copy is stopped' });
    expect(await activateAgain('three')).toEqual(active);
  } finally {
    await server.end();
    await authority.end();
  }
});

describe.each(['report', 'refuse'] as const)('a copied identity, under the policy to %s', (clonePolicy) => {
  let authority: TestAuthority;
  const rates = { token: plenty, activation: plenty, failure: plenty };
  beforeAll(async () => {
    authority = await startAuthority({ clonePolicy, rates });
  });
  afterAll(() => authority.end());

  it('is seen in the answer, the list, the audit and a metric', async () => {
    const computer = createComputer();
    const { key, keyId, licenceId } = await authority.issue();
    await authority.issue();
    const ask = async (sequence: number, path = '/v1/activations') => {
      const url = path;
      const { body } = await authority.call<ActivationResponse & { reason?: string }>(
        'POST',
        url,
        computer.request(key, sequence),
        '',
      );
      return body.reason ?? body.cloneSuspected ?? false;
    };
    const suspects = async () => {
      const { body } = await authority.call<{ licences: { licenceId: string }[] }>(
        'GET',
        '/v1/licences?suspected=true',
      );
      return body.licences.map((l) => l.licenceId);
    };
    for (const sequence of [0, 1, 2, 3]) expect(await ask(sequence)).toBe(false); // the original holds 4
    expect(await suspects()).toEqual([]);
    // The copy was made at 2.
    const seen = clonePolicy === 'report' ? true : 'IdentityCopied';
    expect(await ask(2, '/v1/activations:check')).toBe(clonePolicy === 'report' ? false : 'IdentityCopied');
    expect(await suspects()).toEqual([]); // a check changes nothing
    expect(await ask(2)).toBe(seen);
    expect(await suspects()).toEqual([licenceId]);
    const { body } = await authority.call('GET', `/v1/audit?licenceId=${licenceId}&limit=1`);
    expect(body).toMatchObject({
      entries: [
        {
          action: 'activate',
          outcome: clonePolicy === 'report' ? 'CloneSuspected' : 'IdentityCopied',
          fingerprint: computer.fingerprint,
          detail: expect.stringContaining('continues 2'),
        },
      ],
    });
    const done = clonePolicy === 'report' ? 'reported' : 'refused';
    expect(await metricOf(authority, 'licence_authority_clones_suspected_total')).toContain(
      `licence_authority_clones_suspected_total{outcome="${done}"} 1`,
    );
    // The original goes on where the copy was refused; where both were served, now it is the one that stands out.
    expect(await ask(4)).toBe(clonePolicy === 'report');

    const pardon = { reason: 'the volume was put back from a backup' };
    expect((await authority.call('POST', `/v1/keys/${keyId}:pardon`, pardon, tokens.romashka)).status).toBe(403);
    expect((await authority.call('POST', `/v1/keys/${keyId}:pardon`, pardon)).status).toBe(200);
    expect(await suspects()).toEqual([]);
    expect(await ask(1)).toBe(false);
    expect(await ask(1)).toBe(false); // the answer was lost
    expect(await ask(3)).toBe(seen); // pardoned once
  });
});

import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActivation } from '../../../licence/activation.ts';
import { fingerprintOf, rawPublicKey } from '../../../licence/fingerprint.ts';
import { publicJwk } from '../../../licence/jwks.ts';
import { createKeySet, openKeySet } from '../../../licence/keySet.ts';

const make = () => {
  const pair = generateKeyPairSync('ed25519');
  return { ...pair, jwk: publicJwk(rawPublicKey(pair.publicKey).toString('base64url')) };
};
const [old, next, strange] = [make(), make(), make()];
const trusted = new Map([[old.jwk.kid, old.publicKey]]);
const set = createKeySet([old.jwk, next.jwk], old.jwk.kid, old.privateKey);

describe('a key set', () => {
  it('brings in what a trusted key vouches for', () => {
    expect([...(openKeySet(set, trusted) ?? []).keys()]).toEqual([old.jwk.kid, next.jwk.kid]);
  });

  it.each([
    ['signed by a key that is not trusted', createKeySet([next.jwk], strange.jwk.kid, strange.privateKey)],
    ['signed by another key under a trusted name', createKeySet([next.jwk], old.jwk.kid, strange.privateKey)],
    ['without keys', createKeySet([], old.jwk.kid, old.privateKey)],
    ['with another ending', `${set}.x`],
    ['too long', createKeySet(Array(200).fill(next.jwk), old.jwk.kid, old.privateKey)],
    ['that is empty', ''],
    ['that is an activation', activation()],
  ])('%s brings in nothing', (_, text) => {
    expect(openKeySet(text, trusted)).toBeUndefined();
  });

  it('brings in nothing after any change of a character, and never crashes', () => {
    fc.assert(
      fc.property(fc.nat(set.length - 1), fc.constantFrom(...'Aa0-_.~'), (at, to) => {
        const text = set.slice(0, at) + to + set.slice(at + 1);
        return text === set || openKeySet(text, trusted) === undefined;
      }),
      { numRuns: 2_000 },
    );
  }, 60_000);
});

function activation(): string {
  const raw = rawPublicKey(next.publicKey);
  return createActivation(
    {
      keyId: '0123456789ab',
      generation: 1,
      fingerprint: fingerprintOf(raw),
      serverPublicKey: raw.toString('base64url'),
      issuedAt: '2026-01-01T00:00:00Z',
      sequence: 1,
      entitlements: {
        licenceId: 'l',
        organisation: 'o',
        product: 'erp',
        seatLimit: 1,
        supportPolicy: 'warn',
        features: [],
      },
    },
    old.jwk.kid,
    old.privateKey,
  );
}

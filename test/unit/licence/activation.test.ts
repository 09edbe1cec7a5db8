import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActivation, readActivation, verifyActivation } from '../../../licence/activation.ts';
import { fingerprintOf, rawPublicKey } from '../../../licence/fingerprint.ts';
import { parseTrustedKeys, publicJwk, thumbprintOf } from '../../../licence/jwks.ts';
import { repository } from '../../support/sources.ts';
import { readVectors } from '../../support/vectors.ts';

const vectors = readVectors('activations');
const stated = JSON.parse(readFileSync(join(repository, 'test/vectors/activations/context.json'), 'utf8'));
const trust = parseTrustedKeys(JSON.stringify(stated.trust));
if (!trust.ok) throw new Error(trust.message);
const context = {
  trusted: trust.keys,
  fingerprint: stated.fingerprint as string,
  publicKey: stated.publicKey as string,
  nowMs: Date.parse(stated.now),
};
const good = vectors.find((v) => v.name === 'good')?.input ?? '';

/** Each costs a signature's check; as many as `FORGERIES` says. */
const forgeries = Number(process.env.FORGERIES ?? 20_000);

describe('an activation', () => {
  it.each(vectors.map((v) => [v.name, v] as const))('vector %s', (_, { says, input }) => {
    const result = verifyActivation(input, context);
    expect(result.ok ? 'ok' : result.reason).toBe(says.expect);
  });

  it('gives back what was signed, and is written the same way again', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const jwk = publicJwk(rawPublicKey(privateKey).toString('base64url'));
    const payload = readActivation(good);
    if (payload === undefined) throw new Error('the vector is unreadable');
    const text = createActivation(payload, jwk.kid, privateKey);
    const keys = parseTrustedKeys(JSON.stringify({ keys: [jwk] }));
    if (!keys.ok) throw new Error(keys.message);
    expect(verifyActivation(text, { ...context, trusted: keys.keys })).toEqual({ ok: true, activation: payload });
    expect(createActivation(payload, jwk.kid, privateKey)).toBe(text);
  });

  it('of a trial says so, and one without a word about it keeps its spelling', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const payload = readActivation(good);
    if (payload === undefined) throw new Error('the vector is unreadable');
    const written = (entitlements: object) =>
      createActivation({ ...payload, entitlements: { ...payload.entitlements, ...entitlements } }, 'kid', privateKey);
    expect(written({}).split('.')[1]).toBe(good.split('.')[1]);
    expect(readActivation(written({ trial: true }))?.entitlements.trial).toBe(true);
    const more = {
      countBy: 'userOnHost',
      overdraftSeats: 3,
      weights: { payroll: 3, trade: 2 },
      borrow: { maxHours: 48, keepFree: 1 },
    };
    expect(written({ weights: { trade: 2, payroll: 3 } })).toBe(written({ weights: { payroll: 3, trade: 2 } }));
    expect(readActivation(written(more))?.entitlements).toMatchObject(more);
    const named = { countBy: 'user', assignment: 'named', reassignAfterDays: 30 };
    expect(readActivation(written(named))?.entitlements).toMatchObject(named);
    for (const wrong of [
      { countBy: 'session' },
      { countBy: 'floor' },
      { overdraftSeats: 0 },
      { overdraftSeats: 1.5 },
      { weights: {} },
      { weights: { payroll: 1 } },
      { weights: { payroll: 'three' } },
      { weights: { '7': 3 } },
      { borrow: { maxHours: 0, keepFree: 0 } },
      { borrow: { maxHours: 48, keepFree: -1 } },
      { ...named, countBy: undefined },
      { ...named, assignment: 'floating' },
      { ...named, reassignAfterDays: -1 },
      { assignment: 'named', countBy: 'user' },
    ])
      expect(readActivation(written(wrong))).toBeUndefined();
    // one spelling: what is not a trial says nothing
    const spelled = (trial: unknown) =>
      written({}).replace(/\.([^.]+)\./, (_, body) => {
        const value = JSON.parse(Buffer.from(body, 'base64url').toString());
        value.entitlements.trial = trial;
        return `.${Buffer.from(JSON.stringify(value)).toString('base64url')}.`;
      });
    expect(readActivation(spelled(true))?.entitlements.trial).toBe(true);
    for (const other of [false, null, 'yes', 1]) expect(readActivation(spelled(other))).toBeUndefined();
  });

  it('is signed under the name that libraries know, and counts under the other one, in one spelling each', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const jwk = publicJwk(rawPublicKey(privateKey).toString('base64url'));
    const keys = parseTrustedKeys(JSON.stringify({ keys: [jwk] }));
    const payload = readActivation(good);
    if (!keys.ok || payload === undefined) throw new Error('the vector is unreadable');
    const text = createActivation(payload, jwk.kid, privateKey);
    const [, content = ''] = text.split('.');
    const under = (header: object) => {
      const signed = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${content}`;
      return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`;
    };
    const typ = 'licence-activation+jwt';
    expect(text).toBe(under({ alg: 'EdDSA', typ, kid: jwk.kid }));
    const counts = (given: string) => verifyActivation(given, { ...context, trusted: keys.keys }).ok;
    expect(counts(under({ alg: 'Ed25519', typ, kid: jwk.kid }))).toBe(true);
    for (const header of [
      { alg: 'eddsa', typ, kid: jwk.kid },
      { alg: 'Ed448', typ, kid: jwk.kid },
      { typ, alg: 'EdDSA', kid: jwk.kid },
      { alg: 'EdDSA', typ, kid: jwk.kid, crit: [] },
    ]) {
      expect(counts(under(header))).toBe(false);
    }
  });

  it('does not count after any change of one to three characters', () => {
    const change = fc.record({
      at: fc.nat(good.length - 1),
      to: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'),
      how: fc.constantFrom('replace', 'insert', 'delete'),
    });
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        let text = good;
        for (const { at, to, how } of changes) {
          text = text.slice(0, at) + (how === 'delete' ? '' : to) + text.slice(how === 'insert' ? at : at + 1);
        }
        if (text !== good && verifyActivation(text, context).ok) accepted += 1;
      }),
      { numRuns: forgeries },
    );
    expect(accepted).toBe(0);
  }, 300_000);

  it('never crashes on any text, nor does its reader', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json().map((j) => Buffer.from(j).toString('base64url')),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const text = parts.join('.');
        return !verifyActivation(text, context).ok && readActivation(text) === undefined;
      }),
      { numRuns: 5_000 },
    );
  }, 60_000);
});

describe('the trusted keys', () => {
  const [jwk] = stated.trust.keys;
  const messageOf = (set: unknown) => {
    const parsed = parseTrustedKeys(typeof set === 'string' ? set : JSON.stringify(set));
    return parsed.ok ? 'ok' : parsed.message;
  };
  it('have the thumbprint of RFC 8037 as their name', () => {
    expect(thumbprintOf('11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo')).toBe(
      'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
    );
  });
  it('pass over keys of other kinds', () => {
    expect(
      messageOf({
        keys: [
          { kty: 'RSA', n: 'x', e: 'AQAB' },
          { ...jwk, alg: 'EdDSA' },
        ],
      }),
    ).toBe('ok');
  });
  it.each([
    ['not JSON', 'keys', 'it is not JSON'],
    ['no set', {}, 'it has no member "keys"'],
    ['empty', { keys: [] }, 'it has no Ed25519 key'],
    ['a private key', { keys: [{ ...jwk, d: jwk.x }] }, 'private key'],
    ['twice one kid', { keys: [jwk, jwk] }, 'two keys of kid'],
    ['a damaged key', { keys: [{ ...jwk, x: 'AAAA' }] }, 'damaged x'],
    ['no kid', { keys: [{ ...jwk, kid: undefined }] }, 'without a kid'],
  ])('refuse %s', (_, set, message) => {
    expect(messageOf(set)).toContain(message);
  });
});

it('a fingerprint is a hash of the raw public key', () => {
  expect(fingerprintOf(Buffer.from(stated.publicKey, 'base64url'))).toBe(stated.fingerprint);
});

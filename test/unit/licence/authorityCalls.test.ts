import { describe, expect, it } from 'vitest';
import {
  allowanceCall,
  readAllowance,
  readIssuedKey,
  regenerateCall,
  renewCall,
  unanswered,
} from '../../../licence/authorityCalls.ts';
import { createKey, keyIdOf } from '../../../licence/key.ts';

const key = createKey(Buffer.alloc(16, 1));
const keyId = keyIdOf(key);
const budget = { regenerationsLeft: 2, regenerationsResetAt: '2026-12-01T00:00:00Z' };
const issued = { licenceId: 'lic-1', key, keyId, generation: 2, ...budget };
const allowance = {
  licenceId: 'lic-1',
  organisation: 'Romashka',
  product: 'erp',
  keyId,
  generation: 1,
  newestKeyId: keyId,
  newestGeneration: 1,
  ...budget,
};

describe('a call', () => {
  it('carries the token, and, when it makes a key, the idempotency key', () => {
    expect(allowanceCall(keyId, 'T')).toMatchObject({
      method: 'GET',
      path: `/v1/keys/${keyId}`,
      headers: { authorization: 'Bearer T' },
    });
    for (const [call, verb] of [
      [regenerateCall(keyId, 'T', 'I'), 'regenerate'],
      [renewCall(keyId, 'T', 'I'), 'renew'],
    ] as const) {
      expect(call).toMatchObject({
        method: 'POST',
        path: `/v1/keys/${keyId}:${verb}`,
        headers: { authorization: 'Bearer T', 'idempotency-key': 'I' },
        body: '{}',
      });
    }
  });

  it('cannot be led to another route by what stands for a keyId', () => {
    expect(regenerateCall('../licences/x', 'T', 'I').path).toBe('/v1/keys/..%2Flicences%2Fx:regenerate');
  });
});

describe('an answer', () => {
  it('that is right is given as it is', () => {
    expect(readIssuedKey({ status: 201, body: issued })).toEqual({ ok: true, answer: issued });
    const renewal = { supportUntil: '2028-01-01T00:00:00Z', seatLimit: 9 };
    for (const body of [allowance, { ...allowance, renewal }]) {
      expect(readAllowance({ status: 200, body })).toEqual({ ok: true, answer: body });
    }
  });

  it.each([
    ['no key', { ...issued, key: undefined }],
    ['a key with a typing error', { ...issued, key: key.replace(/.$/, (c) => (c === '0' ? '1' : '0')) }],
    ['a key that is not spelled as keys are', { ...issued, key: key.toLowerCase() }],
    ['the keyId of another key', { ...issued, keyId: '000000000000' }],
    ['no budget', { ...issued, regenerationsLeft: 'many' }],
    ['a list', [issued]],
    ['nothing', undefined],
  ])('with %s is none of an authority', (_, body) => {
    expect(readIssuedKey({ status: 201, body })).toMatchObject({ ok: false, reason: 'AuthorityUntrusted' });
  });

  it.each([
    ['a strange newest key', { ...allowance, newestKeyId: 'x' }],
    ['a strange extension', { ...allowance, renewal: { supportUntil: 'soon' } }],
    ['no product', { ...allowance, product: '' }],
  ])('with %s is none of an authority', (_, body) => {
    expect(readAllowance({ status: 200, body })).toMatchObject({ ok: false, reason: 'AuthorityUntrusted' });
  });

  it.each([
    [
      409,
      { reason: 'RegenerationLimit', detail: 'no', ...budget },
      { reason: 'RegenerationLimit', resetAt: budget.regenerationsResetAt },
    ],
    [
      409,
      { reason: 'KeySuperseded', detail: 'no', newestKeyId: keyId },
      { reason: 'KeySuperseded', newestKeyId: keyId },
    ],
    [409, { reason: 'KeySuperseded', detail: 'no', newestKeyId: 'x\ny' }, { reason: 'KeySuperseded' }],
    [404, { reason: 'KeyUnknown', detail: 'no' }, { reason: 'KeyUnknown' }],
    [401, { reason: 'TokenUnknown', detail: 'no' }, { reason: 'TokenRefused' }],
    [403, { reason: 'RoleMissing', detail: 'no' }, { reason: 'TokenRefused' }],
    [422, { reason: 'IdempotencyKeyReused', detail: 'no' }, { reason: 'IdempotencyKeyReused' }],
    [409, { reason: 'OfTomorrow', detail: 'no' }, { reason: 'AuthorityRefused' }],
    [302, undefined, { reason: 'AuthorityRefused' }],
    [500, { reason: 'KeyUnknown', detail: 'no' }, { reason: 'AuthorityUnreachable' }],
    [503, '<html>', { reason: 'AuthorityUnreachable' }],
  ])('%i with %j is told by its reason', (status, body, expected) => {
    const message = body !== null && typeof body === 'object' ? 'no' : `the authority answers with status ${status}`;
    expect(readIssuedKey({ status, body })).toEqual({ ok: false, message, ...expected });
  });

  it('of an authority that asks to wait says how long', () => {
    const reply = { status: 429, body: { reason: 'TooManyRequests', detail: 'slower' }, retryAfterSeconds: 7 };
    expect(readAllowance(reply)).toEqual({
      ok: false,
      reason: 'AuthorityUnreachable',
      message: 'slower',
      retryAfterSeconds: 7,
    });
    expect(unanswered('timed out')).toMatchObject({ ok: false, reason: 'AuthorityUnreachable' });
  });
});

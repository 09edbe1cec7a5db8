import { describe, expect, it } from 'vitest';
import { cloneSuspected, decideActivation, type KeyState, nextSequence } from '../../../authority/decideActivation.ts';

const state = (generation: number, more: Partial<KeyState> = {}): KeyState => ({
  generation,
  madeBy: 'issue',
  revoked: false,
  sequence: 0,
  continuedSequence: 0,
  pardoned: false,
  ...more,
});
const decide = (key: KeyState, others: KeyState[], fingerprint = 'here') => {
  const decision = decideActivation(key, others, fingerprint);
  return decision.ok ? 'ok' : decision.fault.reason;
};

describe('whether a key may be activated here', () => {
  it.each<[string, KeyState, KeyState[], string]>([
    ['the newest, unbound', state(1), [], 'ok'],
    ['the newest, bound here', state(1, { fingerprint: 'here' }), [], 'ok'],
    ['the newest, bound elsewhere', state(1, { fingerprint: 'away' }), [], 'KeyBoundElsewhere'],
    ['revoked, even here', state(1, { fingerprint: 'here', revoked: true }), [], 'KeyRevoked'],
    ['an older one, bound here', state(1, { fingerprint: 'here' }), [state(2)], 'ok'],
    ['an older one, the newer here too', state(1, { fingerprint: 'here' }), [state(2, { fingerprint: 'here' })], 'ok'],
    ['an older one, unbound', state(1), [state(2)], 'KeySuperseded'],
    ['an older one, bound elsewhere', state(1, { fingerprint: 'away' }), [state(2)], 'KeySuperseded'],
    [
      'an older one, the newer elsewhere',
      state(1, { fingerprint: 'here' }),
      [state(2, { fingerprint: 'away' })],
      'KeySuperseded',
    ],
    [
      'an older one, the newest elsewhere',
      state(1, { fingerprint: 'here' }),
      [state(3, { fingerprint: 'away' }), state(2)],
      'KeySuperseded',
    ],
    [
      'an older one, bound here, the newest revoked',
      state(1, { fingerprint: 'here' }),
      [state(2, { revoked: true })],
      'KeyRevoked',
    ],
    ['an older one, unbound, the newest revoked', state(2), [state(1), state(3, { revoked: true })], 'KeyRevoked'],
    [
      'an older one, bound here, one between revoked',
      state(1, { fingerprint: 'here' }),
      [state(2, { revoked: true }), state(3)],
      'ok',
    ],
    ['the newest, an older one revoked', state(2), [state(1, { revoked: true })], 'ok'],
    ['the newest, an older one elsewhere', state(2), [state(1, { fingerprint: 'away' })], 'ok'],
  ])('%s', (_, key, others, expected) => {
    expect(decide(key, others)).toBe(expected);
  });
});

describe('whether a copy is at work', () => {
  const key = state(1, { sequence: 7, continuedSequence: 4 });
  it.each([
    [0, false],
    [4, false],
    [7, false],
    [5, true],
    [6, true],
    [8, false], // never issued here: this authority was put back from a backup
  ])('continuing %i', (sequence, expected) => {
    expect(cloneSuspected(key, sequence)).toBe(expected);
  });
});

describe('the sequence of the next activation', () => {
  it.each([
    ['after one of the same', 7, 7, 8],
    ['after an older one', 7, 4, 8],
    ['after one that this authority does not know: it was put back from a backup', 1, 3, 4],
    ['after one that nobody can have issued', 7, 2_000_000_000, 8],
    ['is never more than a number of the database holds', 2_147_483_646, 2_147_483_646, 2_147_483_647],
    ['is never more, even so', 2_147_483_647, 2_147_483_646, 2_147_483_647],
  ])('%s', (_, sequence, continued, expected) => {
    expect(nextSequence({ sequence }, continued)).toBe(expected);
  });
});

import { describe, expect, it } from 'vitest';
import { cloneSuspected, decideActivation, type KeyState } from '../../../authority/decideActivation.ts';

const state = (generation: number, more: Partial<KeyState> = {}): KeyState => ({
  generation,
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
    [8, true],
  ])('continuing %i', (sequence, expected) => {
    expect(cloneSuspected(key, sequence)).toBe(expected);
  });
});

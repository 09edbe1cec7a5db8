import { describe, expect, it } from 'vitest';
import type { ActivationPayload } from '../../../licence/authorityWire.ts';
import { effectiveEntitlements } from '../../../licence/effectiveEntitlements.ts';

const activation = (
  licenceId: string,
  generation: number,
  more: Partial<ActivationPayload> & { expiresAt?: string } = {},
): ActivationPayload => ({
  keyId: `${licenceId}${generation}`.padEnd(12, '0'),
  generation,
  fingerprint: `sha256:${'0'.repeat(64)}`,
  serverPublicKey: 'A'.repeat(43),
  issuedAt: '2026-01-01T00:00:00Z',
  sequence: 1,
  entitlements: {
    licenceId,
    organisation: 'Romashka',
    product: 'erp',
    seatLimit: 10 * generation,
    supportPolicy: 'warn',
    features: [],
    ...(more.expiresAt === undefined ? {} : { expiresAt: more.expiresAt }),
  },
  ...more,
});
const now = Date.parse('2026-06-01T00:00:00Z');

describe('what activations grant together', () => {
  it('counts one licence once, by its highest generation, in whatever order they come', () => {
    const both = [activation('a', 2), activation('a', 1), activation('a', 3)];
    for (const list of [both, both.toReversed()]) {
      expect(effectiveEntitlements(list, now)).toMatchObject([{ licenceId: 'a', seatLimit: 30 }]);
    }
  });
  it('counts different licences of a product side by side', () => {
    const licences = effectiveEntitlements([activation('b', 2), activation('a', 1)], now);
    expect(licences.map((l) => [l.licenceId, l.seatLimit])).toEqual([
      ['a', 10],
      ['b', 20],
    ]);
  });
  it('keeps the end of a licence as it is', () => {
    const expiresAt = '2026-05-01T00:00:00Z';
    expect(effectiveEntitlements([activation('a', 1, { expiresAt })], now)).toMatchObject([{ expiresAt }]);
  });
  it('does not revive an ended licence when the clock is set back', () => {
    const list = [activation('a', 1, { expiresAt: '2026-05-01T00:00:00Z' })];
    const setBack = Date.parse('2025-01-01T00:00:00Z');
    expect(effectiveEntitlements(list, setBack, now)).toMatchObject([{ expiresAt: '1970-01-01T00:00:00Z' }]);
  });
});

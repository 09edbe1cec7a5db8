import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alphabet } from '../../../licence/crockford.ts';
import { createKey, isKeyId, keyIdOf, parseKey } from '../../../licence/key.ts';
import { readVectors } from '../../support/vectors.ts';

const random16 = fc.uint8Array({ minLength: 16, maxLength: 16 });

/** As many as `FORGERIES` says. */
const forgeries = Number(process.env.FORGERIES ?? 20_000);

describe('a key', () => {
  it.each(readVectors('keys').map((v) => [v.name, v] as const))('vector %s', (_, { says, input }) => {
    const parsed = parseKey(input);
    expect(parsed.ok ? 'ok' : parsed.reason).toBe(says.expect);
    if (parsed.ok) expect(parsed).toEqual({ ok: true, key: says.key, keyId: says.keyId });
    else expect(parsed.message).toContain(says.says);
  });

  it('is six groups of five and survives being read back', () => {
    fc.assert(
      fc.property(random16, (bytes) => {
        const key = createKey(bytes);
        expect(key).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){5}[0-9A-HJKMNP-TV-Z]{5}$/);
        expect(parseKey(key)).toEqual({ ok: true, key, keyId: keyIdOf(key) });
        expect(isKeyId(keyIdOf(key))).toBe(true);
      }),
    );
  });

  it('differs for each of the 125 bits', () => {
    const base = randomBytes(16);
    const keys = Array.from({ length: 128 }, (_, bit) => {
      const flipped = Buffer.from(base);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
      return createKey(flipped);
    });
    expect(new Set([createKey(base), ...keys]).size).toBe(126);
  });

  it('is refused with any one to five characters wrong, and the message never shows it', () => {
    const places = fc.uniqueArray(fc.nat(29), { minLength: 1, maxLength: 5 });
    const shifts = fc.array(fc.integer({ min: 1, max: 31 }), { minLength: 5, maxLength: 5 });
    let accepted = 0;
    fc.assert(
      fc.property(random16, places, shifts, (bytes, at, by) => {
        const typed = [...createKey(bytes).replaceAll('-', '')];
        at.forEach((place, i) => {
          const symbol = alphabet.indexOf(typed[place] ?? '');
          typed[place] = alphabet[(symbol + (by[i] ?? 1)) % 32] ?? '';
        });
        const parsed = parseKey(typed.join(''));
        if (parsed.ok) accepted += 1;
        else if (at.length === 1) expect(parsed.message).toContain(`group ${Math.floor((at[0] ?? 0) / 5) + 1}`);
        if (!parsed.ok) expect(parsed.message).not.toContain(typed.slice(0, 5).join(''));
      }),
      { numRuns: forgeries },
    );
    expect(accepted).toBe(0);
  }, 60_000);

  it('never crashes on any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 70 }), (text) => !parseKey(text).ok),
      { numRuns: 5_000 },
    );
  }, 60_000);
});

import { describe, expect, test } from 'vitest';
import { parseKeyCheck, parseServerStatus } from '../../../../../operator/licenceServer/observe/serverAnswer.ts';
import { serverStatus } from '../world.ts';

describe("a server's answer", () => {
  test('is taken as agreed, with what a newer version adds left out', () => {
    expect(parseServerStatus({ ...serverStatus(), colour: 'blue' })).toEqual({ ok: true, value: serverStatus() });
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a page', '<html>'],
    ['negative seats', { ...serverStatus(), products: [{ ...serverStatus().products[0], seatsStale: -1 }] }],
    ['seats in words', { ...serverStatus(), products: [{ ...serverStatus().products[0], seatLimit: 'many' }] }],
    [
      'a word for a time',
      { ...serverStatus(), products: [{ ...serverStatus().products[0], supportUntil: 'tomorrow' }] },
    ],
    ['a day without a time', { ...serverStatus(), startedAt: '2030-01-01' }],
    ['one product twice', { ...serverStatus(), products: [...serverStatus().products, ...serverStatus().products] }],
    ['a name without end', { ...serverStatus(), keys: [{ ...serverStatus().keys[0], name: 'k'.repeat(100_000) }] }],
    ['a state of its own', { ...serverStatus(), keys: [{ state: 'Perhaps', source: 'configuration' }] }],
    [
      'ten thousand products',
      { ...serverStatus(), products: Array.from({ length: 10_000 }, () => serverStatus().products[0]) },
    ],
  ])('that is %s counts as none', (_, body) => {
    expect(parseServerStatus(body)).toMatchObject({ ok: false, message: expect.stringContaining('agreed form') });
  });

  test('to a check has to say whether the key is usable', () => {
    expect(parseKeyCheck({ usable: true, keyId: 'k' })).toEqual({ ok: true, value: { usable: true, keyId: 'k' } });
    expect(parseKeyCheck({ keyId: 'k' })).toMatchObject({ ok: false });
  });
});

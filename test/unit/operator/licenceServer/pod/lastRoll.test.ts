import { expect, test } from 'vitest';
import { isNewRoll, lastRollText, parseLastRoll } from '../../../../../operator/licenceServer/pod/lastRoll.ts';
import { nowMs } from '../world.ts';

test('a roll is read as it was written, and nothing else is one', () => {
  const text = lastRollText(nowMs, ['ImageChanged', 'KeysChanged']);
  expect(parseLastRoll(text)).toEqual({ at: '2030-01-01T12:00:00Z', reasons: ['ImageChanged', 'KeysChanged'] });
  for (const other of [undefined, '', 'yesterday KeysChanged', '2030-01-01T12:00:00Z', '2030-01-01T12:00:00Z '])
    expect(parseLastRoll(other)).toBeUndefined();
});

test('one that a Deployment of earlier brings back is not new', () => {
  const roll = (at: string, ...reasons: string[]) => ({ at, reasons });
  const known = roll('2030-01-01T12:00:00Z', 'KeysChanged');
  expect(isNewRoll(known, undefined)).toBe(true);
  expect(isNewRoll(undefined, known)).toBe(false);
  expect(isNewRoll(known, { ...known })).toBe(false);
  expect(isNewRoll(roll('2030-01-01T12:00:01Z', 'KeysChanged'), known)).toBe(true);
  expect(isNewRoll(roll('2030-01-01T12:00:00Z', 'ImageChanged'), known)).toBe(true);
  expect(isNewRoll(roll('2030-01-01T11:00:00Z', 'ImageChanged'), known)).toBe(false);
});

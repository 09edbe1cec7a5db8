import { expect, it } from 'vitest';
import { wakeAfter } from '../../../../operator/kube/wakeAfter.ts';

it.each([
  ['no moment brings no pass', undefined, false, undefined],
  ['a moment ahead brings it then', 1_500, false, { afterMs: 500, isMistake: false }],
  ['a moment that has come brings the next step of what was written', 1_000, true, { afterMs: 1, isMistake: false }],
  ['so does one in the past', 1, true, { afterMs: 1, isMistake: false }],
  [
    'a moment that has come, with nothing changed, is a mistake that must not loop',
    1_000,
    false,
    { afterMs: 30_000, isMistake: true },
  ],
  ['so is one in the past', 1, false, { afterMs: 30_000, isMistake: true }],
  ['and what is no moment at all', Number.NaN, false, { afterMs: 30_000, isMistake: true }],
])('%s', (_, atMs, hasChanged, wake) => {
  expect(wakeAfter(1_000, atMs, hasChanged)).toEqual(wake);
});

import { expect, it } from 'vitest';
import { Swings } from '../../../../server/seats/swings.ts';

const minute = 60_000;
const sessions = (base: string, n: number) => Array.from({ length: n }, (_, i) => `${base}-${i}`);
const all = (n: number) => 'G'.repeat(n);

it('two bases under one name are noticed by the sessions that are granted a seat again and again', () => {
  const swings = new Swings();
  const told: boolean[] = [];
  for (let n = 0; n < 8; n++)
    told.push(swings.reported('trade', sessions(n % 2 ? 'copy' : 'trade', 3), all(3), n * minute));
  expect(told).toEqual([false, false, false, false, true, true, true, true]);
});

it('so is a copy that nobody is in, which empties the base with each report', () => {
  const swings = new Swings();
  const told: boolean[] = [];
  // the empty report grants nothing, so nobody looks at it
  for (let n = 0; n < 4; n++) told.push(swings.reported('trade', sessions('trade', 3), all(3), n * minute));
  expect(told).toEqual([false, false, false, true]);
});

it('people who come and go are no second base: a session that has ended does not come back', () => {
  const swings = new Swings();
  let first = 0;
  for (let n = 0; n < 50; n++) {
    const here = Array.from({ length: 20 }, (_, i) => `session-${first + i}`);
    expect(swings.reported('trade', here, `${'R'.repeat(15)}${'G'.repeat(5)}`, n * minute)).toBe(false);
    first += 5;
  }
});

it('one person whose sessions have no name may come back a few times', () => {
  const swings = new Swings();
  for (let n = 0; n < 4; n++) expect(swings.reported('trade', ['anna'], 'G', n * minute)).toBe(false);
});

it('what is a quarter of an hour old is forgotten, and so are the bases that were not heard of for the longest', () => {
  const swings = new Swings();
  for (let n = 0; n < 8; n++) expect(swings.reported('trade', sessions('a', 3), all(3), n * 16 * minute)).toBe(false);
  for (let n = 0; n < 1_500; n++) swings.reported(`base-${n}`, ['anna'], 'G', 0);
  expect(swings.reported('base-0', ['anna'], 'G', 0)).toBe(false);
});

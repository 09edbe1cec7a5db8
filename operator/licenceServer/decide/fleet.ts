import type { Fleet } from '../observe/observed.ts';
import type { Rolling } from '../observe/rolling.ts';

/** So many holders are named in a message. */
const named = 3;

/**
 * Whether one more server may roll by the operator's own decision (its upgrade, stale seats), as `key` sees it. Rolls that a
 * person asked for neither wait for a place nor take one. Pure.
 */
export function fleetOf(key: string, rolling: readonly Rolling[], maxRollouts: number): Fleet {
  const others = rolling.filter((other) => other.key !== key);
  const failed = failedOf(others);
  if (failed !== undefined) {
    const message = `LicenceServer ${failed} did not come up after its roll; put it right, or pause it, to go on`;
    return { budget: false, message };
  }
  if (others.length < maxRollouts) return { budget: true, message: '' };
  const who = others.map((other) => `${other.key}${other.since === undefined ? '' : ` since ${other.since}`}`).sort();
  const more = who.length > named ? ` and ${who.length - named} more` : '';
  const places = maxRollouts === 1 ? 'one server rolls at a time' : `${maxRollouts} servers roll at a time`;
  return { budget: false, message: `${places}, now ${who.slice(0, named).join(', ')}${more}` };
}

/** The server whose failed roll stops the fleet; undefined: none does. */
export const failedOf = (rolling: readonly Rolling[]): string | undefined =>
  rolling
    .filter(({ failed }) => failed)
    .map(({ key }) => key)
    .sort()[0];

/** Which of those that wait may go on now, in their order. */
export function nextOf(waiting: Iterable<string>, rolling: readonly Rolling[], maxRollouts: number): readonly string[] {
  const next: string[] = [];
  const holders = new Set(rolling.map(({ key }) => key));
  // Thousands may wait, and it is asked at each change of any of them.
  let isFull = false;
  for (const key of waiting) {
    if (next.length === maxRollouts) break;
    if (isFull && !holders.has(key)) continue;
    const others = [...rolling, ...next.map((told) => ({ key: told, failed: false }))];
    if (fleetOf(key, others, maxRollouts).budget) next.push(key);
    else isFull ||= !holders.has(key);
  }
  return next;
}

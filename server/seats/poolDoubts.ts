import { doubtsOfAll } from '../../licence/ruleDoubts.ts';
import type { PoolInfo, Ruling } from './pools.ts';

/** What is told of rules and keys at most: the status has to stay short. */
const mostDoubts = 5;

/** What of reservations, rules and groups is not as it seems, a sentence each. */
export function doubtsOfRules(
  ruling: Ruling,
  groupTroubles: readonly string[],
  pools: readonly PoolInfo[],
): readonly string[] {
  const granted = pools.map(({ product, entitlement: { seatLimit } }) => ({ product, seatLimit }));
  return [...groupTroubles, ...doubtsOfAll(ruling, granted)].slice(0, mostDoubts);
}

/** Of licences that add no seats since they count something else than the first, in a sentence. */
export function countingTrouble(pools: readonly PoolInfo[]): string | undefined {
  const told = pools.flatMap(({ product, entitlement: { countBy, disagreeing, reassignAfterDays } }) =>
    disagreeing.map(
      (key) =>
        `key ${key} adds no seats of ${product}: it counts seats otherwise than the key before it (by ${countBy}${reassignAfterDays === undefined ? '' : ', for named users'}); ask the vendor for keys of one kind`,
    ),
  );
  return told.length === 0 ? undefined : told.slice(0, mostDoubts).join('; ');
}

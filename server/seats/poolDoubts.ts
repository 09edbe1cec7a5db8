import type { PoolInfo, Ruling } from './pools.ts';
import { overReserved } from './reservations.ts';
import { ruleDoubts } from './ruleDoubts.ts';

/** What is told of rules and keys at most: the status has to stay short. */
const mostDoubts = 5;

/** What of reservations, rules and groups is not as it seems, a sentence each. */
export function doubtsOfRules(
  { rules, groups, reservations }: Ruling,
  groupTroubles: readonly string[],
  pools: readonly PoolInfo[],
): readonly string[] {
  const promised = pools.flatMap((p) =>
    p.rules.some((r) => r.reserve !== undefined)
      ? []
      : (overReserved(p.product, p.entitlement.seatLimit, p.reservations) ?? []),
  );
  const products = [...new Set(rules.map((r) => r.product))];
  const told = products.flatMap((product) => {
    const pool = pools.find((p) => p.product === product);
    if (pool === undefined) return [`the rules name the product ${product}, of which no key is active here`];
    const reserved = reservations.filter((r) => r.product === product).reduce((sum, r) => sum + r.seats, 0);
    const around = { seatLimit: pool.entitlement.seatLimit, groups, reserved };
    return ruleDoubts(product, pool.rules, around);
  });
  return [...promised, ...groupTroubles, ...told].slice(0, mostDoubts);
}

/** Of licences that add no seats since they count something else than the first, in a sentence. */
export function countingTrouble(pools: readonly PoolInfo[]): string | undefined {
  const told = pools.flatMap(({ product, entitlement: { countBy, disagreeing } }) =>
    disagreeing.map(
      (key) =>
        `key ${key} adds no seats of ${product}: it counts seats otherwise than the key before it (by ${countBy}); ask the vendor for keys of one kind`,
    ),
  );
  return told.length === 0 ? undefined : told.slice(0, mostDoubts).join('; ');
}

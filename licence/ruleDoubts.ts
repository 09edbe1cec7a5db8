import { effects, type RuleMatch, type SeatRule } from './seatRule.ts';

/** What the rules of one product are held against. */
export interface RuleSurroundings {
  /** 0: not known, or nothing is granted. */
  readonly seatLimit: number;
  /** Of the groups that there are; undefined: not known. */
  readonly groups: { has(name: string): boolean } | undefined;
  /** Seats that older reservations keep. */
  readonly reserved: number;
}

/** Rules that do not do what they seem to, in a sentence each: of a group that is not there, that can never matter, that promise too much. */
export function ruleDoubts(product: string, rules: readonly SeatRule[], around: RuleSurroundings): string[] {
  const { seatLimit, groups } = around;
  const doubts: string[] = [];
  const promised = around.reserved + rules.reduce((sum, r) => sum + (r.reserve ?? 0), 0);
  if (rules.some((r) => r.reserve !== undefined) && seatLimit > 0 && promised > seatLimit) {
    doubts.push(
      `the rules of ${product} reserve ${promised} seats, but the licence has ${seatLimit}: the last ones get less; lower them`,
    );
  }
  rules.forEach((r, i) => {
    const missing = r.match.groups.filter((name) => groups?.has(name) === false);
    if (missing.length > 0) {
      doubts.push(
        `rule ${r.name} names the group ${missing.join(', ')}, which is not there; add the file, or correct the name`,
      );
    }
    for (const [effect, most] of [
      ['max', r.max],
      ['maxEach', r.maxEach],
    ] as const) {
      if (most !== undefined && seatLimit > 0 && most >= seatLimit) {
        doubts.push(
          `rule ${r.name} can never matter: ${effect} ${most} is no less than the ${seatLimit} seats of ${product}`,
        );
      }
    }
    if (fitsAll(r.match)) {
      if (r.onlyThese) doubts.push(`rule ${r.name} can never matter: onlyThese of everybody keeps nobody out`);
      if (r.reserve !== undefined)
        doubts.push(
          `rule ${r.name} can never matter: a seat that is reserved for everybody is for nobody in particular`,
        );
      if (r.allow === false) doubts.push(`rule ${r.name} lets nobody have a seat of ${product}`);
    }
    const before = rules.find((other, j) => j !== i && shadows(other, r, j < i));
    if (before !== undefined) {
      doubts.push(`rule ${r.name} can never matter: rule ${before.name} decides first about everybody whom it fits`);
    }
  });
  return doubts;
}

/** That more seats of a product are reserved than its licence has, in one sentence; undefined while they fit. */
export function overReserved(
  product: string,
  seatLimit: number,
  reservations: readonly Reserved[],
): string | undefined {
  const seats = reservations.reduce((sum, r) => sum + r.seats, 0);
  if (seatLimit === 0 || seats <= seatLimit) return undefined;
  return `${seats} seats of ${product} are reserved, but the licence has ${seatLimit}: the last reservations get less; lower them`;
}

/** Seats of a product that are kept for somebody. */
interface Reserved {
  readonly seats: number;
}
/** What a server is asked to grant seats by. */
export interface Rules {
  readonly rules: readonly SeatRule[];
  readonly reservations: readonly (Reserved & { readonly product: string })[];
  readonly groups: RuleSurroundings['groups'];
}

/**
 * What of rules and reservations of all products is not as it seems, a sentence each.
 * @param granted what the active keys grant; undefined: not known, and then nothing is held against it
 */
export function doubtsOfAll(
  { rules, reservations, groups }: Rules,
  granted: readonly { readonly product: string; readonly seatLimit: number }[] | undefined,
): string[] {
  const reservedOf = (product: string) => reservations.filter((r) => r.product === product);
  const promised = (granted ?? []).flatMap(({ product, seatLimit }) =>
    rules.some((r) => r.product === product && r.reserve !== undefined)
      ? []
      : (overReserved(product, seatLimit, reservedOf(product)) ?? []),
  );
  const told = [...new Set(rules.map((r) => r.product))].flatMap((product) => {
    const seatLimit = granted === undefined ? 0 : granted.find((p) => p.product === product)?.seatLimit;
    if (seatLimit === undefined) return [`the rules name the product ${product}, of which no key is active here`];
    const reserved = reservedOf(product).reduce((sum, r) => sum + r.seats, 0);
    const own = rules.filter((r) => r.product === product);
    return ruleDoubts(product, own, { seatLimit, groups, reserved });
  });
  return [...promised, ...told];
}

const fitsAll = (m: RuleMatch): boolean => [m.users, m.groups, m.bases, m.hosts].every((list) => list.length === 0);

/** Of reserve and priority the first that fits counts; of two bounds the lower one is the only one that ever does. */
function shadows(other: SeatRule, r: SeatRule, isBefore: boolean): boolean {
  const effect = effects.find((e) => r[e] !== undefined);
  if (effect === undefined || other[effect] === undefined || !includes(other.match, r.match)) return false;
  if (effect === 'max' || effect === 'maxEach') {
    const [theirs, own] = [other[effect] ?? 0, r[effect] ?? 0];
    return theirs < own || (theirs === own && isBefore);
  }
  return isBefore && effect !== 'onlyThese';
}

/** Whether it is plain to see that whoever fits `narrow` fits `wide`. */
function includes(wide: RuleMatch, narrow: RuleMatch): boolean {
  const covers = (a: readonly string[], b: readonly string[]) =>
    a.length === 0 || (b.length > 0 && b.every((name) => a.includes(name) || a.includes('*')));
  const anybody = wide.users.length === 0 && wide.groups.length === 0;
  const named = narrow.users.length > 0 || narrow.groups.length > 0;
  const who =
    anybody ||
    (named &&
      narrow.users.every((name) => wide.users.includes(name) || wide.users.includes('*')) &&
      narrow.groups.every((name) => wide.groups.includes(name)));
  return who && covers(wide.bases, narrow.bases) && covers(wide.hosts, narrow.hosts);
}

import { effects, type RuleMatch, type SeatRule } from '../../../licence/seatRule.ts';
import type { Shortage } from '../admission.ts';
import { type HolderKey, separator } from '../holderKey.ts';
import type { PoolInfo } from '../pools.ts';
import { type Groups, matcherOf, type Ruled } from '../seatRules.ts';
import type { Foreseen } from './foresee.ts';

/** What is looked at, in this order, before a seat is granted or refused. */
export const checkKinds = [
  'licence',
  'support',
  'feature',
  'borrow',
  'base',
  'held',
  'assignment',
  'rule',
  'shared',
  'reservation',
  'seats',
  'overdraft',
] as const;
/** `decided`: nothing was asked after it; `passed`: it would have let the holder in, or has nothing against it; `notMatched`: it is about others. */
export const verdicts = ['decided', 'passed', 'notMatched'] as const;
/** What of a holder does not fit a rule. */
export const unmatchedParts = ['user', 'base', 'host'] as const;
export type UnmatchedPart = (typeof unmatchedParts)[number];

/** One step of the way to a decision. */
export interface Check {
  readonly check: (typeof checkKinds)[number];
  readonly verdict: (typeof verdicts)[number];
  /** Of the rule, or of the reservation. */
  readonly name?: string;
  /** What the rule does. */
  readonly effect?: (typeof effects)[number];
  readonly unmatched?: UnmatchedPart;
  /** Seats in use of what is bounded, and the bound. */
  readonly used?: number;
  readonly most?: number;
  readonly shortage?: Shortage;
  /** Who is served before. */
  readonly ahead?: number;
}

type Matching = (holder: HolderKey) => UnmatchedPart | undefined;

/** What of a holder does not fit; undefined: all does. */
function matchingOf({ users, groups: names, bases, hosts }: RuleMatch, groups: Groups): Matching {
  const none = { users: [], groups: [], bases: [], hosts: [] };
  const fitsBase = matcherOf({ ...none, bases }, groups);
  const fitsHost = matcherOf({ ...none, hosts }, groups);
  const fitsUser = matcherOf({ ...none, users, groups: names }, groups);
  return (holder) => {
    const [base = '', user = '', host = ''] = holder.split(separator, 3);
    if (!fitsUser(base, user, host)) return 'user';
    if (!fitsBase(base, user, host)) return 'base';
    return fitsHost(base, user, host) ? undefined : 'host';
  };
}

/** Of the pools as they are now: another ruling makes other ones. */
const matchings = new WeakMap<PoolInfo, readonly { readonly rule: SeatRule; readonly matching: Matching }[]>();

function rulesOf(pool: PoolInfo, groups: Groups) {
  const known = matchings.get(pool);
  if (known !== undefined) return known;
  const made = pool.rules.map((rule) => ({ rule, matching: matchingOf(rule.match, groups) }));
  matchings.set(pool, made);
  return made;
}

/** The effects that decide about a seat one by one; `onlyThese` and `reserve` have steps of their own. */
const deciding: readonly (typeof effects)[number][] = ['allow', 'max', 'maxEach', 'priority'];

export const effectOf = (rule: SeatRule) => effects.find((e) => rule[e] !== undefined) ?? 'priority';

/** Each step that the ledger's decision took, the last one the deciding one. */
export function ledgerChecks(
  pool: PoolInfo,
  groups: Groups,
  holder: HolderKey,
  ruled: Ruled | undefined,
  foreseen: Foreseen,
): Check[] {
  const { decided, counts, tallies, ahead } = foreseen;
  if (decided.code === 'renewed') return [{ check: 'held', verdict: 'decided' }];
  const checks: Check[] = [];
  const caps = ruled?.caps ?? [];
  const barring = decided.code === 'barred' ? caps[decided.cap] : undefined;
  const rules = rulesOf(pool, groups).map(({ rule, matching }) => ({ rule, unmatched: matching(holder) }));

  const only = rules.filter(({ rule }) => rule.onlyThese);
  const [first] = only;
  if (first !== undefined) {
    const naming = only.find(({ unmatched }) => unmatched === undefined);
    const step = { check: 'rule', effect: 'onlyThese', name: (naming ?? first).rule.name } as const;
    if (naming === undefined) return [{ ...step, verdict: 'decided', unmatched: first.unmatched ?? 'user' }];
    checks.push({ ...step, verdict: 'passed' });
  }
  for (const { rule, unmatched } of rules) {
    const effect = effectOf(rule);
    if (!deciding.includes(effect)) continue;
    const step = { check: 'rule', effect, name: rule.name } as const;
    if (unmatched !== undefined) {
      checks.push({ ...step, verdict: 'notMatched', unmatched });
      continue;
    }
    const cap = caps.findIndex((c) => c.rule === rule.name);
    const bounds = cap < 0 || effect === 'allow' ? {} : { used: tallies[cap] ?? 0, most: caps[cap]?.most ?? 0 };
    if (barring?.rule === rule.name) return [...checks, { ...step, ...bounds, verdict: 'decided' }];
    checks.push({ ...step, ...bounds, verdict: 'passed' });
  }
  if (decided.code === 'barred') return checks;

  const seats = { check: 'seats', used: counts.inUse, most: counts.seatLimit } as const;
  const takes = decided.code === 'granted' ? decided.slot : 0;
  if (decided.code === 'granted' && foreseen.sharesSeat) return [...checks, { check: 'shared', verdict: 'decided' }];
  const wanted = ruled?.slot ?? 0;
  pool.reservations.forEach(({ name }, i) => {
    const step = {
      check: 'reservation',
      name,
      used: counts.reservedUsed[i] ?? 0,
      most: counts.reserved[i] ?? 0,
    } as const;
    if (wanted !== i + 1) checks.push({ ...step, verdict: 'notMatched' });
    else checks.push({ ...step, verdict: takes === wanted ? 'decided' : 'passed' });
  });
  if (takes > 0) return checks;
  if (decided.code === 'granted' && decided.overdrawn) {
    const over = { used: counts.inUse - counts.seatLimit, most: counts.overdraft };
    return [...checks, { ...seats, verdict: 'passed' }, { check: 'overdraft', verdict: 'decided', ...over }];
  }
  if (decided.code === 'granted') return [...checks, { ...seats, verdict: 'decided' }];
  return [...checks, { ...seats, verdict: 'decided', shortage: decided.shortage, ahead }];
}

/** What a check says, in one sentence. */
export function sayOf(c: Check): string {
  const of = `${c.used} of ${c.most}`;
  switch (c.check) {
    case 'licence':
      return c.verdict === 'passed' ? 'a key for the product is active' : 'no key for the product is in force';
    case 'support':
      return c.verdict === 'passed' ? 'support does not keep it out' : 'the licence demands support, and it has ended';
    case 'feature':
      return c.verdict === 'passed' ? 'an active key has it' : 'no active key has it';
    case 'borrow':
      return c.verdict === 'passed' ? 'the licence lets a seat be taken along' : 'no seat may be taken along';
    case 'base':
      return c.verdict === 'passed'
        ? 'the instance owns the name of its base'
        : 'another instance owns the name of the base';
    case 'held':
      return 'the holder has a seat already, and keeps it';
    case 'assignment':
      return c.verdict === 'passed' ? 'a seat is assigned to the user' : 'no seat is assigned to the user';
    case 'shared':
      return 'the seat is in use already by leases that share it';
    case 'reservation':
      if (c.verdict === 'notMatched') return `kept for others: ${of} in use`;
      return c.verdict === 'decided'
        ? `a seat that is kept for this holder is free: ${of} in use`
        : `kept for this holder, and taken: ${of} in use`;
    case 'overdraft':
      return `the licence allows ${c.most} seats beyond its limit: ${c.used} in use`;
    case 'seats':
      if (c.shortage === 'taken')
        return (c.used ?? 0) < (c.most ?? 0) ? `too few are free: ${of} in use` : allTaken(c.most);
      if (c.shortage === 'reserved') return `the free seats are kept for others: ${of} in use`;
      if (c.shortage === 'queued') return `others wait longer (${c.ahead}): ${of} in use`;
      return c.verdict === 'passed' ? allTaken(c.most) : `a seat is free: ${of} in use`;
    case 'rule':
      return ruleText(c);
  }
}

function ruleText({ effect, verdict, unmatched, used, most }: Check): string {
  if (effect === 'onlyThese')
    return verdict === 'passed'
      ? 'lets this holder in'
      : `only whom such a rule matches gets a seat, and the ${unmatched} does not match`;
  if (verdict === 'notMatched') return `is about others: the ${unmatched} does not match`;
  if (effect === 'allow') return 'keeps this holder out';
  if (effect === 'priority') return 'says when it is served in the queue';
  const whose = effect === 'maxEach' ? ' of this user' : '';
  return `${used} of ${most} seats${whose} are in use`;
}

const allTaken = (seats = 0): string => (seats === 1 ? 'the only seat is taken' : `all ${seats} seats are taken`);

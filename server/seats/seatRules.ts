import { z } from 'zod';
import { durationMs, durationPattern } from '../../licence/duration.ts';
import { effects, type RuleMatch, type SeatRule } from '../../licence/seatRule.ts';
import { bounds } from '../../licence/words.ts';
import { fold, type HolderKey, separator } from './holderKey.ts';
import type { Reservation } from './reservations.ts';

const mostSeats = 1_000_000;
const patterns = z.array(z.string().min(1).max(bounds.holderPart)).max(100).default([]);
const label = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be lower-case letters, digits and hyphens');
const match = z.strictObject({
  users: patterns,
  groups: z.array(z.string().min(1).max(253)).max(100).default([]),
  bases: patterns,
  hosts: patterns,
});
/** A duration of so many seconds, as `1h30m`. */
const duration = (min: number, max: number) =>
  z
    .string()
    .refine((text) => {
      const ms = durationMs(text);
      return durationPattern.test(text) && ms >= min * 1_000 && ms <= max * 1_000;
    }, `must be a duration from ${min}s to ${max}s, such as 30m`)
    .optional();
const rule = z
  .strictObject({
    name: label,
    product: z.string().min(1).max(bounds.product),
    match: match.default({ users: [], groups: [], bases: [], hosts: [] }),
    allow: z.literal(false).optional(),
    onlyThese: z.literal(true).optional(),
    max: z.int().min(1).max(mostSeats).optional(),
    maxEach: z.int().min(1).max(mostSeats).optional(),
    reserve: z.int().min(1).max(mostSeats).optional(),
    priority: z.int().min(-1_000).max(1_000).optional(),
    idleAfter: duration(60, 86_400),
    minimumHold: duration(1, 86_400),
  })
  .refine((r) => effects.filter((effect) => r[effect] !== undefined).length === 1, {
    message: `must have one of ${effects.join(', ')}`,
  });
const rules = z.array(rule).max(64);

/** Reads `LICENCE_RULES`. @throws Error that names the rule, the field and what is wrong. */
export function parseRules(text: string | undefined): SeatRule[] {
  if (text === undefined) return [];
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error('must be JSON: a list of {name, product, match: {users, groups, bases, hosts}, and one effect}');
  }
  const read = rules.safeParse(json);
  if (!read.success) {
    throw new Error(read.error.issues.map((i) => `${placeOf(json, i.path)}: ${i.message}`).join('; '));
  }
  const names = new Set<string>();
  for (const { name } of read.data) {
    if (names.has(name)) throw new Error(`rule ${name}: there are two of this name`);
    names.add(name);
  }
  return read.data;
}

/** `rule chief, max`: the rule by its name if it has one, else by its place. */
function placeOf(json: unknown, [at, ...field]: readonly PropertyKey[]): string {
  if (at === undefined) return 'list';
  const name = (json as { name?: unknown }[])[Number(at)]?.name;
  return [`rule ${typeof name === 'string' ? name : Number(at) + 1}`, ...field.map(String)].join(', ');
}

/** Names of one group, folded. */
export interface Group {
  readonly names: ReadonlySet<string>;
  readonly patterns: RegExp | undefined;
}
export type Groups = ReadonlyMap<string, Group>;

/** All patterns of a list as one expression over folded names. */
export const expressionOf = (patterns: readonly string[]): RegExp =>
  new RegExp(
    `^(?:${patterns
      .map((p) =>
        fold(p)
          .replace(/[.+^${}()|[\]\\/]/g, '\\$&')
          .replaceAll('*', '.*')
          .replaceAll('?', '.'),
      )
      .join('|')})$`,
    'u',
  );

type Fits = (name: string) => boolean;
const isPattern = (name: string) => name.includes('*') || name.includes('?');

/** Whether a folded name is in a list of names and patterns: one look-up for all names, one expression for all patterns. */
export function groupOf(lines: readonly string[]): Group {
  const patterns = lines.filter(isPattern);
  return {
    names: new Set(lines.filter((line) => !isPattern(line)).map(fold)),
    patterns: patterns.length === 0 ? undefined : expressionOf(patterns),
  };
}
const isIn = (group: Group | undefined, name: string): boolean =>
  group !== undefined && (group.names.has(name) || (group.patterns?.test(name) ?? false));
const fits = (patterns: readonly string[]): Fits => {
  if (patterns.length === 0) return () => true;
  const group = groupOf(patterns);
  return (name) => isIn(group, name);
};

/** A bound that a check-out runs into, or not. */
export interface RuleCap {
  readonly rule: string;
  readonly tally: string;
  /** 0: the rule lets nobody in. */
  readonly most: number;
}
/** What the rules say about one holder. */
export interface Ruled {
  /** The number of the reservation that it matches; 0: none. */
  readonly slot: number;
  readonly priority: number;
  readonly caps: readonly RuleCap[];
  /** How long its program may be idle, in ms; absent: as long as it likes. */
  readonly idleAfterMs?: number | undefined;
  /** How long its seat is held at least, in ms; absent: as long as it is needed. */
  readonly holdMs?: number | undefined;
}
export type RulesOf = (holder: HolderKey) => Ruled;

const unruled: Ruled = { slot: 0, priority: 0, caps: [] };

type Matches = (base: string, user: string, host: string) => boolean;

/** Whether folded names of base, user and host fit. */
export function matcherOf(
  m: Pick<RuleMatch, 'users' | 'bases' | 'hosts'> & Partial<RuleMatch>,
  groups: Groups,
): Matches {
  const [users, bases, hosts] = [fits(m.users), fits(m.bases), fits(m.hosts)];
  const named = m.groups ?? [];
  const own = named.map((name) => groups.get(name));
  const anybody = m.users.length === 0 && named.length === 0;
  const says = (user: string, host: string) =>
    anybody || (m.users.length > 0 && users(user)) || own.some((group) => isIn(group, user) || isIn(group, host));
  return (base, user, host) => bases(base) && hosts(host) && says(user, host);
}

/**
 * Answers what reservations and rules of one product say about a holder. Reservations count before `reserve` rules; both are
 * numbered in their order, from 1.
 */
export function compileRules(
  reservations: readonly Reservation[],
  rules: readonly SeatRule[],
  groups: Groups,
): RulesOf {
  if (reservations.length === 0 && rules.length === 0) return () => unruled;
  const reserving = rules.filter((r) => r.reserve !== undefined);
  const slots = [...reservations, ...reserving.map((r) => r.match)].map((m) => matcherOf(m, groups));
  const others = rules
    .filter((r) => r.reserve === undefined)
    .map((r) => ({
      ...r,
      matches: matcherOf(r.match, groups),
      idleAfterMs: r.idleAfter === undefined ? undefined : durationMs(r.idleAfter),
      holdMs: r.minimumHold === undefined ? undefined : durationMs(r.minimumHold),
    }));
  const only = others.filter((r) => r.onlyThese);
  return (key) => {
    const [base = '', user = '', host = ''] = key.split(separator, 3);
    const slot = slots.findIndex((matches) => matches(base, user, host)) + 1;
    let priority: number | undefined;
    let idleAfterMs: number | undefined;
    let holdMs: number | undefined;
    const caps: RuleCap[] = [];
    let isNamed = false;
    for (const r of others) {
      if (r.priority !== undefined && priority !== undefined) continue;
      if (!r.matches(base, user, host)) continue;
      if (r.allow === false) caps.push({ rule: r.name, tally: r.name, most: 0 });
      else if (r.max !== undefined) caps.push({ rule: r.name, tally: r.name, most: r.max });
      else if (r.maxEach !== undefined) caps.push({ rule: r.name, tally: r.name + separator + user, most: r.maxEach });
      else if (r.onlyThese) isNamed = true;
      else if (r.priority !== undefined) priority = r.priority;
      else {
        idleAfterMs ??= r.idleAfterMs;
        holdMs ??= r.holdMs;
      }
    }
    const [first] = only;
    if (first !== undefined && !isNamed) caps.unshift({ rule: first.name, tally: first.name, most: 0 });
    return { slot, priority: priority ?? 0, caps, idleAfterMs, holdMs };
  };
}

/** The caps as the ledger's SQL reads them; undefined: none. */
export const capsText = (caps: readonly Omit<RuleCap, 'rule'>[]): string | undefined =>
  caps.length === 0 ? undefined : caps.map((c) => `${c.most}:${c.tally}`).join('\u001e');

/** Whether the rules need seats to be tallied. */
export const hasCaps = (rules: readonly SeatRule[]): boolean =>
  rules.some((r) => r.max !== undefined || r.maxEach !== undefined);

/** What the ledger has to know of the rules about a holder. */
export const claimed = (ruled: Ruled | undefined) =>
  ruled === undefined
    ? { slot: 0 }
    : {
        slot: ruled.slot,
        priority: ruled.priority,
        caps: capsText(ruled.caps),
        idleAfterMs: ruled.idleAfterMs,
        holdMs: ruled.holdMs,
      };

/** Whether seats may linger, or be given up when idle. */
export const hasTimes = (rules: readonly SeatRule[]): boolean =>
  rules.some((r) => r.idleAfter !== undefined || r.minimumHold !== undefined);

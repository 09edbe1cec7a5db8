import { doubtsOfAll, type RuleSurroundings } from '../../../licence/ruleDoubts.ts';
import type { SeatRule } from '../../../licence/seatRule.ts';
import type { Spec, Status } from '../api/types.ts';

/** Seat rules and what they name, as a LicenceServer has them. */
export interface RulesSeen {
  readonly spec: Spec;
  /** Entries of its ConfigMap of groups; undefined: not to be seen. */
  readonly groups: RuleSurroundings['groups'];
}

/**
 * What a running server is going to doubt of the rules that it did not doubt before, a sentence each: the condition RulesSound told
 * beforehand, held against the seats that the keys grant now. Pure.
 * @param before undefined: there is no such server yet
 */
export function doubtsBrought(
  before: RulesSeen | undefined,
  after: RulesSeen,
  granted: Status['products'],
): readonly string[] {
  const known = new Set(before === undefined ? [] : doubtsOf(before, granted));
  return doubtsOf(after, granted).filter((doubt) => !known.has(doubt));
}

/** Whether a spec has rules that name groups: only then they are worth reading. */
export const namesGroups = ({ seats: { rules = [] } }: Spec): boolean =>
  rules.some(({ match }) => (match?.groups ?? []).length > 0);

const everybody = { users: [], groups: [], bases: [], hosts: [] };

function doubtsOf({ spec, groups }: RulesSeen, granted: Status['products']): readonly string[] {
  const { rules = [], reservations = [] } = spec.seats;
  const read = rules.map((rule) => ({ ...rule, match: { ...everybody, ...rule.match } }) as SeatRule);
  return doubtsOfAll({ rules: read, reservations, groups }, granted);
}

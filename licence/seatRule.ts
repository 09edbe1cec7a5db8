/**
 * Who may have seats of a product, and how many. One rule has one effect:
 * `allow: false`: who matches gets none · `onlyThese`: of a product that has such rules only those who match one get any · `max`:
 * seats of those who match, together · `maxEach`: of each user who matches · `reserve`: seats kept for those who match ·
 * `priority`: their place in the queue · `idleAfter`: how long their programs may be idle before a seat goes to whoever waits ·
 * `minimumHold`: how long a seat is held at least. Whoever holds a seat keeps it. Of `reserve`, `priority`, `idleAfter` and `minimumHold` the first
 * that match count, of all other effects every one.
 */
export interface SeatRule {
  readonly name: string;
  readonly product: string;
  readonly match: RuleMatch;
  readonly allow?: false | undefined;
  readonly onlyThese?: true | undefined;
  readonly max?: number | undefined;
  readonly maxEach?: number | undefined;
  readonly reserve?: number | undefined;
  readonly priority?: number | undefined;
  /** A duration, such as 30m. */
  readonly idleAfter?: string | undefined;
  /** A duration. */
  readonly minimumHold?: string | undefined;
}

/**
 * Patterns with `*` for any text and `?` for any one character. `users` and `groups` say who: one of them is enough; `bases` and
 * `hosts` narrow it down. What is empty fits everybody.
 */
export interface RuleMatch {
  readonly users: readonly string[];
  /** Names of groups; a group lists users and computers. */
  readonly groups: readonly string[];
  readonly bases: readonly string[];
  readonly hosts: readonly string[];
}

/** What one rule does. */
export const effects = [
  'allow',
  'onlyThese',
  'max',
  'maxEach',
  'reserve',
  'priority',
  'idleAfter',
  'minimumHold',
] as const;

import { timestamp } from './times.ts';

/** `metav1.Condition`. */
export interface Condition {
  /** UpperCamelCase, unique in its list. */
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** UpperCamelCase; what programs match. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
  /** When `status` last changed, RFC 3339. */
  readonly lastTransitionTime: string;
  /** The generation of the spec that was judged. */
  readonly observedGeneration?: number;
}
export type ConditionInput = Omit<Condition, 'lastTransitionTime'>;

/** The conditions that kstatus and `kubectl wait` understand, besides a type's own ones. */
export const ready = 'Ready';
export const reconciling = 'Reconciling';
export const stalled = 'Stalled';

export const findCondition = (conditions: readonly Condition[] | undefined, type: string): Condition | undefined =>
  conditions?.find((condition) => condition.type === type);

export const isTrue = (conditions: readonly Condition[] | undefined, type: string): boolean =>
  findCondition(conditions, type)?.status === 'True';

/**
 * The conditions with `set` put in by type. `lastTransitionTime` moves only when `status` does, so that setting the same
 * again changes nothing. Types keep their place; new ones come last.
 */
export function setConditions(
  before: readonly Condition[] | undefined,
  set: readonly ConditionInput[],
  nowMs: number,
): Condition[] {
  const conditions = new Map((before ?? []).map((condition) => [condition.type, condition]));
  for (const input of set) {
    const old = conditions.get(input.type);
    const lastTransitionTime = old?.status === input.status ? old.lastTransitionTime : timestamp(nowMs);
    conditions.set(input.type, { ...input, lastTransitionTime });
  }
  return [...conditions.values()];
}

/** The conditions without the types named: those that no longer apply are removed, not set to False (kstatus). */
export const removeConditions = (before: readonly Condition[] | undefined, types: readonly string[]): Condition[] =>
  (before ?? []).filter((condition) => !types.includes(condition.type));

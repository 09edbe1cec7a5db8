import { type Problem, ProblemError } from '../../runtime/problem.ts';

/** What came of something that a person asked for: refusals of normal life are values. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

export const refused = (status: number, reason: string, detail: string): { ok: false; problem: Problem } => ({
  ok: false,
  problem: { status, reason, detail },
});

/** @throws ProblemError of a refusal */
export function orRefused<T>(answer: Answer<T>): T {
  if (answer.ok) return answer.value;
  throw new ProblemError(answer.problem);
}

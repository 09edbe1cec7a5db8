/** A refusal of normal life, told to an HTTP client as RFC 9457 `application/problem+json` with a stable `reason`. */
export interface Problem {
  readonly status: number;
  /** Stable, machine-readable, PascalCase. */
  readonly reason: string;
  /** One sentence for a person: what is wrong and what to do. */
  readonly detail: string;
  /** Further members of the problem document. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Seconds for a `Retry-After` header. */
  readonly retryAfterSeconds?: number;
}

/** Thrown by routes; the shell turns it into a problem document. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

/** The document's body (RFC 9457, section 3); `type` is `about:blank`, since `reason` is what programs match. */
export const problemBody = (p: Problem): Record<string, unknown> => ({
  type: 'about:blank',
  title: p.reason,
  status: p.status,
  reason: p.reason,
  detail: p.detail,
  ...p.extra,
});

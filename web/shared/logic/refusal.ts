/** A refusal of the server: the members of its problem document that a page uses. */
export interface Refusal {
  /** 0: no answer came. */
  readonly status: number;
  readonly reason: string;
  readonly detail: string;
}

/** The words of a page, looked up by keys that are put together here. */
interface Finds {
  find(key: string, values?: Readonly<Record<string, string>>): string | undefined;
}

/** One or two sentences: what is wrong and what to do, in the person's language. */
export function refusalText({ status, reason, detail }: Refusal, text: Finds): string {
  const values = { detail };
  const own = (key: string) => text.find(key, values);
  const known = status === 0 ? own('problem.network') : (own(`problem.${reason}`) ?? own(`fault.${reason}`));
  return known ?? own(`problem.${byStatus(status, reason)}`) ?? own('problem.unknown') ?? detail;
}

/** What a refusal means that has no words of its own. */
function byStatus(status: number, reason: string): string {
  if (status === 401) return 'TokenInvalid';
  if (status === 403) return 'RoleInsufficient';
  if (status === 429) return 'TooManyFailures';
  return status >= 500 && reason === 'Unknown' ? 'InternalError' : 'unknown';
}

import type { KeyFault } from '../../../licence/keyFaults.ts';
import type { Text } from '../text/text.ts';

/** A refusal of the server: the members of its problem document that the page uses. */
export interface Refusal {
  /** 0: no answer came. */
  readonly status: number;
  readonly reason: string;
  readonly detail: string;
}

/** One or two sentences: what is wrong and what to do, in the person's language. */
export function refusalText(refusal: Refusal, text: Text): string {
  if (refusal.status === 0) return text.t('problem.network');
  const values = { detail: refusal.detail };
  const own = text.find(`problem.${refusal.reason}`, values) ?? text.find(`fault.${refusal.reason}`);
  if (own !== undefined) return own;
  if (refusal.status === 401) return text.t('problem.TokenInvalid');
  if (refusal.status === 403) return text.t('problem.RoleInsufficient');
  if (refusal.status === 429) return text.t('problem.TooManyFailures');
  if (refusal.status >= 500 && refusal.reason === 'Unknown') return text.t('problem.InternalError');
  return text.t('problem.unknown', { detail: refusal.detail });
}

/** A key's fault in plain words; the server's own sentence where the page has none. */
export const faultText = (fault: KeyFault, text: Text): string => text.find(`fault.${fault.reason}`) ?? fault.message;

/** A denial's reason in plain words; the reason itself where the page has none. */
export const denialText = (reason: string, text: Text): string => text.find(`denial.${reason}`) ?? reason;

import type { KeyFault } from '../../../licence/keyFaults.ts';
import type { Text } from '../text/text.ts';

/** A key's fault in plain words; the server's own sentence where the page has none. */
export const faultText = (fault: KeyFault, text: Text): string => text.find(`fault.${fault.reason}`) ?? fault.message;

/** A denial's reason in plain words; the reason itself where the page has none. */
export const denialText = (reason: string, text: Text): string => text.find(`denial.${reason}`) ?? reason;

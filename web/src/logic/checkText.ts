import type { Text } from '../text/text.ts';
import type { Explained } from '../wire.ts';

type Check = Explained['checks'][number];

/** What a check of an explanation says, in the person's language; the server's own sentence where the page has none. */
export function checkText(c: Check, text: Text): string {
  const values = {
    used: text.number(c.used ?? 0),
    most: text.number(c.most ?? 0),
    ahead: text.number(c.ahead ?? 0),
    part: text.find(`why.part.${c.unmatched}`) ?? '',
  };
  return text.find(`why.${kindOf(c)}`, values) ?? c.says;
}

/** Whose words say it: `rule.max.passed`, `seats.taken`, `held.decided`. */
function kindOf({ check, verdict, effect, shortage, used = 0, most = 0 }: Check): string {
  if (check === 'rule') {
    const isOthers = verdict === 'notMatched';
    return isOthers ? 'rule.others' : `rule.${effect}${effect === 'onlyThese' ? `.${verdict}` : ''}`;
  }
  if (check === 'seats' && shortage === 'taken' && used < most) return 'seats.few';
  if (check === 'seats' && verdict === 'decided') return `seats.${shortage ?? 'free'}`;
  return `${check}.${verdict}`;
}

/** The name of what is looked at: of a rule or reservation its own. */
export const checkName = ({ check, name }: Check, text: Text): string =>
  name === undefined ? (text.find(`why.check.${check}`) ?? check) : (text.find(`why.named.${check}`, { name }) ?? name);

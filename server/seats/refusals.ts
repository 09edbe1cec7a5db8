import type { Shortage } from './admission.ts';
import { type ProductEntitlement, supportState } from './entitlement.ts';
import type { ClaimResult } from './seatLane.ts';
import type { RuleCap } from './seatRules.ts';

/** Why a check-out is refused, for programs and for people: what the refusal says, and an explanation beforehand. */

export const instanceConflict = (base: string, instance: string) =>
  `the base ${base} is another instance's, not that of ${instance}: a copy needs a name of its own; if the base has moved, ` +
  'have an administrator adopt it (kubectl licence adopt, or POST /v1/bases/{base}:adopt)';

/** Whether the licence demands support, and this version of the program has none. */
export const lacksSupport = (entitlement: ProductEntitlement, releasedAtMs: number | undefined): boolean =>
  entitlement.supportPolicy === 'require' && supportState(entitlement, releasedAtMs, Date.now()) === 'expired';

export const notAssigned = (product: string): string =>
  `seats of ${product} are for named users, and none is assigned to this one; ask the administrator of the licences to assign one`;

/** Whether a feature is asked for that no licence in force has; of a product that has ended that is not what is wrong. */
export const lacksFeature = (entitlement: ProductEntitlement, feature: string | undefined): boolean =>
  feature !== undefined && !entitlement.features.includes(feature) && !hasEnded(entitlement);

/** Whether what the licences grant refuses a program, however many seats are free. */
export const refusedByTerms = (
  entitlement: ProductEntitlement | undefined,
  wanted: { readonly releasedAtMs: number | undefined; readonly feature: string | undefined },
): boolean =>
  entitlement === undefined ||
  lacksSupport(entitlement, wanted.releasedAtMs) ||
  lacksFeature(entitlement, wanted.feature);

export const featureText = (product: string, feature: string | undefined): string =>
  `no active key of ${product} has the feature ${feature}; ask the vendor for one that has, or correct the name`;

export const borrowNotLicensed = (product: string): string =>
  `no active key of ${product} lets seats be borrowed; ask the vendor for one that does`;
/** What is wrong with so many hours, with the field and the rule; undefined: nothing. */
export function borrowFault(entitlement: ProductEntitlement, product: string, hours: number): string | undefined {
  const { borrow, expiresAt } = entitlement;
  if (borrow !== undefined && hours > borrow.maxHours)
    return `hours: at most ${borrow.maxHours}, as far as the licence of ${product} lets seats be borrowed`;
  return expiresAt !== undefined && Date.now() + hours * 3_600_000 > Date.parse(expiresAt)
    ? `hours: the licence of ${product} ends at ${expiresAt}, before the seat would be back`
    : undefined;
}
export const borrowLimit = (product: string, lent: number, most: number): string =>
  `${most} seats of ${product} may be borrowed at once, and ${lent} are; ask again when one is back`;

export const reasonOfCap = (cap: RuleCap | undefined): 'NotPermitted' | 'RuleLimit' =>
  cap?.most === 0 ? 'NotPermitted' : 'RuleLimit';

export const capText = (product: string, cap: RuleCap | undefined): string =>
  cap?.most === 0
    ? `the rule ${cap.rule} does not let this holder have a seat of ${product}; ask the administrator of the licences`
    : `the rule ${cap?.rule} allows ${cap?.most} seats of ${product}, and they are taken; ask again later, or ask the administrator of the licences`;

export const reasonOf = (shortage: Shortage | undefined): 'SeatsExhausted' | 'SeatsReserved' =>
  shortage === 'reserved' ? 'SeatsReserved' : 'SeatsExhausted';

/** What is true of a refusal, for a person. `size`: how many seats were asked for. */
export function shortageText(
  product: string,
  {
    shortage,
    seatLimit,
    inUse,
    reservedFree,
    waiting,
    place,
  }: Pick<ClaimResult, 'shortage' | 'seatLimit' | 'inUse' | 'reservedFree' | 'waiting' | 'place'>,
  size = 1,
): string {
  if (size > 1 && size > seatLimit)
    return `${size} seats of ${product} are asked for, but the licence has ${seatLimit}`;
  if (size > 1 && shortage === 'taken')
    return `${size} seats of ${product} are asked for, but of ${seatLimit} only ${Math.max(seatLimit - inUse, 0)} are free`;
  const ahead = place === undefined ? waiting : place - 1;
  if (shortage === 'reserved')
    return `${reservedFree} of ${seatLimit} seats of ${product} are free, but kept for others (reservations)`;
  const others = ahead === 1 ? 'one waits before you' : `${ahead} wait before you`;
  if (shortage === 'queued') return `${seatLimit - inUse} of ${seatLimit} seats of ${product} are free, but ${others}`;
  const taken =
    seatLimit === 1 ? `the only seat of ${product} is taken` : `all ${seatLimit} seats of ${product} are taken`;
  return ahead > 0 ? `${taken}, and ${others}` : taken;
}

/** The whole licence has ended: no seats are left of it, whoever asks. */
export const hasEnded = ({ seatLimit, expiresAt }: ProductEntitlement): boolean =>
  seatLimit === 0 && expiresAt !== undefined;

export const unknownProduct = (product: string): string =>
  `no key for the product ${product} is active here; install one, or check its name`;
export const supportEnded = (product: string, { supportUntil }: ProductEntitlement): string =>
  `support of ${product} ended at ${supportUntil}, before this version came out; extend it, or use an older version`;
export const licenceEnded = (product: string, { expiresAt }: ProductEntitlement): string =>
  `the licence of ${product} ended at ${expiresAt}; install a key that prolongs it`;

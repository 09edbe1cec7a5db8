import { regenerationsPerMonth } from '../../../licence/authorityWire.ts';
import type { KeyStatus, ProductStatus, ServerStatus } from '../../../licence/serverStatus.ts';
import type { Text } from '../text/text.ts';
import { faultText } from './problemText.ts';
import { formatRoute } from './route.ts';

/** Something that a person should see or do, worst first. */
export interface Attention {
  readonly level: 'critical' | 'warning';
  readonly text: string;
  /** Where it is put right. */
  readonly link?: { readonly href: string; readonly text: string };
}

const dayMs = 86_400_000;
/** How long before the end of a term the page begins to tell. */
export const termNoticeMs = 30 * dayMs;

/** How a key is called: by its configured name, else by its id. */
export const keyLabel = (key: Pick<KeyStatus, 'name' | 'keyId'>): string => key.name ?? key.keyId ?? '?';

/** Time left until a moment: `ended`, `soon` (within the notice) or `far`. */
export function termState(until: string | undefined, now: number): 'none' | 'ended' | 'soon' | 'far' {
  if (until === undefined) return 'none';
  const left = Date.parse(until) - now;
  if (left <= 0) return 'ended';
  return left <= termNoticeMs ? 'soon' : 'far';
}

/** @param now milliseconds since the epoch */
export function attentionOf(status: ServerStatus, text: Text, now: number): Attention[] {
  const found: Attention[] = [];
  if (status.trouble !== undefined) {
    found.push({ level: 'critical', text: text.t('attention.trouble', { message: status.trouble }) });
  }
  for (const doubt of status.ruleDoubts ?? []) {
    found.push({ level: 'warning', text: text.t('attention.rule', { message: doubt }) });
  }
  if (status.backup?.fault !== undefined) {
    const { fault: why, lastSuccessAt } = status.backup;
    const key = lastSuccessAt === undefined ? 'attention.backupNever' : 'attention.backupFails';
    const ago = lastSuccessAt === undefined ? '' : text.relative(lastSuccessAt, now);
    found.push({ level: 'warning', text: text.t(key, { why, ago }) });
  }
  for (const { base, kind, lastAt } of status.baseConflicts ?? []) {
    const key = kind === 'instance' ? 'attention.baseInstance' : 'attention.baseReports';
    found.push({ level: 'warning', text: text.t(key, { base, since: text.relative(lastAt, now) }) });
  }
  const toKeys = { href: formatRoute('keys'), text: text.t('attention.toKeys') };
  if (status.keys.length === 0) found.push({ level: 'critical', text: text.t('attention.noKeys'), link: toKeys });
  for (const key of status.keys) found.push(...ofKey(key, text).map((a) => ({ ...a, link: toKeys })));
  for (const product of status.products) found.push(...ofProduct(product, text, now));
  return [...found.filter((a) => a.level === 'critical'), ...found.filter((a) => a.level === 'warning')];
}

function ofKey(key: KeyStatus, text: Text): Attention[] {
  const label = keyLabel(key);
  const why = key.fault === undefined ? '' : faultText(key.fault, text);
  if (key.state === 'Refused')
    return [{ level: 'critical', text: text.t('attention.keyRefused', { key: label, why }) }];
  if (key.state === 'Pending' && key.fault !== undefined) {
    return [{ level: 'warning', text: text.t('attention.keyPending', { key: label, why }) }];
  }
  if (key.state === 'Active' && key.regenerationsLeft === 0 && key.regenerationsResetAt !== undefined) {
    const date = text.date(key.regenerationsResetAt);
    return [{ level: 'warning', text: text.t('attention.noRegenerations', { key: label, date }) }];
  }
  return [];
}

function ofProduct(p: ProductStatus, text: Text, now: number): Attention[] {
  const found: Attention[] = [];
  const product = p.product;
  const toProducts = { href: formatRoute('seats', { product }), text: text.t('attention.toSeats') };
  const toStale = {
    href: formatRoute('seats', { product, state: 'stale' }),
    text: text.t('attention.toStale'),
  };
  const toKeys = { href: formatRoute('keys'), text: text.t('attention.toKeys') };
  const left = (until: string) => text.relative(until, now);

  const expiry = termState(p.expiresAt, now);
  if (p.expiresAt !== undefined && expiry === 'ended') {
    const date = text.date(p.expiresAt);
    found.push({ level: 'critical', text: text.t('attention.expired', { product, date }), link: toKeys });
  } else if (p.expiresAt !== undefined && expiry === 'soon') {
    const at = { date: text.date(p.expiresAt), left: left(p.expiresAt) };
    found.push({ level: 'warning', text: text.t('attention.expires', { product, ...at }), link: toKeys });
  }

  if (expiry !== 'ended') {
    if (p.seatsOverdrawn !== undefined) {
      const counts = { n: p.seatsOverdrawn, limit: p.seatLimit };
      found.push({ level: 'warning', text: text.t('attention.overdrawn', { product, ...counts }), link: toProducts });
    } else if (p.seatsInUse > p.seatLimit) {
      const counts = { inUse: p.seatsInUse, limit: p.seatLimit };
      found.push({ level: 'warning', text: text.t('attention.over', { product, ...counts }), link: toProducts });
    } else if (p.holdersWaiting > 0) {
      // Somebody may wait although seats are free: those are kept for a reservation.
      const key = p.seatsInUse < p.seatLimit ? 'attention.reserved' : 'attention.exhausted';
      const link = p.seatsStale > 0 ? toStale : toProducts;
      found.push({ level: 'critical', text: text.t(key, { product, n: p.holdersWaiting }), link });
    } else if (p.seatsInUse === p.seatLimit && p.seatLimit > 0) {
      found.push({
        level: 'warning',
        text: text.t('attention.full', { product, limit: p.seatLimit }),
        link: toProducts,
      });
    }
  }
  if (p.seatsStale > 0) {
    const since = p.staleSince === undefined ? '' : text.relative(p.staleSince, now);
    found.push({
      level: 'warning',
      text: text.t('attention.stale', { product, n: p.seatsStale, since }),
      link: toStale,
    });
  }
  if (p.supportUntil !== undefined) {
    const support = termState(p.supportUntil, now);
    const date = text.date(p.supportUntil);
    if (support === 'ended') {
      found.push({ level: 'warning', text: text.t('attention.supportEnded', { product, date }), link: toKeys });
    } else if (support === 'soon') {
      const at = { date, left: left(p.supportUntil) };
      found.push({ level: 'warning', text: text.t('attention.supportEnds', { product, ...at }), link: toKeys });
    }
  }
  return found;
}

/** Products that need somebody first, then by name. */
export function byUrgency(products: readonly ProductStatus[]): ProductStatus[] {
  const fullness = (p: ProductStatus) => (p.holdersWaiting > 0 ? 2 : p.seatsInUse >= p.seatLimit ? 1 : 0);
  return [...products].sort((a, b) => fullness(b) - fullness(a) || a.product.localeCompare(b.product));
}

/** `2 of 3`: what is left of the month's regenerations; undefined where the authority never said. */
export function regenerationsText(key: KeyStatus, text: Text): string | undefined {
  if (key.regenerationsLeft === undefined) return undefined;
  const count = text.t('keys.regenerationsOf', { n: key.regenerationsLeft, limit: regenerationsPerMonth });
  if (key.regenerationsLeft >= regenerationsPerMonth || key.regenerationsResetAt === undefined) return count;
  return `${count}, ${text.t('keys.regenerationsReset', { date: text.date(key.regenerationsResetAt) })}`;
}

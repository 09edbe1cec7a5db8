import type { z } from 'zod';
import type { DenialReason } from '../../../licence/words.ts';
import { momentOf } from '../answers.ts';
import { fold, holderOf } from '../holderKey.ts';
import type { PoolInfo } from '../pools.ts';
import { sizeOf } from '../recount.ts';
import {
  borrowFault,
  borrowLimit,
  borrowNotLicensed,
  capText,
  featureText,
  hasEnded,
  instanceConflict,
  lacksFeature,
  lacksSupport,
  licenceEnded,
  notAssigned,
  reasonOf,
  reasonOfCap,
  refusedByTerms,
  shortageText,
  supportEnded,
  unknownProduct,
} from '../refusals.ts';
import { type CheckOutRequest, invalid } from '../requests.ts';
import type { Ruled } from '../seatRules.ts';
import { modeOf } from '../seatSql.ts';
import type { SeatStore } from '../store.ts';
import { type Check, ledgerChecks, sayOf } from './checks.ts';
import { expectFree } from './expectFree.ts';
import { type Foreseen, foresee } from './foresee.ts';
import { type Look, lookAtPool } from './lookAtPool.ts';
import type { Paces } from './pace.ts';
import type { explained } from './schemas.ts';

export type Explained = z.infer<typeof explained>;

const unruled: Ruled = { slot: 0, priority: 0, caps: [] };
const told = (checks: readonly Check[]) => checks.map((c) => ({ ...c, says: sayOf(c) }));

/**
 * What a check-out would be answered at this moment, and why; it takes nothing and notes nothing.
 * @param names whether whoever asks may see who holds seats
 */
export async function explain(
  store: SeatStore,
  paces: Paces,
  wanted: CheckOutRequest,
  names: boolean,
): Promise<Explained> {
  const { product, instance, base } = wanted;
  const checks: Check[] = [];
  const refused = (reason: DenialReason, detail: string, check: Check['check'], name?: string): Explained => ({
    ...{ product, granted: false, outcome: 'denied', reason, detail },
    checks: told([...checks, { check, ...(name === undefined ? {} : { name }), verdict: 'decided' }]),
  });
  if (refusedByTerms(store.pool(product)?.entitlement, wanted)) await store.termsAgain.done();
  const pool = store.pool(product);
  if (pool === undefined) return refused('ProductUnknown', unknownProduct(product), 'licence');
  const { entitlement } = pool;
  if (!hasEnded(entitlement)) checks.push({ check: 'licence', verdict: 'passed' });
  if (lacksSupport(entitlement, wanted.releasedAtMs))
    return refused('SupportRequired', supportEnded(product, entitlement), 'support');
  if (entitlement.supportPolicy === 'require') checks.push({ check: 'support', verdict: 'passed' });
  if (wanted.feature !== undefined) {
    if (lacksFeature(entitlement, wanted.feature))
      return refused('FeatureNotLicensed', featureText(product, wanted.feature), 'feature', wanted.feature);
    checks.push({ check: 'feature', name: wanted.feature, verdict: 'passed' });
  }
  if (wanted.hours !== undefined) {
    const terms = entitlement.borrow;
    if (terms === undefined) return refused('BorrowNotLicensed', borrowNotLicensed(product), 'borrow');
    const fault = borrowFault(entitlement, product, wanted.hours);
    if (fault !== undefined) throw invalid(fault);
    const most = entitlement.seatLimit - terms.keepFree;
    const lent = await store.borrowed.lent(pool, wanted.holder);
    if (lent + sizeOf(wanted.holder, entitlement.weights) > most)
      return refused('BorrowLimit', borrowLimit(product, lent, most), 'borrow');
    checks.push({ check: 'borrow', verdict: 'passed' });
  }
  if (instance !== undefined) {
    if (!(await store.owners.wouldOwn(fold(base), instance)))
      return refused('BaseInstanceConflict', instanceConflict(base, instance), 'base');
    checks.push({ check: 'base', verdict: 'passed' });
  }
  const ruled = pool.rulesOf?.(wanted.holder);
  const size = sizeOf(wanted.holder, entitlement.weights);
  const look = await lookAtPool(store.db, pool.poolId, wanted.holder, size, ruled ?? unruled, store.staleAfterMs);
  if (look.assigned !== null && !look.held) {
    if (!look.assigned && hasEnded(entitlement))
      return refused('KeyExpired', licenceEnded(product, entitlement), 'licence');
    if (!look.assigned) return refused('NotAssigned', notAssigned(product), 'assignment');
    checks.push({ check: 'assignment', verdict: 'passed' });
  }
  const foreseen = foresee(look, size, ruled?.slot ?? 0, ruled?.caps ?? []);
  checks.push(...ledgerChecks(pool, store.groups, wanted.holder, ruled, foreseen));
  const { counts } = foreseen;
  const seats = { limit: counts.seatLimit, inUse: counts.inUse, reserved: foreseen.reservedFree };
  const { decided } = foreseen;
  if (decided.code === 'renewed')
    return {
      product,
      granted: true,
      outcome: 'renewed',
      detail: 'the holder has a seat already, and keeps it',
      seats,
      checks: told(checks),
    };
  if (decided.code === 'granted') {
    const overdraft = decided.overdrawn ? { overdraft: true } : {};
    return {
      product,
      granted: true,
      outcome: 'granted',
      detail: grantText(product, foreseen),
      ...overdraft,
      seats,
      checks: told(checks),
    };
  }
  const refusal = refusalOf(pool, ruled, look, foreseen);
  if (refusal.reason === 'KeyExpired') {
    checks.pop(); // not for want of seats
    return { ...refused('KeyExpired', refusal.detail, 'licence'), seats };
  }
  const pace = await paces.of(pool.poolId);
  const most = decided.code === 'barred' ? ruled?.caps[decided.cap]?.most : undefined;
  const expected = expectFree(look, foreseen, pace, most);
  const isCertain = decided.code === 'barred' && most === 0;
  return {
    ...{ product, granted: false, outcome: 'denied', ...refusal, seats, checks: told(checks) },
    ...(names && !isCertain ? { holders: holdersOf(look) } : {}),
    ...(expected === undefined ? {} : { expected: { at: momentOf(Math.round(expected.atMs)), by: expected.by } }),
  };
}

/** As the check-out would be refused. */
function refusalOf(pool: PoolInfo, ruled: Ruled | undefined, look: Look, foreseen: Foreseen) {
  const { product, entitlement } = pool;
  const { decided, counts } = foreseen;
  if (decided.code === 'barred') {
    const cap = ruled?.caps[decided.cap];
    return {
      reason: reasonOfCap(cap),
      detail: capText(product, cap),
      ...(cap === undefined ? {} : { rule: cap.rule }),
    };
  }
  if (hasEnded(entitlement)) return { reason: 'KeyExpired' as const, detail: licenceEnded(product, entitlement) };
  const shortage = decided.code === 'denied' ? decided.shortage : 'taken';
  const place = foreseen.ahead + 1;
  const { seatLimit, inUse } = counts;
  const counted = { shortage, seatLimit, inUse, reservedFree: foreseen.reservedFree, waiting: look.waiting, place };
  const detail = shortageText(product, counted, foreseen.size);
  const tooMuch = decided.code === 'denied' && decided.tooMuch;
  return { reason: reasonOf(shortage), detail, ...(tooMuch ? {} : { queue: { position: place } }) };
}

const grantText = (product: string, { decided, sharesSeat, givenUp, idleGivenUp, counts }: Foreseen): string => {
  if (decided.code !== 'granted') return '';
  if (sharesSeat) return `it would share a seat of ${product} that is in use already`;
  if (decided.overdrawn) return `it would get a seat of ${product} beyond the limit of ${counts.seatLimit}`;
  const given = [...(givenUp > 0 ? [`${givenUp} expired`] : []), ...(idleGivenUp > 0 ? [`${idleGivenUp} idle`] : [])];
  const after = given.length > 0 ? `, after ${given.join(' and ')} seats were given up` : '';
  return `it would get a seat of ${product}${decided.slot > 0 ? ' that is kept for it' : ''}${after}`;
};

const holdersOf = (look: Look): Explained['holders'] =>
  look.holders.map((h) => ({
    leaseId: h.leaseId,
    holder: holderOf(h.holder),
    mode: modeOf(h.kind),
    acquiredAt: momentOf(Math.round(h.acquiredAt)),
    ...(h.expiresAt === null ? {} : { expiresAt: momentOf(Math.round(h.expiresAt)) }),
    ...(h.stale ? { stale: true } : {}),
  }));

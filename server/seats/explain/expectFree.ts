import type { Foreseen } from './foresee.ts';
import type { Look } from './lookAtPool.ts';
import type { Pace } from './pace.ts';

/** When a seat that is refused now is expected to be had. */
export interface Expected {
  readonly atMs: number;
  /** `grace`: expired seats may be given up then; `pace`: as fast as seats were given back lately. */
  readonly by: 'grace' | 'pace';
}

/** Further away nobody can tell. */
const longestMs = 30 * 86_400_000;

/**
 * The seats that would do are as likely to come free as all others: of a rule's bound those that count for it. Undefined: nothing says so, or no time
 * will change it.
 */
export function expectFree(look: Look, foreseen: Foreseen, pace: Pace, most: number | undefined): Expected | undefined {
  const { decided, counts, tallies } = foreseen;
  if (decided.code === 'granted' || decided.code === 'renewed') return undefined;
  if (decided.code === 'barred' && (most ?? 0) < foreseen.size) return undefined;
  if (decided.code === 'denied' && decided.tooMuch) return undefined;
  const { due, frozenUntilMs, mayExpire } = look;
  if (
    due !== null &&
    !mayExpire &&
    frozenUntilMs !== null &&
    due.seats >= look.need + foreseen.size &&
    decided.code === 'denied'
  )
    return { atMs: frozenUntilMs, by: 'grace' };
  const usable =
    decided.code === 'barred'
      ? (tallies[decided.cap] ?? 0)
      : counts.inUse - (decided.shortage === 'reserved' ? counts.reservedUsed.reduce((sum, n) => sum + n, 0) : 0);
  const wanted =
    decided.code === 'barred'
      ? (tallies[decided.cap] ?? 0) + foreseen.size - (most ?? 0)
      : look.need + foreseen.size + over(foreseen);
  const perMs = (pace.seats / (pace.seconds * 1_000)) * (usable / Math.max(counts.inUse, 1));
  const waitMs = wanted / perMs;
  return Number.isFinite(waitMs) && waitMs <= longestMs ? { atMs: look.nowMs + waitMs, by: 'pace' } : undefined;
}

/** Seats in use beyond what the licence allows, which have to be given back first. */
const over = ({ counts: { inUse, seatLimit, overdraft } }: Foreseen): number =>
  Math.max(inUse - seatLimit - overdraft, 0);

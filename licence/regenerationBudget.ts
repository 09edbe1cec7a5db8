import { regenerationsPerMonth } from './authorityWire.ts';
import { momentOf } from './moment.ts';

/** How many new keys a licence may still get this month. */
export interface RegenerationBudget {
  readonly left: number;
  /** When the full budget is there again: the first moment of the next calendar month, UTC. */
  readonly resetAt: string;
}

/** The first moment of the calendar month (UTC) that lies `months` after that of `nowMs`. */
export function monthStart(nowMs: number, months = 0): number {
  const now = new Date(nowMs);
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 1);
}

/** @param regeneratedAtMs every regeneration that counts: those that support allowed beyond the budget do not */
export function regenerationBudget(regeneratedAtMs: readonly number[], nowMs: number): RegenerationBudget {
  const from = monthStart(nowMs);
  const to = monthStart(nowMs, 1);
  const spent = regeneratedAtMs.filter((at) => at >= from && at < to).length;
  return { left: Math.max(0, regenerationsPerMonth - spent), resetAt: momentOf(to) };
}

/** A budget as it was told some time ago, seen now: a new month brings it back in full. */
export function budgetNow(told: RegenerationBudget, nowMs: number): RegenerationBudget {
  return Date.parse(told.resetAt) > nowMs ? told : regenerationBudget([], nowMs);
}

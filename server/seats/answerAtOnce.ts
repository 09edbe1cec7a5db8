/**
 * When a heartbeat may be answered before it is in the database.
 *
 * Invariant: **an answered renewal is in the database before the end that stood there could have passed, or that end is kept from
 * passing.** So nobody can tell an answer at once from one that the database gave: `expiresAt` was promised, and the seat is not given
 * to anybody before it.
 *
 * - In the database in time: an answer at once is owed to the database for `delayMs` at most, and is given only while the end that the
 *   database is known to have lies `marginMs` away. The end is known from a renewal that the database confirmed, counted from when it
 *   was asked, by a clock that never is set.
 * - Kept from passing: where the write fails, hangs or is late, the next beat freezes expiry for one lease time (`beat` in
 *   functions/alive.sql), and while no beat comes nothing expires (`may_expire` in functions/seats.sql). A server that was killed owed
 *   something; nobody else is at this ledger, and the first beat of the next start freezes expiry for one lease time, more than was promised.
 *   A database that crashed freezes it likewise.
 * - Only while this server is the only one at the ledger. So each lease that is given back, borrowed or made another kind goes through
 *   this process, which forgets it before anybody is told; and what expires was not answered for `marginMs` before.
 *
 * Times are in ms.
 */
export interface RenewalTimes {
  /** An answered renewal is on its way to the database after this. */
  readonly delayMs: number;
  /** It is late after so much more. */
  readonly graceMs: number;
  /** Of a lease that ends sooner the database is asked. */
  readonly marginMs: number;
}

export interface RenewalView {
  readonly nowMs: number;
  /** The lease does not end before, in the database. */
  readonly endsAtMs: number;
  /** When the oldest renewal that is not yet in the database was answered; Infinity: there is none. */
  readonly owedSinceMs: number;
  /** The last write of renewals succeeded. */
  readonly isWell: boolean;
}

/** A write that fails or hangs is known to the next beat after this: a row that somebody has locked is tried for 3 s. */
const noticedMs = 3_500;

/**
 * The times for a lease time, given how often beats come, how long one may be on its way, and how long the database takes somebody for
 * alive after one. The last counts twice: a clock that is set forward by less than that goes unnoticed.
 */
export function renewalTimes(
  leaseMs: number,
  {
    everyMs,
    answerMs,
    patienceMs,
  }: { readonly everyMs: number; readonly answerMs: number; readonly patienceMs: number },
): RenewalTimes {
  const delayMs = Math.min(leaseMs / 12, 10_000);
  const graceMs = 1_500;
  const marginMs = delayMs + graceMs + Math.max(2 * everyMs, noticedMs) + everyMs + answerMs + 2 * patienceMs;
  return { delayMs, graceMs, marginMs };
}

export const mayAnswerAtOnce = (
  { nowMs, endsAtMs, owedSinceMs, isWell }: RenewalView,
  { delayMs, graceMs, marginMs }: RenewalTimes,
): boolean => isWell && endsAtMs - nowMs >= marginMs && nowMs - owedSinceMs <= delayMs + graceMs;

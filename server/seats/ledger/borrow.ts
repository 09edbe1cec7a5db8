import { type CheckOut, type CheckOutOutcome, checkOut, type Ledger, type Pool } from '../ledger.ts';

/**
 * Takes a seat along for so long, or prolongs one that is: it ends at what was promised, whatever the holder says meanwhile. `most`: seats that may
 * be borrowed at once.
 */
export function borrow(
  ledger: Ledger,
  pool: Pool,
  c: CheckOut,
  forMs: number,
  most: number,
  now: number,
): CheckOutOutcome | { readonly code: 'lent' } {
  const held = pool.leases.get(c.holder);
  if (held?.mode === 'borrowed') {
    held.writtenOff = false;
    held.renewedAt = now;
    held.expiresAt = Math.max(held.expiresAt, now + forMs);
    return { code: 'renewed', leaseId: held.leaseId };
  }
  let lent = 0;
  for (const lease of pool.leases.values())
    if (lease.mode === 'borrowed' && lease.expiresAt > now) lent += pool.seats.get(lease.part)?.size ?? 1;
  if (lent + c.size > most) return { code: 'lent' };
  const [outcome = { code: 'lent' as const }] = checkOut(
    ledger,
    pool,
    [{ ...c, mode: 'leased', queueMs: 0, idleAfterMs: undefined, holdMs: undefined }],
    now,
    1_000,
  );
  const lease = pool.leases.get(c.holder);
  if (lease !== undefined && (outcome.code === 'granted' || outcome.code === 'renewed')) {
    lease.mode = 'borrowed';
    lease.expiresAt = now + forMs;
  }
  return outcome;
}

/** Writes a borrowed seat off; true if there was one. */
export function writeOff(pool: Pool, leaseId: string): boolean {
  for (const lease of pool.leases.values()) {
    if (lease.leaseId !== leaseId || lease.mode !== 'borrowed') continue;
    lease.writtenOff = true;
    return true;
  }
  return false;
}

import { end, inBase, isUnexpiring, type Lease, type Ledger } from '../ledger.ts';

/** The last sign of life of a base: a report, a check-out that does not expire, or any lease renewed. */
export function lastSignOf(ledger: Ledger, base: string): number {
  let last = ledger.bases.get(base) ?? Number.NEGATIVE_INFINITY;
  for (const pool of ledger.pools.values()) {
    for (const lease of pool.leases.values()) if (inBase(lease, base)) last = Math.max(last, lease.renewedAt);
  }
  return last;
}

/** Seats that do not expire, of bases that were silent for `afterMs`. They are held until cleared: a person may be behind one. */
export function stale(ledger: Ledger, now: number, afterMs: number): Lease[] {
  const silent = new Set([...ledger.bases.keys()].filter((b) => lastSignOf(ledger, b) <= now - afterMs));
  return [...ledger.pools.values()].flatMap((pool) =>
    [...pool.leases.values()].filter(
      (l) => isUnexpiring(l) && silent.has(l.holder.slice(0, l.holder.indexOf('\u001f'))),
    ),
  );
}

/** Gives all stale seats back; all others are kept. */
export function clearStale(ledger: Ledger, now: number, afterMs: number): { cleared: number; kept: number } {
  const gone = new Set(stale(ledger, now, afterMs).map((l) => l.leaseId));
  let kept = 0;
  for (const pool of ledger.pools.values()) {
    for (const lease of [...pool.leases.values()]) if (gone.has(lease.leaseId)) end(pool, lease);
    kept += pool.leases.size;
  }
  return { cleared: gone.size, kept };
}

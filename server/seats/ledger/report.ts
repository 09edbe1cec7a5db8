import { type Cap, type CheckOutOutcome, checkOut, giveBack, inBase, isUnexpiring, type Ledger } from '../ledger.ts';

export interface ReportedSession {
  /** The pool's product; a product without a pool is answered `unknown`. */
  readonly product: string;
  readonly holder: string;
  readonly part: string;
  readonly size: number;
  readonly leaseId: string;
  readonly slot: number;
  readonly caps: readonly Cap[];
  readonly priority: number;
  readonly idle?: boolean;
  readonly idleAfterMs?: number | undefined;
  readonly holdMs?: number | undefined;
}
export interface ReportOutcome {
  readonly sessions: readonly (CheckOutOutcome | { readonly code: 'unknown' })[];
  readonly released: number;
}

/** The full state of a base: the absent give their seats back first, then the present keep theirs or take one. */
export function report(
  ledger: Ledger,
  base: string,
  sessions: readonly ReportedSession[],
  now: number,
  leaseMs: number,
): ReportOutcome {
  let released = 0;
  const outcomes: (CheckOutOutcome | { code: 'unknown' })[] = sessions.map(() => ({ code: 'unknown' }));
  for (const [product, pool] of ledger.pools) {
    const here = sessions.map((s, i) => ({ s, i })).filter(({ s }) => s.product === product);
    const present = new Set(here.map(({ s }) => s.holder));
    for (const lease of [...pool.leases.values()]) {
      if (!isUnexpiring(lease) || !inBase(lease, base) || present.has(lease.holder)) continue;
      giveBack(pool, lease, now);
      released += 1;
    }
    const commands = here.map(({ s }) => {
      const mode = pool.leases.get(s.holder)?.mode === 'leased' ? 'leased' : 'reported';
      const { product: _, ...asked } = s;
      return { ...asked, base, mode, queueMs: 0 } as const;
    });
    checkOut(ledger, pool, commands, now, leaseMs).forEach((outcome, n) => {
      const at = here[n];
      if (at) outcomes[at.i] = outcome;
    });
  }
  ledger.bases.set(base, now);
  return { sessions: outcomes, released };
}

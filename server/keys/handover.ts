import { monotonicOf, sleep, systemClock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import type { ProductEntitlement, SetEntitlements } from '../seats/entitlement.ts';
import { goneAfterMs, type LedgerOwner } from './ledgerOwner.ts';

/** Tells the ledger what the keys grant, when that has changed, or when its limits are not what it was told. */
export interface Handover {
  /** Settles at the start whether the ledger is this server's. @throws Error saying whose it is and what to do, or the signal's reason */
  claim(signal: AbortSignal): Promise<void>;
  /** Whether the ledger is to be told: of something new, or because its limits are not what it was told. */
  isDue(products: readonly ProductEntitlement[]): Promise<boolean>;
  /** `again`: reads them once more, with the other servers of the ledger kept out. */
  tell(products: readonly ProductEntitlement[], again?: () => Promise<readonly ProductEntitlement[]>): Promise<void>;
  /** Why this server changes no limit, in one sentence; undefined: it may. */
  readonly foreign: string | undefined;
}

export function createHandover(
  setEntitlements: SetEntitlements,
  owner: LedgerOwner | undefined,
  log: Logger,
): Handover {
  let told: string | undefined;
  let foreign: string | undefined;

  async function isDue(products: readonly ProductEntitlement[]): Promise<boolean> {
    const changed = JSON.stringify(products) !== told;
    if (owner === undefined) return changed;
    try {
      const before = foreign;
      foreign = (await owner.claim())?.message;
      if (foreign !== undefined && foreign !== before) log.error(foreign);
      return foreign === undefined && (changed || !(await owner.holds(products)));
    } catch (error) {
      if (changed) throw error;
      return false; // the database is away, and knows it already
    }
  }

  return {
    get foreign() {
      return foreign;
    },
    claim: async (signal) => {
      // a server with another folder may just be on its way out
      const untilMs = monotonicOf(systemClock) + goneAfterMs + 5_000;
      for (let waits = false; ; waits = true) {
        const other = await owner?.claim();
        if (other === undefined) return;
        if (!other.passing || monotonicOf(systemClock) > untilMs) throw new Error(other.message);
        if (!waits) log.warn(`waits to see whether it goes: ${other.message}`);
        await sleep(systemClock, 1_000, signal);
      }
    },
    isDue,
    tell: async (given, again) => {
      let products = given;
      const read = again && (async () => (products = await again()));
      await setEntitlements(given, read);
      told = JSON.stringify(products);
      log.info(
        { products: products.map((p) => ({ product: p.product, seatLimit: p.seatLimit })) },
        'entitlements changed',
      );
    },
  };
}

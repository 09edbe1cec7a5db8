import type { Metrics } from '../../runtime/metrics.ts';
import { openSeats, overdrawn, poolCounts } from './leaseQueries.ts';
import type { SeatStore } from './store.ts';

/**
 * Gauges of seats, read from the pools' counters at each scrape: a scrape costs one small query, however many leases
 * exist. Answers the function to call before a scrape.
 */
export function createSeatGauges(metrics: Metrics, store: SeatStore): () => Promise<void> {
  const limit = metrics.gauge('licence_seats_limit', 'Seats that may be in use at once.', ['product']);
  const inUse = metrics.gauge('licence_seats_in_use', 'Seats that are held, stale ones included.', ['product']);
  const stale = metrics.gauge('licence_seats_stale', 'Seats held for bases that have been silent.', ['product']);
  const queue = metrics.gauge('licence_queue_length', 'Holders that wait for a seat.', ['product']);
  const reserved = metrics.gauge('licence_seats_reserved', 'Seats kept for a reservation.', ['product', 'reservation']);
  const reservedInUse = metrics.gauge(
    'licence_seats_reserved_in_use',
    'Seats in use of those kept for a reservation.',
    ['product', 'reservation'],
  );
  const open = metrics.gauge('licence_seats_open', 'Free seats that anybody may take: none of a reservation.', [
    'product',
  ]);
  const trial = metrics.gauge('licence_trial', 'Whether all licences in force are trials: 1 or 0.', ['product']);
  const conflicts = metrics.gauge(
    'licence_bases_in_conflict',
    'Bases that two have come under within the last 15 minutes; of more than 100 it says 100.',
  );
  const overdraft = metrics.gauge(
    'licence_seats_overdrawn',
    'Seats in use beyond the limit of a licence that allows it for a while.',
    ['product'],
  );
  const borrowed = metrics.gauge('licence_seats_borrowed', 'Seats that were taken along, to a certain end.', [
    'product',
  ]);
  const lost = metrics.gauge(
    'licence_seats_lost',
    'Borrowed seats that were written off; they count until their end.',
    ['product'],
  );
  const idle = metrics.gauge(
    'licence_leases_idle',
    'Leases whose programs have been idle for longer than a rule allows.',
    ['product'],
  );
  const lingering = metrics.gauge(
    'licence_leases_lingering',
    'Leases that were given back and stay taken for a while.',
    ['product'],
  );
  const assigned = metrics.gauge('licence_seats_assigned', "Seats that are somebody's, of licences for named users.", [
    'product',
  ]);
  const unused = metrics.gauge(
    'licence_seats_assigned_unused',
    "Seats that are somebody's who has not used them for 30 days.",
    ['product'],
  );
  const ruled = metrics.gauge('licence_seats_ruled_in_use', 'Seats in use that count for a rule.', ['product', 'rule']);
  const ruledLimit = metrics.gauge('licence_seats_ruled_limit', 'Seats that a rule allows.', ['product', 'rule']);
  return async () => {
    conflicts.set(store.owners.conflicts().length);
    const counts = await poolCounts(store);
    reserved.reset();
    reservedInUse.reset();
    ruled.reset();
    ruledLimit.reset();
    for (const c of counts) {
      const { product } = c;
      limit.set({ product }, c.seat_limit);
      inUse.set({ product }, c.in_use);
      stale.set({ product }, c.stale);
      queue.set({ product }, c.waiting);
      open.set({ product }, openSeats(c));
      borrowed.set({ product }, c.borrowed);
      lost.set({ product }, c.lost);
      idle.set({ product }, c.idle);
      lingering.set({ product }, c.lingering);
      if (store.pool(product)?.entitlement.reassignAfterDays !== undefined) {
        assigned.set({ product }, c.assigned);
        unused.set({ product }, c.unused);
      }
      overdraft.set({ product }, overdrawn(c));
      for (const { name: rule, max } of store.pool(product)?.rules ?? []) {
        if (max === undefined) continue;
        ruled.set({ product, rule }, c.tallies[rule] ?? 0);
        ruledLimit.set({ product, rule }, max);
      }
      trial.set({ product }, store.pool(product)?.entitlement.trial ? 1 : 0);
      store.pool(product)?.reservations.forEach((r, i) => {
        reserved.set({ product, reservation: r.name }, c.reserved?.[i] ?? 0);
        reservedInUse.set({ product, reservation: r.name }, c.reserved_used?.[i] ?? 0);
      });
    }
  };
}

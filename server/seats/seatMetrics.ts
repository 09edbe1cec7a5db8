import { type DenialReason, denialReasons, type ReleaseCause, releaseCauses } from '../../licence/words.ts';
import type { Counter, Histogram, Metrics } from '../../runtime/metrics.ts';

/** One counter with its labels already chosen: counting costs no look-up. */
type Count = Counter.Internal;

/** The kinds of work that a database may not do; label of `licence_store_errors_total`. */
const serving = ['seats', 'heartbeat', 'report', 'beat', 'entitlements'] as const;
const inTheBackground = ['look', 'count', 'reap', 'denials', 'queue', 'usage', 'prune', 'metrics'] as const;
const storeOps = [...serving, ...inTheBackground];
/** Those whose failure keeps nobody from a seat. */
export const housekeeping: readonly StoreOp[] = inTheBackground;
export type StoreOp = (typeof storeOps)[number];

/** The metrics of seats that are counted as things happen; gauges are read from the pools at each scrape (seatGauges.ts). */
export class SeatMetrics {
  readonly #checkouts: Counter<'product' | 'outcome' | 'reason'>;
  readonly #releases: Counter<'product' | 'cause'>;
  readonly #unmet: Counter<'product'>;
  readonly #errors: Counter<'op'>;
  readonly #duration: Histogram<string>;
  readonly #beats: Readonly<Record<'renewed' | 'lost', Count>>;
  readonly #known = new Map<string, Count>();

  constructor(metrics: Metrics) {
    this.#checkouts = metrics.counter('licence_checkouts_total', 'Check-outs by outcome (granted, renewed, denied).', [
      'product',
      'outcome',
      'reason',
    ]);
    this.#releases = metrics.counter('licence_releases_total', 'Seats given back, by cause.', ['product', 'cause']);
    const heartbeats = metrics.counter('licence_heartbeats_total', 'Renewals by outcome (renewed, lost).', ['outcome']);
    this.#unmet = metrics.counter(
      'licence_unmet_demand_total',
      'Holders that were refused for want of a seat and had none a minute later; retries do not count.',
      ['product'],
    );
    this.#errors = metrics.counter('licence_store_errors_total', 'Work that the database did not do.', ['op']);
    this.#duration = metrics.histogram(
      'licence_checkout_duration_seconds',
      'From a check-out request to its answer, waiting in the queue excluded.',
      [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    );
    for (const outcome of ['renewed', 'lost']) heartbeats.inc({ outcome }, 0);
    this.#beats = {
      renewed: heartbeats.labels({ outcome: 'renewed' }),
      lost: heartbeats.labels({ outcome: 'lost' }),
    };
    for (const op of storeOps) this.#errors.inc({ op }, 0);
    this.#checkouts.inc({ product: '', outcome: 'denied', reason: 'ProductUnknown' }, 0);
  }

  /** Shows a product's series at zero before anything has happened. */
  introduce(product: string): void {
    for (const outcome of ['granted', 'renewed']) this.#checkouts.inc({ product, outcome, reason: '' }, 0);
    for (const reason of denialReasons)
      if (reason !== 'ProductUnknown') this.#checkouts.inc({ product, outcome: 'denied', reason }, 0);
    this.#unmet.inc({ product }, 0);
    for (const cause of releaseCauses) this.#releases.inc({ product, cause }, 0);
  }

  checkedOut(product: string, outcome: 'granted' | 'renewed' | 'denied', reason: DenialReason | ''): void {
    this.#count(`c${product}/${outcome}/${reason}`, () => this.#checkouts.labels({ product, outcome, reason })).inc(1);
  }
  took(seconds: number): void {
    this.#duration.observe(seconds);
  }
  heartbeats(outcome: 'renewed' | 'lost', n: number): void {
    this.#beats[outcome].inc(n);
  }
  released(product: string, cause: ReleaseCause, n: number): void {
    if (n > 0) this.#count(`r${product}/${cause}`, () => this.#releases.labels({ product, cause })).inc(n);
  }
  unmet(product: string, n: number): void {
    this.#unmet.inc({ product }, n);
  }
  storeError(op: StoreOp): void {
    this.#errors.inc({ op });
  }

  #count(key: string, make: () => Count): Count {
    const known = this.#known.get(key);
    if (known) return known;
    const made = make();
    this.#known.set(key, made);
    return made;
  }
}

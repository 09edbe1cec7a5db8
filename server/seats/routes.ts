import type { Http } from '../../runtime/httpShell.ts';
import { type Prover, registerCheckOut } from './checkOutRoute.ts';
import { registerLeaseRoutes } from './leaseRoutes.ts';
import { registerReports } from './reportRoute.ts';
import type { SeatMetrics } from './seatMetrics.ts';
import type { SeatStore } from './store.ts';

/** The routes of client programs: check out, renew, release, report. */
export function registerSeatRoutes(http: Http, store: SeatStore, metrics: SeatMetrics, prover: Prover): void {
  registerCheckOut(http, store, metrics, prover);
  registerLeaseRoutes(http, store, metrics);
  registerReports(http, store, metrics);
}

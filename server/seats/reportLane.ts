import type pg from 'pg';
import { type Command, Lane, type LaneEvents, type Sessions } from './lane.ts';
import type { Renewals } from './renewals.ts';
import { type Report, type ReportBatchResult, type ReportResult, reportBatch, reportUnchanged } from './seatSql.ts';

/** One session report on its way. */
export class ReportCommand implements Command {
  readonly key: string;
  readonly report: Report;
  readonly weight: number;
  readonly #done: (result: ReportResult) => void;
  readonly #fail: (error: unknown) => void;
  #answered = false;

  constructor(report: Report, done: (result: ReportResult) => void, fail: (error: unknown) => void) {
    this.key = report.base;
    this.report = report;
    this.weight = report.sessions.length + 1;
    this.#done = done;
    this.#fail = fail;
  }
  /** Two reports of one base are two states: the later one waits. */
  same(): boolean {
    return false;
  }
  done(result: ReportResult): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#done(result);
  }
  fail(error: unknown): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#fail(error);
  }
}

/** Session reports. `renewals`: what forgets a lease that may be given to others from now on. One that says nothing new is answered without a pool's lock; the others in one durable transaction. */
export function createReportLane(
  quick: Sessions<pg.Client>,
  durable: Sessions<pg.Client>,
  leaseMs: number,
  told: (result: ReportBatchResult) => void,
  events: LaneEvents,
  renewals?: Renewals,
): Lane<ReportCommand, pg.Client> {
  return new Lane<ReportCommand, pg.Client>(
    quick,
    async (session, batch) => {
      const results = await reportUnchanged(
        session,
        batch.map((c) => c.report),
      );
      const changed: ReportCommand[] = [];
      batch.forEach((c, i) => {
        const result = results[i];
        if (result) c.done(result);
        else changed.push(c);
      });
      if (changed.length > 0) await runChanged(durable, leaseMs, changed, told, renewals);
      return undefined;
    },
    4_000,
    1_000_000,
    events,
  );
}

async function runChanged(
  durable: Sessions<pg.Client>,
  leaseMs: number,
  changed: readonly ReportCommand[],
  told: (result: ReportBatchResult) => void,
  renewals: Renewals | undefined,
): Promise<void> {
  const session = await durable.acquire();
  let broken = true;
  const sentMs = renewals?.nowMs();
  try {
    const result = await reportBatch(
      session,
      leaseMs,
      changed.map((c) => c.report),
    );
    broken = false;
    changed.forEach((c, i) => {
      const own = result.results[i];
      if (own === undefined) return;
      // one that is idle, or leased no more
      for (const leaseId of own.leaseIds) if (leaseId !== '') renewals?.forget(leaseId, sentMs);
      c.done(own);
    });
    told(result);
  } finally {
    durable.release(session, broken);
  }
}

import type { EventRecorder } from '../../kube/events.ts';
import type { Fault } from '../api/fault.ts';
import type { LicenceServer, Status } from '../api/types.ts';
import type { Plan } from '../decide/plan.ts';
import { eventsOf, failureEvents, regenerationOutcome, rollReasons, rotationOutcome } from './events.ts';
import type { OperatorMetrics } from './operatorMetrics.ts';

/** Tells what a pass did: Events for people, counters for Prometheus. */
export class Teller {
  readonly #recorder: Pick<EventRecorder, 'record'>;
  readonly #metrics: OperatorMetrics;

  constructor(recorder: Pick<EventRecorder, 'record'>, metrics: OperatorMetrics) {
    this.#recorder = recorder;
    this.#metrics = metrics;
  }

  /** A pass failed, and the status says so. */
  failed(server: LicenceServer, fault: Fault): void {
    for (const event of failureEvents(server.status ?? {}, fault))
      this.#recorder.record({ regarding: server, ...event });
  }

  /** @param after the status that was written in this pass */
  tell(server: LicenceServer, after: Status, plan: Plan | undefined): void {
    const before = server.status ?? {};
    for (const event of eventsOf(before, after, plan)) this.#recorder.record({ regarding: server, ...event });
    for (const reason of rollReasons(before, after)) this.#metrics.rolls.inc({ reason });
    const outcome = rotationOutcome(before, after);
    if (outcome !== undefined) this.#metrics.rotations.inc({ outcome });
    const asked = regenerationOutcome(before, after);
    if (asked !== undefined) this.#metrics.regenerations.inc({ outcome: asked });
    const clearing = plan?.staleSeats.event;
    if (clearing !== undefined) {
      this.#metrics.cleared.inc({ by: clearing.by }, Math.max(0, clearing.before - clearing.after));
    }
  }
}

import type { EventRecorder } from '../../kube/events.ts';
import { keyOf } from '../../kube/object.ts';
import type { Fault } from '../api/fault.ts';
import { momentOf } from '../api/times.ts';
import type { LicenceServer, Status } from '../api/types.ts';
import type { Plan } from '../decide/plan.ts';
import type { OperatorMetrics } from './operatorMetrics.ts';
import { eventsOf, failureEvents, regenerationOutcome, rollEvent, rotationOutcome } from './tell.ts';

/** Tells what a pass did: Events for people, counters for Prometheus. */
export class Teller {
  readonly #recorder: Pick<EventRecorder, 'record'>;
  readonly #metrics: OperatorMetrics;
  /** Server → its last roll, until a status tells of it. */
  readonly #rolled = new Map<string, NonNullable<Status['lastRoll']>>();

  constructor(recorder: Pick<EventRecorder, 'record'>, metrics: OperatorMetrics) {
    this.#recorder = recorder;
    this.#metrics = metrics;
  }

  /**
   * The pod was made to roll. Told at once and remembered until a status says it: if that write fails, the next pass sees no
   * difference any more that would tell of the roll.
   */
  rolled(server: LicenceServer, { reasons }: Plan, atMs: number): void {
    if (reasons.length === 0) return;
    this.#recorder.record({ regarding: server, ...rollEvent(reasons) });
    for (const reason of reasons) this.#metrics.rolls.inc({ reason });
    this.#rolled.set(keyOf(server), { at: momentOf(atMs), reasons: [...reasons] });
  }

  /** The last roll, if no status tells of it yet. */
  untoldRoll(key: string): Status['lastRoll'] {
    return this.#rolled.get(key);
  }

  /** A pass failed, and the status says so. */
  failed(server: LicenceServer, fault: Fault): void {
    for (const event of failureEvents(server.status ?? {}, fault))
      this.#recorder.record({ regarding: server, ...event });
  }

  forget(key: string): void {
    this.#rolled.delete(key);
  }

  /** @param after the status that was written in this pass */
  tell(server: LicenceServer, after: Status, plan: Plan | undefined): void {
    const before = server.status ?? {};
    for (const event of eventsOf(before, after, plan)) this.#recorder.record({ regarding: server, ...event });
    this.#rolled.delete(keyOf(server));
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

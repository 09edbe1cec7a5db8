import type { Logger } from '../../../runtime/log.ts';
import { asLongAgainMs } from '../api/times.ts';
import type { Plan } from '../decide/plan.ts';
import type { ServerClient } from '../observe/serverClient.ts';
import type { ServerPoller } from '../observe/serverPoller.ts';

const pace = { firstMs: 5_000, maxMs: 5 * 60_000 } as const;

/**
 * Releases stale seats in place, if the plan says so; the next answer tells whether it helped. One that does not help is asked
 * for again ever more rarely: meanwhile the server is asked for its counts at a high pace, and each answer brings a pass.
 */
export class StaleRelease {
  readonly #poller: Pick<ServerPoller, 'target'>;
  readonly #servers: Pick<ServerClient, 'releaseStale'>;
  /** Server → the clearing that was asked for, since when, and when to ask again. */
  readonly #asked = new Map<string, { readonly id: string; readonly sinceMs: number; readonly againAtMs: number }>();

  constructor(poller: Pick<ServerPoller, 'target'>, servers: Pick<ServerClient, 'releaseStale'>) {
    this.#poller = poller;
    this.#servers = servers;
  }

  forget(key: string): void {
    this.#asked.delete(key);
  }

  async run(key: string, plan: Plan, nowMs: number, log: Logger): Promise<void> {
    const id = plan.staleSeats.release;
    if (id === undefined) return this.forget(key);
    const target = this.#poller.target(key);
    const asked = this.#asked.get(key);
    const isSame = asked?.id === id;
    if (target === undefined || (isSame && nowMs < asked.againAtMs)) return;
    const sinceMs = isSame ? asked.sinceMs : nowMs;
    this.#asked.set(key, { id, sinceMs, againAtMs: asLongAgainMs(nowMs, sinceMs, pace) });
    const answer = await this.#servers.releaseStale(target, `stale seats, cleared by the operator (${id})`);
    if (!answer.ok) log.warn({ detail: answer.message }, 'stale seats could not be released; it is tried again');
  }
}

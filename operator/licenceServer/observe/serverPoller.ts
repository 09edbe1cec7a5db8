import { type Clock, monotonicOf } from '../../../runtime/clock.ts';
import { canonical } from '../api/digest.ts';
import type { ServerAnswer } from './serverAnswer.ts';
import type { ServerClient, ServerTarget } from './serverClient.ts';

/**
 * Watches licence servers by asking each for its status at its own pace, and keeps the last answer. A reconcile reads what
 * is known; it never waits for a server. Answers that say something new wake the reconcile.
 *
 * Pace: `steadyMs` with jitter while all is quiet, several servers at a time; `eagerMs` while a change is under way, doubling up to the steady pace
 * as long as nothing answers. An answer that no pass has looked at yet is not asked for again so soon: with thousands of
 * servers in the queue that would be thousands of questions a second. One lost answer is not yet an unreachable server.
 */
export interface PollerOptions {
  readonly client: Pick<ServerClient, 'status'>;
  readonly clock: Clock;
  readonly steadyMs: number;
  readonly eagerMs: number;
  /** Requests at one time. */
  readonly concurrency: number;
  /** From 0 to 1, for the jitter. */
  readonly random: () => number;
  readonly onChange: (key: string) => void;
}

interface Watched {
  target: ServerTarget;
  eager: boolean;
  failures: number;
  answer: ServerAnswer;
  cancel: (() => void) | undefined;
  asking: boolean;
  /** A pass was asked for, and has not come yet. */
  told: boolean;
}

const failuresToUnreachable = 2;
/** In so many steps at least a steady pace is gone through. */
const fewestSteps = 20;

export class ServerPoller {
  readonly #options: PollerOptions;
  readonly #servers = new Map<string, Watched>();
  readonly #expected = new Map<string, ServerTarget>();
  readonly #urgent: string[] = [];
  readonly #waiting: string[] = [];
  readonly #startedMs: number;
  #asking = 0;
  #stopped = false;

  constructor(options: PollerOptions) {
    this.#options = options;
    this.#startedMs = monotonicOf(options.clock);
  }

  /** A server that is about to come up: it is asked from `cameUp` on. */
  expect(key: string, target: ServerTarget): void {
    this.forget(key);
    this.#expected.set(key, target);
  }

  /** An expected server is there to be asked. */
  cameUp(key: string): void {
    const target = this.#expected.get(key);
    if (target !== undefined) this.track(key, target, true);
  }

  /**
   * Watches a server from now on, or changes how; `eager` while a change is under way. The first answer, or that there is
   * none, is told in any case.
   */
  track(key: string, target: ServerTarget, eager: boolean): void {
    this.#expected.delete(key);
    const known = this.#servers.get(key);
    if (known === undefined) {
      this.#servers.set(key, {
        target,
        eager,
        failures: 0,
        answer: { kind: 'none' },
        cancel: undefined,
        asking: false,
        told: false,
      });
      this.#ask(key, true);
      return;
    }
    const isUrgent = (eager && !known.eager) || known.target.token.version !== target.token.version;
    // The same object as before, if nothing changed: the client knows its last answer by it.
    if (!isSameTarget(known.target, target)) known.target = target;
    known.eager = eager;
    const wasTold = known.told;
    known.told = false;
    if (isUrgent) {
      known.failures = 0;
      this.#ask(key, true);
    } else if (eager && wasTold && !known.asking) {
      this.#askLater(key, known);
    }
  }

  /** Stops watching; what was known is forgotten. */
  forget(key: string): void {
    this.#servers.get(key)?.cancel?.();
    this.#servers.delete(key);
    this.#expected.delete(key);
  }

  answer(key: string): ServerAnswer {
    return this.#servers.get(key)?.answer ?? { kind: 'none' };
  }

  target(key: string): ServerTarget | undefined {
    return this.#servers.get(key)?.target;
  }

  stop(): void {
    this.#stopped = true;
    for (const key of [...this.#servers.keys()]) this.forget(key);
  }

  /** @param isWaitedFor goes before the routine */
  #ask(key: string, isWaitedFor = false): void {
    const server = this.#servers.get(key);
    if (server === undefined || server.asking || this.#stopped) return;
    server.cancel?.();
    server.cancel = undefined;
    server.asking = true;
    if (isWaitedFor) this.#urgent.push(key);
    else this.#waiting.push(key);
    this.#drain();
  }

  #drain(): void {
    while (this.#asking < this.#options.concurrency) {
      const key = this.#urgent.shift() ?? this.#waiting.shift();
      if (key === undefined) return;
      const server = this.#servers.get(key);
      if (server === undefined) continue;
      this.#asking += 1;
      void this.#poll(key, server).finally(() => {
        this.#asking -= 1;
        this.#drain();
      });
    }
  }

  async #poll(key: string, server: Watched): Promise<void> {
    // The time of asking: what is answered was true then or later.
    const atMs = this.#options.clock.now();
    const { target } = server;
    const read = await this.#options.client.status(target);
    server.asking = false;
    // Forgotten meanwhile, or watched anew.
    if (this.#servers.get(key) !== server) return;
    const before = server.answer;
    if (read.ok) {
      server.failures = 0;
      server.answer = { kind: 'answered', atMs, status: read.value };
    } else {
      server.failures += 1;
      if (before.kind !== 'answered' || server.failures >= failuresToUnreachable) {
        server.answer = { kind: 'unreachable', atMs, message: read.message };
      }
    }
    const isWaitedFor = server.eager && read.ok;
    const isNews = isWaitedFor || !saysSame(before, server.answer);
    if (isNews) server.told = true;
    this.#askLater(key, server);
    if (isNews) this.#options.onChange(key);
  }

  #askLater(key: string, server: Watched): void {
    server.cancel?.();
    server.cancel = this.#options.clock.after(this.#delayMs(server), () => this.#ask(key));
  }

  #delayMs({ eager, told, failures }: Watched): number {
    const { steadyMs, eagerMs, random } = this.#options;
    const pace =
      (eager && !told) || failures > 0 ? Math.min(steadyMs, eagerMs * 2 ** Math.min(failures, 20)) : steadyMs;
    const delayMs = pace * (0.8 + 0.4 * random());
    return pace === steadyMs ? this.#inStep(delayMs) : delayMs;
  }

  /**
   * Servers that nobody is in a hurry for are asked together, about as many as may be asked at one time: to wake the process
   * for each of them costs more than the question.
   */
  #inStep(delayMs: number): number {
    const { clock, concurrency, steadyMs } = this.#options;
    const steps = fewestSteps * Math.max(1, Math.ceil(this.#servers.size / (fewestSteps * concurrency)));
    const stepMs = steadyMs / steps;
    const nowMs = monotonicOf(clock) - this.#startedMs;
    return Math.max(0, Math.round((nowMs + delayMs) / stepMs) * stepMs - nowMs);
  }
}

/** Whether two answers say the same, whenever they did. */
function saysSame(a: ServerAnswer, b: ServerAnswer): boolean {
  if (a.kind === 'answered' && b.kind === 'answered' && a.status === b.status) return true;
  return said(a) === said(b);
}

const said = (answer: ServerAnswer): string =>
  answer.kind === 'answered' ? canonical(answer.status) : answer.kind === 'unreachable' ? answer.message : '';

const isSameTarget = (a: ServerTarget, b: ServerTarget): boolean =>
  a.token.version === b.token.version &&
  a.service === b.service &&
  a.namespace === b.namespace &&
  a.port === b.port &&
  a.portName === b.portName &&
  a.tls === b.tls &&
  a.ca === b.ca;

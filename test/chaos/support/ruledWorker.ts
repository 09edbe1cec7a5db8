import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './client.ts';

export interface RuledWorld {
  readonly violations: string[];
  client(): Client;
  random(): number;
  /** Told of every answer: its status, and the reason of a refusal. */
  count(outcome: string): void;
}

interface Held {
  readonly leaseId: string;
  readonly sinceMs: number;
  /** Until when nobody may have taken it. */
  readonly untilMs: number;
}

const lingersMs = 1_500;
const roundingMs = 2;

/**
 * One person at two computers, in bases of two kinds, who asks for one seat or several, with and without a feature, and sometimes stands in the queue.
 * It works one operation at a time: what it was told it holds must be there.
 */
export class RuledWorker {
  readonly #world: RuledWorld;
  readonly #user: string;
  readonly #held = new Map<string, Held>();
  readonly #unsure = new Set<string>();
  /** How often its knowledge has changed. */
  version = 0;

  constructor(world: RuledWorld, user: string) {
    this.#world = world;
    this.#user = user;
  }

  /** Leases that must exist from one moment to another. */
  known(fromMs: number, untilMs: number): string[] {
    return [...this.#held]
      .filter(([key, held]) => !this.#unsure.has(key) && held.sinceMs <= fromMs && held.untilMs > untilMs)
      .map(([, held]) => held.leaseId);
  }

  async step(): Promise<void> {
    const { random } = this.#world;
    const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
    const [host, base, session] = [one(['pc', 'laptop']), one(['trade', 'test-1', 'test-2']), one(['', '2'])];
    const asks = one([{}, {}, {}, { feature: 'payroll' }, { seats: 2 }]);
    const key = JSON.stringify([host, base, session, asks]);
    const held = this.#held.get(key);
    if (held !== undefined && random() < 0.6) return this.#release(key, held);
    const wait = random() < 0.1 ? { wait: 1 } : {};
    const holder = { base, user: this.#user, host, session };
    const answer = await this.#world
      .client()
      .call('POST', '/v1/checkouts', { product: 'erp', holder, ...asks, ...wait });
    this.version += 1;
    this.#world.count(answer.status === 409 ? `409 ${answer.body.reason}` : `${answer.status}`);
    const now = Date.now();
    if (answer.status === 200 || answer.status === 201) {
      const leaseId = String(answer.body.leaseId);
      if (held !== undefined && !this.#unsure.has(key) && held.untilMs > now && held.leaseId !== leaseId)
        this.#world.violations.push(`${this.#user} had ${held.leaseId} and was given ${leaseId}`);
      this.#held.set(key, { leaseId, sinceMs: now, untilMs: Date.parse(String(answer.body.expiresAt)) - roundingMs });
      this.#unsure.delete(key);
    } else if (answer.status === 409) {
      if (held !== undefined && !this.#unsure.has(key) && held.untilMs > now)
        this.#world.violations.push(
          `${this.#user} was refused (${answer.body.reason}) although it holds ${held.leaseId}`,
        );
      this.#held.delete(key);
      this.#unsure.delete(key);
    } else await this.#unknown(key, answer.status, 'check-out');
  }

  async #release(key: string, { leaseId }: Held): Promise<void> {
    this.#unsure.add(key);
    this.version += 1;
    const answer = await this.#world.client().call('DELETE', `/v1/leases/${leaseId}`);
    this.#world.count(`release ${answer.status}`);
    if (answer.status !== 204) return this.#unknown(key, answer.status, 'release');
    this.#held.delete(key);
    this.#unsure.delete(key);
  }

  async #unknown(key: string, status: number, what: string): Promise<void> {
    if (status !== 0 && status !== 503) this.#world.violations.push(`a ${what} was answered ${status}`);
    this.#unsure.add(key);
    this.version += 1;
    // the database may still be at work for a server that is dead
    await delay(lingersMs);
  }
}

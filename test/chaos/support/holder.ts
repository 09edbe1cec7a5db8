import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './client.ts';

/**
 * A program that holds a seat as the protocol asks. `eager`: heartbeats every second and again soon when there was no answer;
 * else not before it was told to. It never checks out a second time, so a lost lease stays lost.
 */
export class LiveHolder {
  readonly leaseId: string;
  readonly #client: () => Client;
  readonly #eager: boolean;
  readonly #running: Promise<void>;
  #on = true;
  lost = false;
  renewals = 0;

  private constructor(leaseId: string, client: () => Client, eager: boolean) {
    this.leaseId = leaseId;
    this.#eager = eager;
    this.#client = client;
    this.#running = this.#beat();
  }

  static async start(product: string, user: string, client: () => Client, eager = true): Promise<LiveHolder> {
    const holder = { base: 'live', user, host: 'pc' };
    const { status, body } = await client().call('POST', '/v1/checkouts', { product, holder });
    if (status !== 201) throw new Error(`${user} got no seat: ${status}`);
    return new LiveHolder(String(body.leaseId), client, eager);
  }

  async stop(): Promise<void> {
    this.#on = false;
    await this.#running;
  }

  async #beat(): Promise<void> {
    while (this.#on && !this.lost) {
      const { status, body, headers } = await this.#client().call('POST', `/v1/leases/${this.leaseId}/heartbeat`);
      if (status === 410) this.lost = true;
      if (status === 200) this.renewals += 1;
      const told = Number(status === 200 ? body.heartbeatAfterSeconds : headers['retry-after']) * 1_000;
      const pauseMs = this.#eager ? Math.min(told || 1_000, status === 200 ? 1_000 : 200) : told || 1_000;
      for (let ms = 0; this.#on && ms < pauseMs; ms += 100) await delay(100);
    }
  }
}

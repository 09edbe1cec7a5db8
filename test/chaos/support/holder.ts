import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './client.ts';

/**
 * A program that holds a seat as the protocol asks: heartbeats when it was told to, and again soon when there was no answer.
 * It never checks out a second time, so a lost lease stays lost.
 */
export class LiveHolder {
  readonly leaseId: string;
  readonly #client: () => Client;
  readonly #running: Promise<void>;
  #on = true;
  lost = false;
  renewals = 0;

  private constructor(leaseId: string, client: () => Client) {
    this.leaseId = leaseId;
    this.#client = client;
    this.#running = this.#beat();
  }

  static async start(product: string, user: string, client: () => Client): Promise<LiveHolder> {
    const holder = { base: 'live', user, host: 'pc' };
    const { status, body } = await client().call('POST', '/v1/checkouts', { product, holder });
    if (status !== 201) throw new Error(`${user} got no seat: ${status}`);
    return new LiveHolder(String(body.leaseId), client);
  }

  async stop(): Promise<void> {
    this.#on = false;
    await this.#running;
  }

  async #beat(): Promise<void> {
    while (this.#on && !this.lost) {
      const { status, body } = await this.#client().call('POST', `/v1/leases/${this.leaseId}/heartbeat`);
      if (status === 410) this.lost = true;
      if (status === 200) this.renewals += 1;
      await delay(status === 200 ? Math.min(1_000, Number(body.heartbeatAfterSeconds ?? 1) * 1_000) : 200);
    }
  }
}

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseKey } from '../../../licence/key.ts';
import type { KeyFault } from '../../../licence/keyFaults.ts';
import type { KeyStatus, ServerStatus } from '../../../licence/serverStatus.ts';

/** What the vendor knows of a key in these tests: nothing means that it works. */
export interface Vendor {
  /** Fault by keyId (at a check with an activation: by that): at a check, and at an activation. */
  readonly check: Map<string, KeyFault>;
  readonly activate: Map<string, KeyFault>;
}

/**
 * A real HTTP server that plays the licence server of one pod: it starts with what the pod mounts, and says and does what
 * the operator asks for. Its stale seats and its active keys outlive the pod, as the volume of a real one does.
 */
export class FakeServer {
  readonly vendor: Vendor = { check: new Map(), activate: new Map() };
  /** Stale and live seats, as if sessions held them. */
  stale = 0;
  live = 0;
  waiting = 0;
  /** It answers all but whether a key is good. */
  cannotCheck = false;
  /** Whether a start or a release takes stale seats away. */
  clears = true;
  /** Answers requests at all. */
  up = false;
  token = '';
  starts = 0;
  readonly checked: string[] = [];
  /** Activations that were to be judged beside their keys. */
  readonly checkedActivations: string[] = [];
  /** Keys that were activated again, in their order. */
  readonly reactivated: string[] = [];
  releases = 0;
  /** What it says of its backups, if it makes any. */
  backup: ServerStatus['backup'];
  polls = 0;
  #keys: { name: string; text: string }[] = [];
  #startedAt = '';
  #clearing: ServerStatus['clearing'];
  readonly #clearedIds = new Set<string>();
  /** Of the volume: activations by keyId, and what is to be activated again. */
  readonly #activatedAt = new Map<string, string>();
  readonly #reactivationIds = new Set<string>();
  #toReactivate = new Set<string>();
  readonly #http = createServer((request, response) => {
    if (!this.up) return response.destroy();
    void this.#answer(request).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });

  async listen(host: string): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(0, host, resolve));
  }
  get url(): string {
    const { address, port } = this.#http.address() as AddressInfo;
    return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
  }
  async close(): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  /** A pod has started with these files and variables. */
  start(keys: Readonly<Record<string, string>>, environment: Readonly<Record<string, string>>): void {
    this.starts += 1;
    this.#keys = Object.entries(keys).map(([name, text]) => ({ name, text }));
    this.#startedAt = new Date().toISOString();
    const id = /^once:(.*)$/.exec(environment.LICENCE_CLEAR_STALE ?? '')?.[1];
    if (id !== undefined && !this.#clearedIds.has(id)) {
      this.#clearedIds.add(id);
      const staleBefore = this.stale;
      if (this.clears) this.stale = 0;
      const cleared = staleBefore - this.stale;
      this.#clearing = { id, at: new Date().toISOString(), staleBefore, cleared, kept: this.live };
    }
    const reactivation = environment.LICENCE_REACTIVATE;
    if (reactivation !== undefined && !this.#reactivationIds.has(reactivation)) {
      this.#reactivationIds.add(reactivation);
      this.#toReactivate = new Set(this.#activatedAt.keys());
    }
    this.up = true;
  }
  stop(): void {
    this.up = false;
    this.#http.closeAllConnections();
  }

  #keyStatus(): KeyStatus[] {
    return this.#keys.map(({ name, text }) => {
      const parsed = parseKey(text);
      if (!parsed.ok) {
        const fault = { reason: parsed.reason, message: parsed.message };
        return { name, state: 'Refused', fault, source: 'configuration' };
      }
      const { keyId } = parsed;
      const fault = this.vendor.activate.get(keyId);
      if (fault !== undefined) {
        // Its file serves until the new one is there.
        const activatedAt = this.#activatedAt.get(keyId);
        if (activatedAt !== undefined && this.#toReactivate.has(keyId)) {
          return { name, keyId, state: 'Active', fault, source: 'configuration', product: 'erp', activatedAt };
        }
        const state = fault.reason === 'AuthorityUnreachable' ? 'Pending' : 'Refused';
        return { name, keyId, state, fault, source: 'configuration' };
      }
      if (this.#toReactivate.delete(keyId)) {
        this.reactivated.push(keyId);
        this.#activatedAt.delete(keyId);
      }
      const activatedAt = this.#activatedAt.get(keyId) ?? new Date().toISOString();
      this.#activatedAt.set(keyId, activatedAt);
      const grants = { generation: 1, product: 'erp', seatLimit: 10, activatedAt };
      return { name, keyId, state: 'Active', source: 'configuration', ...grants };
    });
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      return { status: 401, body: { reason: 'TokenWrong', detail: 'send the admin token' } };
    }
    let text = '';
    for await (const part of request) text += part;
    switch (`${request.method} ${request.url}`) {
      case 'GET /v1/status': {
        this.polls += 1;
        const keys = this.#keyStatus();
        const active = keys.some((key) => key.state === 'Active');
        const product = {
          product: 'erp',
          seatLimit: 10,
          seatsInUse: this.live + this.stale,
          seatsStale: this.stale,
          holdersWaiting: this.waiting,
        };
        const status: ServerStatus = {
          version: '0.1.0',
          startedAt: this.#startedAt,
          fingerprint: 'sha256:0',
          products: active ? [product] : [],
          keys,
          ...(this.#clearing === undefined ? {} : { clearing: this.#clearing }),
          ...(this.backup === undefined ? {} : { backup: this.backup }),
        };
        return { status: 200, body: status };
      }
      case 'POST /v1/keys:check': {
        const { key, activation } = JSON.parse(text);
        const parsed = parseKey(key);
        if (!parsed.ok) return { status: 200, body: { usable: false, fault: parsed } };
        this.checked.push(parsed.keyId);
        if (this.cannotCheck) return { status: 503, body: { reason: 'Busy', detail: 'later' } };
        if (activation !== undefined) this.checkedActivations.push(activation);
        const fault = this.vendor.check.get(activation ?? parsed.keyId);
        return { status: 200, body: { usable: fault === undefined, keyId: parsed.keyId, fault } };
      }
      case 'POST /v1/stale:release': {
        this.releases += 1;
        if (this.clears) this.stale = 0;
        return { status: 200, body: { released: 1 } };
      }
      default:
        return { status: 404, body: {} };
    }
  }
}

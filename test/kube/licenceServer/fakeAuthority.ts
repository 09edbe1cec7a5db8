import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseKey } from '../../../licence/key.ts';
import { freshKey } from './operator.ts';

/** A real HTTP server that plays the authority towards a customer's token: new keys, and how many are left this month. */
export class FakeAuthority {
  readonly token = 'customer-token';
  readonly resetAt = '2031-01-01T00:00:00Z';
  left = 3;
  /** Answers 503. */
  away = false;
  /** Keys that were made, newest last. */
  readonly made: { readonly of: string; readonly keyId: string }[] = [];
  /** Requests in their order. */
  readonly calls: string[] = [];
  /** Keys that are made next; others when there are none. */
  readonly next: string[] = [];
  /** Called after a key was made and before it is answered. */
  onMade: (() => void) | undefined;
  readonly #newest = new Map<string, string>();
  readonly #kept = new Map<string, unknown>();
  readonly #http = createServer((request, response) => {
    const [, keyId = '', verb] = /^\/base\/v1\/keys\/([^:]+)(?::(\w+))?$/.exec(request.url ?? '') ?? [];
    this.calls.push(verb ?? 'allowance');
    request.resume();
    const idempotency = String(request.headers['idempotency-key'] ?? '');
    const { status, body } = this.#answer(request.headers.authorization, keyId, verb, idempotency);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(0, '127.0.0.1', resolve));
  }
  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/base`;
  }
  async close(): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #answer(authorization: string | undefined, keyId: string, verb: string | undefined, idempotency: string) {
    if (this.away) return { status: 503, body: { reason: 'Unavailable', detail: 'later' } };
    if (authorization !== `Bearer ${this.token}`) {
      return { status: 401, body: { reason: 'TokenUnknown', detail: 'the token is not known' } };
    }
    const budget = { regenerationsLeft: this.left, regenerationsResetAt: this.resetAt };
    const newestKeyId = this.#newest.get(keyId) ?? keyId;
    if (verb === undefined) {
      const generation = this.made.length + 1;
      const licence = { licenceId: 'lic-1', organisation: 'Test Ltd', product: 'erp', generation };
      return { status: 200, body: { ...licence, keyId, newestKeyId, newestGeneration: generation, ...budget } };
    }
    if (idempotency.length < 16) return { status: 400, body: { reason: 'InvalidRequest', detail: 'Idempotency-Key' } };
    const kept = this.#kept.get(idempotency);
    if (kept !== undefined) return { status: 201, body: kept };
    if (newestKeyId !== keyId) {
      return { status: 409, body: { reason: 'KeySuperseded', detail: 'there is a newer key', newestKeyId } };
    }
    if (this.left === 0) {
      const detail = `the next one can be made at ${this.resetAt}`;
      return { status: 409, body: { reason: 'RegenerationLimit', detail, ...budget } };
    }
    this.left -= 1;
    const key = this.next.shift() ?? freshKey();
    const parsed = parseKey(key);
    const made = parsed.ok ? parsed.keyId : '';
    this.made.push({ of: keyId, keyId: made });
    for (const [older, newest] of this.#newest) if (newest === keyId) this.#newest.set(older, made);
    this.#newest.set(keyId, made);
    const answer = { licenceId: 'lic-1', key, keyId: made, generation: 2, ...budget, regenerationsLeft: this.left };
    this.#kept.set(idempotency, answer);
    this.onMade?.();
    return { status: 201, body: answer };
  }
}

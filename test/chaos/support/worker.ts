import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './client.ts';
import type { Holds } from './holds.ts';

/** A lease that a client was told it has. `untilMs`: until when nobody may have taken it; Infinity for a reported one. */
interface Held {
  readonly leaseId: string;
  readonly sinceMs: number;
  readonly untilMs: number;
}

export interface WorkerWorld {
  readonly holds: Holds;
  /** The addresses of the servers that should be up now; a worker picks any. */
  client(): Client;
  /** Random in [0, 1). */
  random(): number;
  readonly product: string;
  /** Told of every operation and its answer's status. */
  count(operation: string, status: number): void;
}

const lingersMs = 1_500;
/** An expiry is told in whole ms, so it may be a little late. */
const roundingMs = 2;

/**
 * One person's programs: a few holders of their own, used one operation at a time, so that after each answer it is known
 * what the next one must be. Everything else that is wrong becomes a violation in words.
 */
export class Worker {
  readonly #world: WorkerWorld;
  readonly #base: string;
  readonly #users: readonly string[];
  readonly #held = new Map<string, Held>();
  /** When a holder that went silent comes back. */
  readonly #silentUntil = new Map<string, number>();
  /** Holders whose state is unknown since an operation had no answer. */
  readonly #unsure = new Set<string>();
  readonly #reports: boolean;

  constructor(world: WorkerWorld, name: string, holders: number, reports: boolean) {
    this.#world = world;
    this.#base = name;
    this.#users = Array.from({ length: holders }, (_, i) => `u${i}`);
    this.#reports = reports;
  }

  /** Leases that must exist at both of the given times: known before, not expired after. */
  known(fromMs: number, untilMs: number): { leaseId: string; holder: string }[] {
    return [...this.#held]
      .filter(([user, held]) => !this.#unsure.has(user) && held.sinceMs <= fromMs && held.untilMs > untilMs)
      .map(([user, held]) => ({ leaseId: held.leaseId, holder: `${this.#base}/${user}` }));
  }
  /** Holders that surely hold nothing. */
  knownWithout(): string[] {
    return this.#users
      .filter((user) => !this.#held.has(user) && !this.#unsure.has(user))
      .map((user) => `${this.#base}/${user}`);
  }
  /** How often this worker's knowledge has changed: a look at the database between two equal ones saw a steady state. */
  version = 0;

  async step(): Promise<void> {
    if (this.#reports) return this.#report();
    const now = Date.now();
    const awake = this.#users.filter((user) => (this.#silentUntil.get(user) ?? 0) < now);
    if (awake.length === 0) return delay(100);
    const user = this.#pick(awake);
    const held = this.#held.get(user);
    const dice = this.#world.random();
    if (held === undefined) await this.#checkOut(user);
    else if (dice < 0.45) await this.#heartbeat(user, held);
    else if (dice < 0.6) await this.#checkOut(user);
    else if (dice < 0.97) await this.#release(user, held);
    else this.#forget(user, held);
  }

  /** Ends all holds as far as the record goes. */
  finish(nowMs: number): void {
    for (const held of this.#held.values()) this.#world.holds.sure(held.sinceMs, Math.min(nowMs, held.untilMs));
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#world.random() * from.length)] as T;
  }
  #wrong(text: string): void {
    this.#world.holds.violations.push(`${this.#base}: ${text}`);
  }
  #name(user: string): string {
    return `${this.#base}/${user}`;
  }

  /** The sure part of a hold is over at `atMs` or when its lease time was. */
  #end(user: string, atMs: number): void {
    const held = this.#held.get(user);
    if (held === undefined) return;
    this.#held.delete(user);
    this.#world.holds.sure(held.sinceMs, Math.min(atMs, held.untilMs));
  }
  #hold(user: string, leaseId: string, atMs: number, untilMs: number): void {
    const held = this.#held.get(user);
    if (held?.leaseId === leaseId) {
      // between an old end and a renewal nobody could know whether it was still held
      if (held.untilMs < atMs) {
        this.#end(user, held.untilMs);
        this.#held.set(user, { leaseId, sinceMs: atMs, untilMs });
      } else this.#held.set(user, { leaseId, sinceMs: held.sinceMs, untilMs });
    } else {
      this.#end(user, atMs);
      this.#held.set(user, { leaseId, sinceMs: atMs, untilMs });
    }
    this.#unsure.delete(user);
    this.version += 1;
  }

  async #checkOut(user: string): Promise<void> {
    const { holds, product } = this.#world;
    const before = this.#held.get(user);
    const wasSure = before !== undefined && !this.#unsure.has(user);
    const askedMs = Date.now();
    holds.mayHold(this.#name(user), askedMs);
    const holder = { base: this.#base, user, host: 'pc' };
    const answer = await this.#world.client().call('POST', '/v1/checkouts', { product, holder });
    this.#world.count('checkOut', answer.status);
    const now = Date.now();
    if (answer.status === 201 || answer.status === 200) {
      const leaseId = String(answer.body.leaseId);
      if (wasSure && before.untilMs > now && leaseId !== before.leaseId)
        this.#wrong(`${user} had ${before.leaseId} and was given ${leaseId}`);
      this.#hold(user, leaseId, now, Date.parse(String(answer.body.expiresAt)) - roundingMs);
    } else if (answer.status === 409) {
      if (wasSure && before.untilMs > now) this.#wrong(`${user} was refused although it holds ${before.leaseId}`);
      holds.denied(this.#name(user), askedMs, now);
      this.#gone(user, now);
    } else await this.#unknown(user, answer.status, 'check-out', false);
  }

  async #heartbeat(user: string, held: Held): Promise<void> {
    const wasSure = !this.#unsure.has(user);
    const answer = await this.#world.client().call('POST', `/v1/leases/${held.leaseId}/heartbeat`);
    this.#world.count('heartbeat', answer.status);
    const now = Date.now();
    if (answer.status === 200)
      this.#hold(user, held.leaseId, now, Date.parse(String(answer.body.expiresAt)) - roundingMs);
    else if (answer.status === 410) {
      if (wasSure && held.untilMs > now) this.#wrong(`${user} lost ${held.leaseId} ${held.untilMs - now} ms too early`);
      this.#gone(user, now);
    } else await this.#unknown(user, answer.status, 'heartbeat', false);
  }

  async #release(user: string, held: Held): Promise<void> {
    const askedMs = Date.now();
    this.#end(user, askedMs);
    this.version += 1;
    this.#unsure.add(user);
    const answer = await this.#world.client().call('DELETE', `/v1/leases/${held.leaseId}`);
    this.#world.count('release', answer.status);
    if (answer.status === 204) {
      this.#gone(user, Date.now());
      if (this.#world.random() > 0.02) return;
      const after = await this.#world.client().call('POST', `/v1/leases/${held.leaseId}/heartbeat`);
      this.#world.count('heartbeat', after.status);
      if (after.status === 200) this.#wrong(`${user} gave ${held.leaseId} back and could still renew it`);
    } else await this.#unknown(user, answer.status, 'release', true);
  }

  /** Switched off without a word: nobody may have the seat before its time is over. */
  #forget(user: string, held: Held): void {
    this.#silentUntil.set(user, held.untilMs + this.#world.random() * 2_000);
  }

  async #report(): Promise<void> {
    const { holds, product, random } = this.#world;
    const users = this.#users.filter(() => random() < 0.5);
    const before = new Map([...this.#held].filter(([user]) => !this.#unsure.has(user)));
    const known = new Set(this.#users.filter((user) => !this.#unsure.has(user)));
    const askedMs = Date.now();
    for (const user of users) holds.mayHold(this.#name(user), askedMs);
    for (const user of this.#users) {
      if (users.includes(user)) continue;
      this.#end(user, askedMs);
      this.#unsure.add(user);
    }
    this.version += 1;
    const sessions = users.map((user) => ({ product, user, host: 'pc' }));
    const answer = await this.#world.client().call('PUT', `/v1/bases/${this.#base}/sessions`, { sessions });
    this.#world.count('report', answer.status);
    const now = Date.now();
    if (answer.status !== 200) {
      await Promise.all(users.map((user) => this.#unknown(user, answer.status, 'report', false)));
      return;
    }
    const rows = answer.body.sessions as { user: string; outcome: string; leaseId?: string }[];
    if (rows.length !== users.length) this.#wrong(`reported ${users.length} sessions and was told of ${rows.length}`);
    const most = before.size;
    if (known.size === this.#users.length) {
      const leaving = [...before.keys()].filter((user) => !users.includes(user)).length;
      if (answer.body.released !== leaving)
        this.#wrong(`${leaving} of ${most} left, ${answer.body.released} were released`);
    }
    for (const user of this.#users) if (!users.includes(user)) this.#gone(user, now);
    for (const row of rows) {
      const old = before.get(row.user);
      if (row.outcome === 'denied') {
        if (old) this.#wrong(`${row.user} was refused in a report although it holds ${old.leaseId}`);
        this.#gone(row.user, now);
      } else {
        if (old && (row.outcome !== 'renewed' || row.leaseId !== old.leaseId))
          this.#wrong(`${row.user} had ${old.leaseId}, and a report ${row.outcome} ${row.leaseId}`);
        if (!old && known.has(row.user) && row.outcome !== 'granted')
          this.#wrong(`${row.user} held nothing, and a report ${row.outcome} ${row.leaseId}`);
        this.#hold(row.user, String(row.leaseId), now, Number.POSITIVE_INFINITY);
      }
    }
  }

  #gone(user: string, atMs: number): void {
    this.#end(user, atMs);
    this.#unsure.delete(user);
    this.#world.holds.holdsNot(this.#name(user), atMs);
    this.version += 1;
  }

  /** No answer, or one that leaves it open. Only a release or a report may end a lease: after others the old term counts. */
  async #unknown(user: string, status: number, what: string, mayEnd: boolean): Promise<void> {
    if (status !== 0 && status !== 503) this.#wrong(`a ${what} was answered ${status}`);
    if (mayEnd || !this.#held.has(user)) this.#unsure.add(user);
    this.version += 1;
    // the database may still be at work for a server that is dead: what it does then must not come after the next request
    await delay(lingersMs);
  }
}

import { AsyncLocalStorage } from 'node:async_hooks';
import { vi } from 'vitest';
import { holderKey } from '../../../server/seats/holderKey.ts';
import * as ledger from '../../../server/seats/ledger.ts';

// Computers with programs that hold seats, and one server, in time that is stepped. What runs inside `Computer.run` has that computer's
// timers, time of the day and network; the server decides by the ledger's own rules.

export const leaseMs = 120_000;
const here = new AsyncLocalStorage<Computer>();
const realTimeout = globalThis.setTimeout;
const turn = () => new Promise((resolve) => setImmediate(resolve));

interface Timer {
  readonly at: number;
  readonly fn: () => void;
  unref(): void;
}

export class Computer {
  readonly user: string;
  /** Milliseconds since it was switched on, as its timers count them: they stand still while it is suspended. */
  elapsed = 0;
  /** What its time of the day is off by. */
  wallOffMs = 0;
  isSuspended = false;
  isCutOff = false;
  /** So many answers to come are lost on their way, after the server has done what was asked. */
  answersToLose = 0;
  /** When the server last granted or renewed something of it, whether the answer arrived or not. */
  servedAt = 0;
  readonly timers = new Set<Timer>();

  constructor(user: string) {
    this.user = user;
  }
  run<T>(work: () => T): T {
    return here.run(this, work);
  }
  after(ms: number, fn: () => void): Timer {
    const timer = { at: this.elapsed + Math.max(ms, 1), fn, unref: () => {} };
    this.timers.add(timer);
    return timer;
  }
  get next(): number {
    return Math.min(...[...this.timers].map((timer) => timer.at));
  }
  /** Fires what is due. */
  fire(): void {
    for (const timer of [...this.timers].filter(({ at }) => at <= this.elapsed)) {
      this.timers.delete(timer);
      this.run(timer.fn);
    }
  }
}

export class World {
  now = 1_000_000;
  readonly pool: ledger.Pool;
  readonly computers: readonly Computer[];
  /** `refuses`: no process; `hangs`: it takes the connection and is silent; `away`: it has no database. */
  server: 'serves' | 'refuses' | 'hangs' | 'away' = 'serves';
  /** After how long the server wants the next heartbeat, at each answer. */
  heartbeatAfter: () => number = () => leaseMs / 3_000;
  /** What was asked, whether it was answered or not, as `POST /v1/heartbeats`. */
  readonly requests: string[] = [];
  /** Called after each moment at which something happened. */
  watch: () => void = () => {};
  #ids = 0;
  readonly #ledger: ledger.Ledger;

  constructor(users: readonly string[], seatLimit: number) {
    this.pool = ledger.newPool(seatLimit);
    this.#ledger = { pools: new Map([['erp', this.pool]]), bases: new Map() };
    this.computers = users.map((user) => new Computer(user));
    vi.stubGlobal('setTimeout', (fn: () => void, ms = 0) => here.getStore()?.after(ms, fn) ?? realTimeout(fn, ms));
    vi.stubGlobal('clearTimeout', (timer: Timer) => here.getStore()?.timers.delete(timer));
    vi.stubGlobal('fetch', (url: URL, request: RequestInit & { signal: { ms: number } }) => this.#fetch(url, request));
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => ({ ms }) as unknown as AbortSignal);
    vi.spyOn(Date, 'now').mockImplementation(() => this.now + (here.getStore()?.wallOffMs ?? 0));
    vi.spyOn(performance, 'now').mockImplementation(() => here.getStore()?.elapsed ?? this.now);
  }

  /** Gives the globals back. */
  end(): void {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  }

  /** Lets time pass: every timer of a computer that is awake fires at its own moment. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    await this.#settle();
    while (this.now < until) {
      const awake = this.computers.filter((computer) => !computer.isSuspended);
      const step = Math.min(
        until - this.now,
        ...awake.map((computer) => Math.max(computer.next - computer.elapsed, 1)),
      );
      this.now += step;
      for (const computer of awake) {
        computer.elapsed += step;
        computer.fire();
      }
      await this.#settle();
    }
  }
  async #settle(): Promise<void> {
    await turn();
    await turn();
    this.watch();
  }

  /** After a start of the server nothing expires for one lease time. */
  serveAgain(): void {
    if (this.server === 'refuses') this.pool.frozenUntil = this.now + leaseMs;
    this.server = 'serves';
  }

  leasesOf(user: string): ledger.Lease[] {
    return [...this.pool.leases.values()].filter((lease) => lease.holder.includes(`\u001f${user}\u001f`));
  }

  /** Somebody asks for a seat, beside the computers. */
  tryFor(user: string): boolean {
    return this.server === 'serves' && this.#checkOut({ base: 'b', user, host: 'h', session: '' }).status < 400;
  }
  giveBackAllOf(user: string): void {
    for (const { leaseId } of this.leasesOf(user)) ledger.release(this.pool, leaseId, 0);
  }

  async #fetch(url: URL, request: RequestInit & { signal: { ms: number } }): Promise<Response> {
    const computer = here.getStore();
    if (computer === undefined) throw new Error('nobody asks');
    this.requests.push(`${request.method} ${url.pathname}`);
    const silence = () =>
      new Promise<never>((_, reject) => {
        computer.after(request.signal.ms, () => reject(new DOMException('no answer in time', 'TimeoutError')));
      });
    if (computer.isCutOff || this.server === 'hangs') return silence();
    if (this.server === 'refuses') throw new TypeError('fetch failed');
    const { status, body } =
      this.server === 'away'
        ? { status: 503, body: { reason: 'StoreUnavailable', detail: 'the database is away' } }
        : this.#answer(request.method ?? 'GET', url.pathname, request.body as string | undefined);
    if (status < 400) computer.servedAt = this.now;
    if (computer.answersToLose > 0) {
      computer.answersToLose -= 1;
      return silence();
    }
    const headers = status === 409 || status === 503 ? { 'retry-after': '30' } : {};
    return new Response(status === 204 ? null : JSON.stringify(body), { status, headers });
  }

  #answer(method: string, path: string, body: string | undefined): { status: number; body: unknown } {
    const renewed = {
      expiresAt: new Date(this.now + leaseMs).toISOString(),
      heartbeatAfterSeconds: this.heartbeatAfter(),
    };
    if (path === '/v1/checkouts') {
      const outcome = this.#checkOut((JSON.parse(body ?? '') as { holder: Parameters<typeof holderKey>[0] }).holder);
      const seats = { limit: this.pool.seatLimit, inUse: ledger.inUseOf(this.pool) };
      if (outcome.status === 409)
        return { status: 409, body: { reason: 'SeatsExhausted', detail: 'all are taken', seats } };
      const grant = { leaseId: outcome.leaseId, seats, support: { state: 'valid' }, features: [], ...renewed };
      return { status: outcome.status, body: grant };
    }
    if (path === '/v1/heartbeats') {
      const { leaseIds } = JSON.parse(body ?? '') as { leaseIds: string[] };
      const lost = leaseIds.filter((id) => ledger.renew(this.pool, id, this.now, leaseMs) !== 'renewed');
      return { status: 200, body: { ...renewed, renewed: leaseIds.length - lost.length, lost } };
    }
    const leaseId = /^\/v1\/leases\/([^/]+)/.exec(path)?.[1] ?? '';
    if (method === 'DELETE') {
      ledger.release(this.pool, leaseId, 0);
      return { status: 204, body: null };
    }
    return ledger.renew(this.pool, leaseId, this.now, leaseMs) === 'renewed'
      ? { status: 200, body: renewed }
      : { status: 410, body: { reason: 'LeaseLost', detail: 'it is gone' } };
  }

  #checkOut(holder: Parameters<typeof holderKey>[0]): { status: number; leaseId?: string } {
    const key = holderKey(holder);
    this.#ids += 1;
    const claim = { holder: key, part: key, size: 1, base: holder.base, leaseId: `lease-${this.#ids}` };
    const more = { mode: 'leased', slot: 0, caps: [], priority: 0, queueMs: 0 } as const;
    const [outcome] = ledger.checkOut(this.#ledger, this.pool, [{ ...claim, ...more }], this.now, leaseMs);
    if (outcome?.code !== 'granted' && outcome?.code !== 'renewed') return { status: 409 };
    return { status: outcome.code === 'granted' ? 201 : 200, leaseId: outcome.leaseId };
  }
}

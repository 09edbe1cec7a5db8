/**
 * A client of the licence server without dependencies: takes a seat, keeps it by heartbeats, gives it back.
 *
 * The server decides how often to call (`heartbeatAfterSeconds`, with jitter). A server that cannot be reached does not end
 * the lease: its holder keeps working, and the client keeps trying. A lease that the server no longer knows is checked out
 * again at once, since check-outs are idempotent by holder.
 */
export interface LicenceClientOptions {
  /** Address of the server, for example `http://head-office.accounting.svc:8080`; a path in it is kept. */
  readonly url: string;
  /** A client token; absent when the server's access is `open`. */
  readonly token?: string;
  /** Longest wait for one answer, in ms. Default 10 000. */
  readonly timeoutMs?: number;
}

export interface SeatRequest {
  readonly product: string;
  readonly holder: { readonly base: string; readonly user: string; readonly host: string; readonly session?: string };
  readonly mode?: 'leased' | 'sticky';
  /** Release date of the program that asks, for the support check; `YYYY-MM-DD` or RFC 3339. */
  readonly programReleasedOn?: string;
  /** Comes back in the signed proof. */
  readonly nonce?: string;
  /** Which instance of the base this is: a UUID made once and kept in the base; another one is refused (`BaseInstanceConflict`). */
  readonly instance?: string;
  /** The feature that the seat is for; one that no active key has is refused (`FeatureNotLicensed`). */
  readonly feature?: string;
  /** Seats to take at once, all or none; another number or feature is another lease. */
  readonly seats?: number;
}

export interface Grant {
  readonly leaseId: string;
  readonly expiresAt?: string;
  readonly heartbeatAfterSeconds?: number;
  readonly seats: { readonly limit: number; readonly inUse: number };
  readonly support: { readonly state: 'valid' | 'expired'; readonly until?: string };
  /** Features of the active licences of the product. */
  readonly features: readonly string[];
  /** All licences in force are trials. */
  readonly trial?: boolean;
  /** What one seat is, unless each session is one: `user`, `host`, `userOnHost` or `base`. */
  readonly countBy?: string;
  /** Seats that one of a feature costs, where that is more than one. */
  readonly weights?: Readonly<Record<string, number>>;
  /** As it was asked for. */
  readonly feature?: string;
  /** How many seats the lease is, where that is not one. */
  readonly seatsTaken?: number;
  /** The seat is one beyond the limit of the licence. */
  readonly overdraft?: boolean;
  readonly proof?: string;
}

/** Whether a check-out would be granted, and why. */
export interface Explanation {
  readonly product: string;
  readonly granted: boolean;
  readonly outcome: 'granted' | 'renewed' | 'denied';
  /** Why it would be refused, as a refusal has it. */
  readonly reason?: string;
  /** The rule that would refuse it. */
  readonly rule?: string;
  readonly detail: string;
  readonly overdraft?: boolean;
  readonly seats?: { readonly limit: number; readonly inUse: number; readonly reserved: number };
  /** The place in the queue that it would get. */
  readonly queue?: { readonly position: number };
  /** In the order in which they are made, as far as the one that decides. */
  readonly checks: readonly {
    readonly check: string;
    readonly verdict: 'decided' | 'passed' | 'notMatched';
    readonly name?: string;
    readonly effect?: string;
    readonly used?: number;
    readonly most?: number;
    /** The same in one sentence. */
    readonly says: string;
  }[];
  /** Whoever has had a seat that would do the longest; only with an administrator's token. */
  readonly holders?: readonly {
    readonly leaseId: string;
    readonly holder: { readonly base: string; readonly user: string; readonly host: string; readonly session: string };
    readonly mode: string;
    readonly acquiredAt: string;
    readonly expiresAt?: string;
    readonly stale?: boolean;
  }[];
  /** When such a seat is expected to be free; absent: nothing says so. */
  readonly expected?: { readonly at: string; readonly by: string };
}

/** What to play: what was recorded in the last days, beside the same with other seats or rules. */
export interface SimulationRequest {
  readonly product: string;
  /** How many days, today among them; no more than the server keeps. */
  readonly days: number;
  /** Seats of the other side; absent: as many as now. */
  readonly seats?: number;
  /** Seats beyond the limit; absent: as many as now. */
  readonly overdraft?: number;
  /** Rules of the other side, as in `spec.seats.rules`, all of this product; absent: those that are in force. */
  readonly rules?: readonly unknown[];
}

/** One side of a simulation, in all or on one day. */
export interface SimulatedSide {
  /** Holders that were refused when they asked. */
  readonly refused: number;
  /** Of these, who had no seat a minute later. */
  readonly unmet: number;
  /** Most seats in use at one time. */
  readonly peak: number;
  /** Of all who were refused, together. */
  readonly waitedSeconds: number;
  readonly longestWaitSeconds: number;
}

/** What the last days were, and what they would have been. */
export interface Simulation {
  readonly product: string;
  readonly from: string;
  readonly to: string;
  /** Recorded grants and seats given back that were played. */
  readonly events: number;
  /** Seats with which nobody would have had to wait for one, by the rules of the other side. */
  readonly needed: number;
  readonly today: SimulatedSide & { readonly seats: number };
  readonly other: SimulatedSide & { readonly seats: number };
  /** In UTC; `day` is YYYY-MM-DD. */
  readonly days: readonly { readonly day: string; readonly today: SimulatedSide; readonly other: SimulatedSide }[];
}

/** How far a simulation is: from 0 to 1, and the day that is played. */
export interface SimulationProgress {
  readonly done: number;
  readonly events: number;
  readonly at: string;
}

/** A seat that was taken along: it lasts until `expiresAt`, and the proof says so where no server is. */
export interface BorrowedGrant extends Grant {
  readonly expiresAt: string;
  readonly proof: string;
}

/** One session in a report; the base is that of the report. */
export interface Session {
  readonly product: string;
  readonly user: string;
  readonly host: string;
  readonly session?: string;
}

/** A session as it is reported; `feature` and `seats` as in a check-out. */
export interface ReportedSession extends Session {
  readonly feature?: string;
  readonly seats?: number;
  /** Nobody works in it at the moment. */
  readonly idle?: boolean;
}

/** What the ledger did with a session report. */
export interface ReportAnswer {
  readonly base: string;
  /** Seats of sessions that were absent. */
  readonly released: number;
  /** In the order of the report. */
  readonly sessions: readonly (Required<Session> &
    (
      | { readonly outcome: 'granted' | 'renewed'; readonly leaseId: string; readonly overdraft?: boolean }
      | { readonly outcome: 'denied'; readonly reason: string; readonly rule?: string }
    ))[];
  /** What the licences of the products in the report grant beside seats. */
  readonly products: readonly {
    readonly product: string;
    readonly features: readonly string[];
    readonly trial?: boolean;
    readonly countBy?: string;
  }[];
}

/** The server's refusal, with its stable `reason` (for example `SeatsExhausted`). */
export class LicenceRefused extends Error {
  readonly status: number;
  readonly reason: string;
  /** When to ask again, in seconds, if the server said so. */
  readonly retryAfterSeconds: number | undefined;
  constructor(status: number, reason: string, detail: string, retryAfterSeconds: number | undefined) {
    super(detail);
    this.name = 'LicenceRefused';
    this.status = status;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A seat that is held until `release`. */
export interface Seat {
  /** The newest answer of the server. */
  readonly grant: Grant;
  /**
   * Says whether anybody works in the program: where the rules bound idleness, the seat of one who does not goes to whoever waits. Then
   * `onGivenAway` is called, and nothing is asked for until `setIdle(false)`, which takes a seat again at once, or calls `onLost`.
   */
  setIdle(idle: boolean): void;
  /** Gives the seat back; calling it again is safe. @throws Error when the server cannot be reached: the seat then expires. */
  release(): Promise<void>;
}

/** What happens to a held seat, for logs. */
export interface SeatEvents {
  /** A heartbeat failed; the client goes on trying, and the seat is held at least until `expiresAt`. */
  onTrouble?(error: unknown): void;
  /** The server gave the seat to somebody else and refuses a new one: the program should end or wait. */
  onLost?(error: LicenceRefused): void;
  /** The program was idle, and the seat went to somebody who waited. */
  onGivenAway?(): void;
}

/** When to try again after a heartbeat that failed: well within the lease, and not more often than once a second. */
const retryMs = (grant: Grant): number =>
  Math.min(Math.max(((grant.heartbeatAfterSeconds ?? 60) * 1_000) / 2, 1_000), 5_000);

/** How many leases one call renews, as the server takes them. */
const mostTogether = 1_000;
/** How many lost seats are taken again at a time: a thousand that are lost at once are not a thousand connections. */
const mostRetaken = 8;

/** A simulation looks for who had a seat at its beginning before it tells anything: a minute at most. */
const longestSilenceMs = 90_000;

type Renewed = Pick<Grant, 'expiresAt' | 'heartbeatAfterSeconds'>;

/** Waits for its turn, or for an answer of a call. */
interface Waiting<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

interface Renewal extends Waiting<Renewed> {
  readonly leaseId: string;
  readonly idle: boolean;
}

/** What is due at one moment, as `performance.now()` counts. */
interface Round {
  readonly at: number;
  readonly due: Set<() => void>;
  readonly timer: ReturnType<typeof setTimeout>;
}

export class LicenceClient {
  readonly #options: LicenceClientOptions;
  readonly #rounds = new Set<Round>();
  /** Leases to renew in one call, at the end of this turn. */
  #together: Renewal[] = [];
  #retaken = 0;
  readonly #toRetake: Waiting<void>[] = [];
  /** Of check-outs that name no session: one for each client, since containers share host names and process ids. */
  readonly #session = crypto.randomUUID();

  constructor(options: LicenceClientOptions) {
    this.#options = options;
  }

  /**
   * Takes (or renews) a seat once.
   * A holder without a session has one of this client's own: another program, wherever it runs, takes a seat of its own.
   * @param waitSeconds how long to stand in the server's queue when no seat is free; 60 at most, 0 answers at once
   * @throws LicenceRefused when the server says no; Error when it cannot be reached
   */
  checkOut(request: SeatRequest, waitSeconds = 0): Promise<Grant> {
    const body = {
      ...request,
      mode: request.mode ?? 'leased',
      holder: { ...request.holder, session: request.holder.session ?? this.#session },
    };
    return this.#call('POST', 'v1/checkouts', waitSeconds > 0 ? { ...body, wait: waitSeconds } : body, waitSeconds);
  }

  /**
   * Whether a check-out would be granted at this moment, and why; takes nothing.
   * @throws LicenceRefused for a request that is none; Error when the server cannot be reached
   */
  explain(request: SeatRequest): Promise<Explanation> {
    const holder = { ...request.holder, session: request.holder.session ?? this.#session };
    return this.#call('POST', 'v1/checkouts:explain', { ...request, holder });
  }

  /**
   * Plays what was recorded in the last days with other seats or rules; changes nothing. It needs an administrator's token.
   * @param onProgress told some times a second
   * @param signal its end stops the simulation
   * @throws LicenceRefused when the server says no, or gives up (`SimulationFailed`); Error when it cannot be reached, or breaks off
   */
  async simulate(
    request: SimulationRequest,
    onProgress: (progress: SimulationProgress) => void = () => {},
    signal?: AbortSignal,
  ): Promise<Simulation> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(new Error('the server fell silent')), longestSilenceMs);
    timer.unref();
    try {
      const signals = signal === undefined ? [silence.signal] : [silence.signal, signal];
      const response = await this.#ask('POST', 'v1/rules:simulate', request, AbortSignal.any(signals));
      for await (const line of linesOf(response)) {
        timer.refresh();
        const { progress, result, error } = JSON.parse(line) as SimulationLine;
        if (error !== undefined) throw new LicenceRefused(response.status, error.reason, error.detail, undefined);
        if (result !== undefined) return result;
        if (progress !== undefined) onProgress(progress);
      }
      throw new Error('the server broke off');
    } finally {
      clearTimeout(timer);
      silence.abort(); // what is left of the answer is not waited for
    }
  }

  /**
   * Takes a seat along for so many hours, or prolongs one that is; keep the answer, whose proof holds offline to the end. It is given back before by
   * `release`.
   * @throws LicenceRefused when the server says no; Error when it cannot be reached
   */
  borrow(request: Omit<SeatRequest, 'mode'>, hours: number): Promise<BorrowedGrant> {
    const body = {
      nonce: crypto.randomUUID(),
      ...request,
      mode: 'borrowed',
      hours,
      holder: { ...request.holder, session: request.holder.session ?? '' },
    };
    return this.#call('POST', 'v1/checkouts', body);
  }

  /**
   * Renews a lease.
   * @param idle nobody works in the program at the moment
   * @throws LicenceRefused with reason `LeaseLost` when it is gone
   */
  heartbeat(leaseId: string, idle = false): Promise<Renewed> {
    return this.#call('POST', `v1/leases/${encodeURIComponent(leaseId)}/heartbeat`, idle ? { idle } : undefined);
  }

  /**
   * Gives a seat back; a lease that is gone already is no error.
   * @param instance of the base; a seat of a base that another instance owns stays
   */
  async release(leaseId: string, instance?: string): Promise<void> {
    const of = instance === undefined ? '' : `?instance=${encodeURIComponent(instance)}`;
    await this.#call('DELETE', `v1/leases/${encodeURIComponent(leaseId)}${of}`);
  }

  /**
   * The session report: everybody who is in this base now. Absent ones give their seats back.
   * @param instance of the base, as in `SeatRequest`
   */
  reportSessions(base: string, sessions: readonly ReportedSession[], instance?: string): Promise<ReportAnswer> {
    return this.#call('PUT', `v1/bases/${encodeURIComponent(base)}/sessions`, { sessions, instance });
  }

  /** Takes a seat as `checkOut` does and keeps it by heartbeats until `release`. The timer does not keep the process alive. */
  async hold(request: SeatRequest, events: SeatEvents = {}, waitSeconds = 0): Promise<Seat> {
    let grant = await this.checkOut(request, waitSeconds);
    let cancel = () => {};
    let beating: Promise<void> | undefined;
    let releasing: Promise<void> | undefined;
    let isIdle = false;
    let isGivenAway = false;
    let isBeating = false;

    const renew = async () => {
      if (isGivenAway && isIdle) return;
      try {
        if (!isGivenAway) {
          grant = { ...grant, ...(await this.#renewTogether(grant.leaseId, isIdle)) };
          return;
        }
      } catch (error) {
        if (!(error instanceof LicenceRefused) || error.reason !== 'LeaseLost') throw error;
        if (isIdle) {
          isGivenAway = true;
          return events.onGivenAway?.();
        }
      }
      await this.#inTurn(async () => {
        if (releasing !== undefined) return;
        grant = await this.checkOut(request);
        isGivenAway = false;
      });
    };
    /** One heartbeat; answers when the next one is due, in ms. */
    const beat = async (): Promise<number> => {
      try {
        await renew();
        return (grant.heartbeatAfterSeconds ?? 60) * 1_000;
      } catch (error) {
        if (error instanceof LicenceRefused && error.status === 409) {
          events.onLost?.(error);
          return (error.retryAfterSeconds ?? 30) * 1_000;
        }
        events.onTrouble?.(error);
        return retryMs(grant);
      }
    };
    const plan = (ms: number) => {
      if (releasing !== undefined) return;
      cancel = this.#after(ms, () => {
        isBeating = true;
        beating = beat().then((next) => {
          isBeating = false;
          plan(next);
        });
      });
    };
    const release = async () => {
      cancel();
      await beating; // it may be taking the seat again: what it took is given back too
      await this.release(grant.leaseId, request.instance);
    };

    if (grant.heartbeatAfterSeconds !== undefined) plan(grant.heartbeatAfterSeconds * 1_000);
    return {
      get grant() {
        return grant;
      },
      setIdle: (idle) => {
        const isBack = isIdle && !idle;
        isIdle = idle;
        if (!isBack || !isGivenAway || isBeating) return;
        cancel();
        plan(0);
      },
      release: () => {
        releasing = releasing?.catch(release) ?? release(); // one that failed is tried again
        return releasing;
      },
    };
  }

  /** Calls back once, together with what is due in the last quarter of the time before, so that many leases are one request. @returns ends it */
  #after(ms: number, callBack: () => void): () => void {
    const at = performance.now() + ms;
    let round = [...this.#rounds].find((other) => other.at <= at && other.at >= at - ms / 4);
    if (round === undefined) {
      const due = new Set<() => void>();
      const timer = setTimeout(() => {
        this.#rounds.delete(begun);
        for (const call of due) call();
      }, ms);
      timer.unref();
      const begun: Round = { at, due, timer };
      this.#rounds.add(begun);
      round = begun;
    }
    const { due, timer } = round;
    const joined = round;
    due.add(callBack);
    return () => {
      due.delete(callBack);
      if (due.size > 0) return;
      clearTimeout(timer);
      this.#rounds.delete(joined);
    };
  }

  /** As `heartbeat`; what is asked for in the same turn goes as one call. */
  #renewTogether(leaseId: string, idle: boolean): Promise<Renewed> {
    return new Promise((resolve, reject) => {
      if (this.#together.push({ leaseId, idle, resolve, reject }) > 1) return;
      queueMicrotask(() => {
        const all = this.#together;
        this.#together = [];
        for (let i = 0; i < all.length; i += mostTogether) void this.#renewAll(all.slice(i, i + mostTogether));
      });
    });
  }
  async #renewAll(leases: readonly Renewal[]): Promise<void> {
    const [first] = leases;
    if (first === undefined) return;
    if (leases.length === 1) return this.heartbeat(first.leaseId, first.idle).then(first.resolve, first.reject);
    try {
      const leaseIds = leases.map(({ leaseId }) => leaseId);
      const idle = leases.filter((l) => l.idle).map(({ leaseId }) => leaseId);
      type Answer = Required<Renewed> & { readonly lost: readonly string[] };
      const answer = await this.#call<Answer>('POST', 'v1/heartbeats', {
        leaseIds,
        ...(idle.length > 0 && { idleLeaseIds: idle }),
      });
      const { expiresAt, heartbeatAfterSeconds } = answer;
      const renewed = { expiresAt, heartbeatAfterSeconds };
      const isLost = new Set(answer.lost);
      for (const { leaseId, resolve, reject } of leases) {
        if (isLost.has(leaseId)) reject(new LicenceRefused(410, 'LeaseLost', 'the lease is gone', undefined));
        else resolve(renewed);
      }
    } catch (error) {
      for (const { reject } of leases) reject(error);
    }
  }

  /** A few at a time; when the server cannot be reached, those that wait fail with it, and are tried again as it is. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    if (this.#retaken < mostRetaken) this.#retaken += 1;
    else await new Promise<void>((resolve, reject) => this.#toRetake.push({ resolve, reject }));
    try {
      await work();
    } catch (error) {
      if (!(error instanceof LicenceRefused)) for (const { reject } of this.#toRetake.splice(0)) reject(error);
      throw error;
    } finally {
      const next = this.#toRetake.shift();
      if (next === undefined) this.#retaken -= 1;
      else next.resolve();
    }
  }

  async #call<T>(method: string, path: string, body?: unknown, waitSeconds = 0): Promise<T> {
    const { timeoutMs = 10_000 } = this.#options;
    const response = await this.#ask(method, path, body, AbortSignal.timeout(timeoutMs + waitSeconds * 1_000));
    const text = await response.text();
    return (text === '' ? {} : parse(text)) as T;
  }

  /** @throws LicenceRefused when the server says no; Error when it cannot be reached */
  async #ask(method: string, path: string, body: unknown, signal: AbortSignal): Promise<Response> {
    const { url } = this.#options;
    const response = await fetch(new URL(path, url.endsWith('/') ? url : `${url}/`), {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(this.#options.token === undefined ? {} : { authorization: `Bearer ${this.#options.token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
    if (response.ok) return response;
    const text = await response.text();
    const problem = ((text === '' ? {} : parse(text)) ?? {}) as { reason?: string; detail?: string };
    const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
    throw new LicenceRefused(
      response.status,
      problem.reason ?? 'Unknown',
      problem.detail ?? `the server answered ${response.status}`,
      Number.isNaN(retryAfter) ? undefined : retryAfter,
    );
  }
}

/** One of these; result or error is the last. */
interface SimulationLine {
  readonly progress?: SimulationProgress;
  readonly result?: Simulation;
  readonly error?: { readonly reason: string; readonly detail: string };
}

/** The lines of an answer, as they come. */
async function* linesOf({ body }: Response): AsyncGenerator<string> {
  if (body === null) return;
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of body) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line !== '');
  }
  if (rest !== '') yield rest;
}

/** A proxy in the way may answer with a page; its text then stands in for the detail. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 200) };
  }
}

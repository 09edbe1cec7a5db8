/**
 * A client of the licence server without dependencies: takes a seat, keeps it by heartbeats, gives it back.
 *
 * The server decides how often to call (`heartbeatAfterSeconds`, with jitter). A server that cannot be reached does not end
 * the lease: its holder keeps working until `expiresAt`, and the client keeps trying. A lease that the server no longer
 * knows is checked out again at once, since check-outs are idempotent by holder.
 */
export interface LicenceClientOptions {
  /** Address of the server, for example `http://head-office.accounting.svc:8080`. */
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
}

export interface Grant {
  readonly leaseId: string;
  readonly expiresAt?: string;
  readonly heartbeatAfterSeconds?: number;
  readonly seats: { readonly limit: number; readonly inUse: number };
  readonly support: { readonly state: 'valid' | 'expired'; readonly until?: string };
  readonly proof?: string;
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
  /** Gives the seat back; safe to call twice. */
  release(): Promise<void>;
}

/** What happens to a held seat, for logs. */
export interface SeatEvents {
  /** A heartbeat failed; the seat is still held until `expiresAt`. */
  onTrouble?(error: unknown): void;
  /** The server gave the seat to somebody else and refuses a new one: the program should end or wait. */
  onLost?(error: LicenceRefused): void;
}

const retryMs = 5_000;

export class LicenceClient {
  readonly #options: LicenceClientOptions;

  constructor(options: LicenceClientOptions) {
    this.#options = options;
  }

  /** Takes (or renews) a seat once. @throws LicenceRefused when the server says no; Error when it cannot be reached. */
  checkOut(request: SeatRequest): Promise<Grant> {
    const body = { ...request, mode: request.mode ?? 'leased', holder: { session: '', ...request.holder } };
    return this.#call<Grant>('POST', '/v1/checkouts', body);
  }

  /** Renews a lease. @throws LicenceRefused with reason `LeaseLost` when it is gone. */
  heartbeat(leaseId: string): Promise<Pick<Grant, 'expiresAt' | 'heartbeatAfterSeconds'>> {
    return this.#call('POST', `/v1/leases/${encodeURIComponent(leaseId)}/heartbeat`);
  }

  /** Gives a seat back; a lease that is gone already is no error. */
  async release(leaseId: string): Promise<void> {
    await this.#call('DELETE', `/v1/leases/${encodeURIComponent(leaseId)}`);
  }

  /** The session report: everybody who is in this base now. Absent ones give their seats back. */
  reportSessions(base: string, sessions: readonly unknown[]): Promise<unknown> {
    return this.#call('PUT', `/v1/bases/${encodeURIComponent(base)}/sessions`, { sessions });
  }

  /** Takes a seat and keeps it by heartbeats until `release`. The timer does not keep the process alive. */
  async hold(request: SeatRequest, events: SeatEvents = {}): Promise<Seat> {
    let grant = await this.checkOut(request);
    let timer: NodeJS.Timeout | undefined;
    let released = false;

    const renew = async () => {
      try {
        grant = { ...grant, ...(await this.heartbeat(grant.leaseId)) };
      } catch (error) {
        if (!(error instanceof LicenceRefused) || error.reason !== 'LeaseLost') throw error;
        grant = await this.checkOut(request);
      }
    };
    const beat = async () => {
      let nextMs = retryMs;
      try {
        await renew();
        nextMs = (grant.heartbeatAfterSeconds ?? 60) * 1_000;
      } catch (error) {
        if (error instanceof LicenceRefused && error.status === 409) {
          events.onLost?.(error);
          nextMs = (error.retryAfterSeconds ?? 30) * 1_000;
        } else events.onTrouble?.(error);
      }
      plan(nextMs);
    };
    const plan = (ms: number) => {
      if (released) return;
      timer = setTimeout(beat, ms);
      timer.unref();
    };

    if (grant.heartbeatAfterSeconds !== undefined) plan(grant.heartbeatAfterSeconds * 1_000);
    return {
      get grant() {
        return grant;
      },
      release: async () => {
        if (released) return;
        released = true;
        clearTimeout(timer);
        await this.release(grant.leaseId);
      },
    };
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(new URL(path, this.#options.url), {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(this.#options.token === undefined ? {} : { authorization: `Bearer ${this.#options.token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(this.#options.timeoutMs ?? 10_000),
    });
    const text = await response.text();
    const answer: unknown = text === '' ? {} : parse(text);
    if (response.ok) return answer as T;
    const problem = answer as { reason?: string; detail?: string };
    const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
    throw new LicenceRefused(
      response.status,
      problem.reason ?? 'Unknown',
      problem.detail ?? `the server answered ${response.status}`,
      Number.isNaN(retryAfter) ? undefined : retryAfter,
    );
  }
}

/** A proxy in the way may answer with a page; its text then stands in for the detail. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 200) };
  }
}

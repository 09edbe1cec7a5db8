import { ApiError, readStatus } from '../../operator/kube/apiError.ts';
import type { KubeAnswer, KubeRequest } from '../../operator/kube/client.ts';
import { type Clock, sleep } from '../../runtime/clock.ts';

export interface Lease {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** How one client's requests fare on their way; `lost` after they took effect, `cut` before. */
export interface Line {
  fault: 'none' | 'cut' | 'lost' | 'hangs';
  delayMs: number;
  /** Delay of the answer. */
  answerMs?: number;
}

/** One Lease object with the API server's optimistic locking; each client has a line of its own that can be disturbed. */
export class LeaseServer {
  lease: Lease | undefined;
  /** Who wrote what, in the order it took effect. */
  readonly writes: { readonly by: string; readonly holder: string; readonly at: number }[] = [];
  #version = 100;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  client(by: string, line: Line = { fault: 'none', delayMs: 0 }) {
    return {
      request: async (request: KubeRequest): Promise<KubeAnswer> => {
        if (line.delayMs > 0) await sleep(this.#clock, line.delayMs, request.signal);
        if (line.fault === 'hangs') await sleep(this.#clock, request.timeoutMs ?? 30_000, request.signal);
        if (line.fault === 'hangs' || line.fault === 'cut') throw new Error('connection cut');
        const answer = this.#take(by, request);
        if (line.answerMs !== undefined) await sleep(this.#clock, line.answerMs, request.signal);
        if (line.fault === 'lost') throw new Error('connection cut');
        return answer;
      },
    };
  }

  delete(): void {
    this.lease = undefined;
  }

  #take(by: string, { method, body }: KubeRequest): KubeAnswer {
    if (method === 'GET') {
      if (this.lease === undefined) throw refused(404, 'NotFound');
      return { status: 200, body: this.lease };
    }
    const lease = body as Lease;
    if (method === 'POST' && this.lease !== undefined) throw refused(409, 'AlreadyExists');
    if (method === 'PUT' && this.lease === undefined) throw refused(404, 'NotFound');
    if (method === 'PUT' && this.lease?.metadata.resourceVersion !== lease.metadata.resourceVersion) {
      throw refused(409, 'Conflict');
    }
    const uid = this.lease?.metadata.uid ?? `uid${this.#version}`;
    this.lease = { spec: lease.spec, metadata: { name: 'l', uid, resourceVersion: String(++this.#version) } };
    this.writes.push({ by, holder: String(lease.spec.holderIdentity), at: this.#clock.now() });
    return { status: 200, body: this.lease };
  }
}

const refused = (status: number, reason: string) =>
  new ApiError('lease', readStatus(status, { reason, message: reason }));

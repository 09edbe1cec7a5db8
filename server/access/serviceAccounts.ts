import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import type { Logger } from '../../runtime/log.ts';
import type { SeatStore } from '../seats/store.ts';
import type { Subject, SubjectVerifier } from './access.ts';

/**
 * Clients prove themselves with a projected service-account token of their pod. The API server says whose it is
 * (TokenReview); the seat is bound to the pod, and given back when the pod is gone.
 */
export interface ServiceAccountOptions {
  /** Base address of the API server. */
  readonly apiUrl: string;
  /** Directory with `token` and `ca.crt` of this server's own service account. */
  readonly dir: string;
  /** The audience that a client's token must have. */
  readonly audience: string;
  readonly log: Logger;
  /** Replaces the certificate of the API server, in tests. */
  readonly ca?: Buffer;
}

export const inClusterDir = '/var/run/secrets/kubernetes.io/serviceaccount';

/** @throws Error when this process does not run in a cluster. */
export function inClusterUrl(env: Readonly<Record<string, string | undefined>>): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (host === undefined || host === '') {
    throw new Error('LICENCE_ACCESS=serviceaccount works in a Kubernetes cluster only; use token or open here');
  }
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

interface Review {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: { readonly username?: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
  };
}

const timeoutMs = 5_000;
const keepMs = 60_000;
const mostKept = 10_000;
const podUid = 'authentication.kubernetes.io/pod-uid';
const podName = 'authentication.kubernetes.io/pod-name';

export class ServiceAccounts {
  readonly #options: ServiceAccountOptions;
  readonly #agent: Agent;
  readonly #known = new Map<string, { subject: Subject | undefined; untilMs: number }>();

  constructor(options: ServiceAccountOptions) {
    this.#options = options;
    const ca =
      options.ca ?? (options.apiUrl.startsWith('https') ? readFileSync(join(options.dir, 'ca.crt')) : undefined);
    this.#agent = new Agent({ connect: ca === undefined ? {} : { ca }, connections: 8 });
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /** Answers are kept for a minute. @throws Error while the API server cannot be asked. */
  readonly subjectOf: SubjectVerifier = async (token) => {
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(digest);
    if (known && known.untilMs > performance.now()) return known.subject;
    const { body } = await this.#call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [this.#options.audience] },
    });
    const subject = subjectIn(body as Review, this.#options.audience);
    if (this.#known.size >= mostKept) this.#known.clear();
    this.#known.set(digest, { subject, untilMs: performance.now() + keepMs });
    return subject;
  };

  /** Whether the pod of a stored subject (`namespace/name/uid`) is gone: another one of that name is not the same. */
  async isGone(subject: string): Promise<boolean> {
    const [namespace = '', name = '', uid = ''] = subject.split('/');
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
    const { status, body } = await this.#call('GET', path, undefined, [200, 404]);
    if (status === 404) return true;
    const pod = body as { metadata?: { uid?: string }; status?: { phase?: string } };
    return pod.metadata?.uid !== uid || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
  }

  async #call(method: 'GET' | 'POST', path: string, body?: unknown, expected: readonly number[] = [200, 201]) {
    const own = readFileSync(join(this.#options.dir, 'token'), 'utf8').trim(); // it is replaced every hour
    const answer = await request(this.#options.apiUrl + path, {
      method,
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${own}`, accept: 'application/json', 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    const text = await answer.body.text();
    if (!expected.includes(answer.statusCode)) {
      throw new Error(`the API server answers ${method} ${path} with status ${answer.statusCode}`);
    }
    return { status: answer.statusCode, body: JSON.parse(text) as unknown };
  }
}

/** Who a reviewed token belongs to; undefined unless it is a pod's and for this audience. */
export function subjectIn(review: Review, audience: string): Subject | undefined {
  const { authenticated, audiences, user } = review.status ?? {};
  // an API server that knows no audiences answers none: such an answer must not pass for ours
  if (authenticated !== true || !audiences?.includes(audience)) return undefined;
  const uid = user?.extra?.[podUid]?.[0];
  const name = user?.extra?.[podName]?.[0];
  const namespace = /^system:serviceaccount:([^:]+):/.exec(user?.username ?? '')?.[1];
  if (uid === undefined || name === undefined || namespace === undefined) return undefined;
  return { podUid: `${namespace}/${name}/${uid}`, podName: name, namespace };
}

const lookMs = 15_000;

/** Gives back the seats of pods that are gone, every quarter of a minute. Answers the function that ends it. */
export function followPods(accounts: ServiceAccounts, store: SeatStore, log: Logger): () => void {
  let busy = false;
  const look = async () => {
    if (busy) return;
    busy = true;
    try {
      const { rows } = await store.db.query<{ subject: string; ids: string[] }>(
        'SELECT subject, array_agg(lease_id::text) AS ids FROM lease WHERE subject IS NOT NULL GROUP BY subject',
      );
      for (const { subject, ids } of rows) {
        if (!(await accounts.isGone(subject))) continue;
        await Promise.all(ids.map((id) => store.release(id, 'pod_gone')));
        log.info({ seats: ids.length }, 'seats of a pod that is gone were given back');
      }
    } catch (error) {
      log.warn({ err: error }, 'it is not known whether the pods that hold seats are still there');
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(() => void look(), lookMs);
  return () => clearInterval(timer);
}

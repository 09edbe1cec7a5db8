import { createHash } from 'node:crypto';
import type { Logger } from '../../runtime/log.ts';
import type { SeatStore } from '../seats/store.ts';
import type { Subject, SubjectVerifier } from './access.ts';
import { ApiServer, type ApiServerOptions } from './apiServer.ts';
import { PodTokens } from './podTokens.ts';

/**
 * Clients prove themselves with a projected service-account token of their pod. Its signature says whose it is, the API
 * server whether that pod is still there; the seat is bound to the pod, and given back when the pod is gone.
 */
export interface ServiceAccountOptions extends ApiServerOptions {
  /** The audience that a client's token must have. */
  readonly audience: string;
  readonly log: Logger;
}

/** `unknown`: this server may not look at pods of that namespace. */
export type PodState = 'there' | 'gone' | 'unknown';

const keepMs = 60_000;
const mostKept = 10_000;

export class ServiceAccounts {
  readonly #log: Logger;
  readonly #api: ApiServer;
  readonly #tokens: PodTokens;
  readonly #known = new Map<string, { subject: Subject | undefined; untilMs: number }>();
  readonly #unseen = new Set<string>();

  constructor(options: ServiceAccountOptions) {
    this.#log = options.log;
    this.#api = new ApiServer(options);
    this.#tokens = new PodTokens(this.#api, options.audience);
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  /** Answers are kept for a minute. @throws Error while the API server cannot be asked. */
  readonly subjectOf: SubjectVerifier = async (token) => {
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(digest);
    if (known && known.untilMs > performance.now()) return known.subject;
    const claimed = await this.#tokens.subjectOf(token);
    // a token outlives its pod
    const subject = claimed && (await this.stateOf(claimed.podUid)) !== 'gone' ? claimed : undefined;
    this.#known.delete(digest);
    this.#known.set(digest, { subject, untilMs: performance.now() + keepMs });
    const oldest = this.#known.keys().next().value;
    if (this.#known.size > mostKept && oldest !== undefined) this.#known.delete(oldest);
    return subject;
  };

  /** How it stands with the pod of a stored subject (`namespace/name/uid`): another one of that name is not the same. */
  async stateOf(subject: string): Promise<PodState> {
    const [namespace = '', name = '', uid = ''] = subject.split('/');
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
    const { status, body } = await this.#api.call('GET', path, [200, 403, 404]);
    if (status === 403) {
      if (!this.#unseen.has(namespace)) {
        this.#unseen.add(namespace);
        this.#log.warn({ namespace }, 'pods of this namespace cannot be seen: their seats end with their leases');
      }
      return 'unknown';
    }
    if (status === 404) return 'gone';
    const pod = body as { metadata?: { uid?: string }; status?: { phase?: string } };
    const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    return pod.metadata?.uid !== uid || ended ? 'gone' : 'there';
  }
}

const lookMs = 10_000;
const atOnce = 8;
/** Pods that one look asks for: with more of them a round takes several looks, and the API server no more than 20 requests a second. */
const mostALook = 200;

/** Gives back the seats of pods that are gone, with a look every ten seconds. Answers the function that ends it. */
export function followPods(
  accounts: Pick<ServiceAccounts, 'stateOf'>,
  store: Pick<SeatStore, 'db' | 'release'>,
  log: Logger,
  everyMs = lookMs,
  most = mostALook,
): () => void {
  let busy = false;
  let lookedUpTo = '';
  const giveBack = async (subject: string) => {
    // a holder may have moved to another pod since the round began
    const { rows } = await store.db.query<{ id: string }>(
      'SELECT lease_id::text AS id FROM lease WHERE subject = $1 AND kind >= 0',
      [subject],
    );
    await Promise.all(rows.map(({ id }) => store.release(id, 'pod_gone')));
    if (rows.length > 0) log.info({ seats: rows.length }, 'seats of a pod that is gone were given back');
  };
  const look = async () => {
    if (busy) return;
    busy = true;
    try {
      const { rows } = await store.db.query<{ subject: string }>(
        'SELECT DISTINCT subject FROM lease WHERE subject > $1 ORDER BY subject LIMIT $2',
        [lookedUpTo, most],
      );
      const next = rows.length < most ? '' : (rows.at(-1)?.subject ?? '');
      const one = async () => {
        for (let row = rows.pop(); row !== undefined; row = rows.pop()) {
          if ((await accounts.stateOf(row.subject)) === 'gone') await giveBack(row.subject);
        }
      };
      await Promise.all(Array.from({ length: atOnce }, one));
      lookedUpTo = next; // after a failure the same ones again
    } catch (error) {
      log.warn({ err: error }, 'it is not known whether the pods that hold seats are still there');
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(() => void look(), everyMs);
  return () => clearInterval(timer);
}

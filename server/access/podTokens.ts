import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import type { Subject } from './access.ts';
import type { ApiServer } from './apiServer.ts';

/** What the API server says about a token (TokenReview). */
interface Review {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: { readonly username?: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
  };
}
const podUid = 'authentication.kubernetes.io/pod-uid';
const podName = 'authentication.kubernetes.io/pod-name';

const subjectOf = (namespace?: unknown, name?: unknown, uid?: unknown): Subject | undefined =>
  typeof namespace === 'string' && typeof name === 'string' && typeof uid === 'string'
    ? { podUid: `${namespace}/${name}/${uid}`, podName: name, namespace }
    : undefined;

/** Who a reviewed token belongs to; undefined unless it is a pod's and for this audience. */
export function subjectIn(review: Review, audience: string): Subject | undefined {
  const { authenticated, audiences, user } = review.status ?? {};
  // an API server that knows no audiences answers none: such an answer must not pass for ours
  if (authenticated !== true || !audiences?.includes(audience)) return undefined;
  const namespace = /^system:serviceaccount:([^:]+):/.exec(user?.username ?? '')?.[1];
  return subjectOf(namespace, user?.extra?.[podName]?.[0], user?.extra?.[podUid]?.[0]);
}

/** Who a verified token belongs to; undefined unless it is bound to a pod. */
export function subjectInClaims(claims: JWTPayload): Subject | undefined {
  const { namespace, pod } = (claims['kubernetes.io'] ?? {}) as {
    readonly namespace?: unknown;
    readonly pod?: { readonly name?: unknown; readonly uid?: unknown };
  };
  return subjectOf(namespace, pod?.name, pod?.uid);
}

interface Issuer {
  readonly name: string;
  readonly keys: ReturnType<typeof createLocalJWKSet>;
  readonly readAt: number;
}

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'];
/** Keys are read again so often, and sooner when a token names one that is not known. */
const keysMs = 3_600_000;
const soonestMs = 5_000;

/**
 * Verifies tokens of pods with the keys that the API server publishes, which every service account may read. Where that
 * right was taken away, the API server is asked about each token (TokenReview), for which this server needs
 * `create tokenreviews`.
 */
export class PodTokens {
  readonly #api: ApiServer;
  readonly #audience: string;
  #issuer: Issuer | undefined;
  #reading: Promise<Issuer | undefined> | undefined;

  constructor(api: ApiServer, audience: string) {
    this.#api = api;
    this.#audience = audience;
  }

  /** The pod of a token; undefined for one that is not accepted. @throws Error while the API server cannot be asked. */
  async subjectOf(token: string): Promise<Subject | undefined> {
    const known = this.#issuer;
    const isOld = known === undefined || performance.now() - known.readAt > keysMs;
    const issuer = isOld ? await this.#read() : known;
    if (issuer === undefined) return this.#review(token);
    const first = await this.#verify(token, issuer);
    if (first !== 'key unknown') return first;
    // the cluster's key was replaced
    if (performance.now() - issuer.readAt < soonestMs) return undefined;
    const fresh = await this.#read();
    const second = fresh === undefined ? undefined : await this.#verify(token, fresh);
    return second === 'key unknown' ? undefined : second;
  }

  async #verify(token: string, issuer: Issuer): Promise<Subject | 'key unknown' | undefined> {
    try {
      const { payload } = await jwtVerify(token, issuer.keys, {
        issuer: issuer.name,
        audience: this.#audience,
        algorithms,
        requiredClaims: ['exp'],
      });
      return subjectInClaims(payload);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return 'key unknown';
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
      throw error;
    }
  }

  /** The issuer and its keys; undefined when they are not for this server to read. */
  #read(): Promise<Issuer | undefined> {
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readNow(): Promise<Issuer | undefined> {
    const expected = [200, 401, 403, 404];
    const found = await this.#api.call('GET', '/.well-known/openid-configuration', expected);
    if (found.status !== 200) return undefined;
    // `jwks_uri` is the address for the world outside
    const keys = await this.#api.call('GET', '/openid/v1/jwks', expected);
    if (keys.status !== 200) return undefined;
    const { issuer } = found.body as { issuer: string };
    this.#issuer = {
      name: issuer,
      keys: createLocalJWKSet(keys.body as JSONWebKeySet),
      readAt: performance.now(),
    };
    return this.#issuer;
  }

  async #review(token: string): Promise<Subject | undefined> {
    const { body } = await this.#api.call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', [200, 201], {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [this.#audience] },
    });
    return subjectIn(body as Review, this.#audience);
  }
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { http1 } from '../../runtime/http1.ts';

/** How this server speaks to the API server of its cluster. */
export interface ApiServerOptions {
  /** Base address. */
  readonly apiUrl: string;
  /** Directory with `token` and `ca.crt` of this server's own service account. */
  readonly dir: string;
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

const timeoutMs = 5_000;
/** The keys of tokens have a media type of their own, and the API server refuses to send them as plain JSON. */
const accept = 'application/json, application/jwk-set+json';

/** Requests with this server's own token. */
export class ApiServer {
  readonly #options: ApiServerOptions;
  readonly #agent: Agent;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    const secure = options.apiUrl.startsWith('https');
    this.#agent = new Agent({
      ...http1,
      connect: secure ? { ca: readFileSync(join(options.dir, 'ca.crt')) } : {},
      connections: 8,
    });
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /** @throws Error when there is no answer, or one with a status that was not expected. */
  async call(method: 'GET' | 'POST', path: string, expected: readonly number[], body?: unknown) {
    const own = readFileSync(join(this.#options.dir, 'token'), 'utf8').trim(); // it is replaced every hour
    const answer = await request(this.#options.apiUrl + path, {
      method,
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${own}`, accept, 'content-type': 'application/json' },
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

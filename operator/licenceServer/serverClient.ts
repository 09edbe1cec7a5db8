import { Agent, type Dispatcher, request } from 'undici';
import type { KeyCheckResponse, ServerStatus } from '../../licence/serverStatus.ts';
import { ApiError } from '../kube/apiError.ts';
import type { KubeClient } from '../kube/client.ts';
import { type Parsed, parseKeyCheck, parseServerStatus } from './serverAnswer.ts';

/** Where a licence server is and how it is spoken to. */
export interface ServerTarget {
  readonly namespace: string;
  /** Name of its Service. */
  readonly service: string;
  readonly port: number;
  /** Name of the Service's port. */
  readonly portName: string;
  readonly tls: boolean;
  /** PEM certificates to trust, if its certificate is not of a public authority. */
  readonly ca?: string | undefined;
  /** Admin token. */
  readonly token: string;
}

/** Speaks HTTP with licence servers. Every fault of the way or of the answer is a value: it is nobody's error here. */
export interface ServerClient {
  status(target: ServerTarget): Promise<Parsed<ServerStatus>>;
  /** @param key its text; never logged */
  checkKey(target: ServerTarget, key: string): Promise<Parsed<KeyCheckResponse>>;
  releaseStale(target: ServerTarget, reason: string): Promise<Parsed<unknown>>;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}
/** One exchange; throws when there is no answer. */
type Send = (target: ServerTarget, method: 'GET' | 'POST', path: string, body?: unknown) => Promise<Answer>;

const timeoutMs = 5_000;
const longestBody = 4 * 1_048_576;

/** Straight to the Service: for an operator inside the cluster. `baseOf` is replaced by tests only. */
export function throughService(
  baseOf: (target: ServerTarget) => string = (t) =>
    `${t.tls ? 'https' : 'http'}://${t.service}.${t.namespace}.svc:${t.port}`,
): { readonly send: Send; readonly close: () => Promise<void> } {
  const options = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs, maxResponseSize: longestBody };
  const plain = new Agent({ ...options, connect: { timeout: 2_000 } });
  const pinned = new Map<string, Agent>();
  const agentOf = ({ tls, ca }: ServerTarget): Dispatcher => {
    if (!tls || ca === undefined) return plain;
    let agent = pinned.get(ca);
    if (agent === undefined) {
      // The authority is this server's own, so whom it names is of no further interest.
      agent = new Agent({ ...options, connect: { timeout: 2_000, ca, checkServerIdentity: () => undefined } });
      pinned.set(ca, agent);
    }
    return agent;
  };
  const send: Send = async (target, method, path, body) => {
    const answer = await request(`${baseOf(target)}${path}`, {
      method,
      dispatcher: agentOf(target),
      headers: {
        authorization: `Bearer ${target.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, body: jsonOf(text) };
  };
  return {
    send,
    close: async () => {
      await Promise.all([plain, ...pinned.values()].map((agent) => agent.close()));
    },
  };
}

/** Through the API server's proxy: for an operator outside the cluster. It keeps `Authorization` for itself. */
export function throughApiServer(kube: KubeClient): { readonly send: Send; readonly close: () => Promise<void> } {
  const send: Send = async (target, method, path, body) => {
    const service = `${target.tls ? 'https' : 'http'}:${target.service}:${target.portName}`;
    const answer = await kube.request({
      method,
      path: `/api/v1/namespaces/${target.namespace}/services/${service}/proxy${path}`,
      headers: { 'x-licence-token': target.token },
      timeoutMs,
      ...(body === undefined ? {} : { body }),
    });
    return { status: answer.status, body: answer.body };
  };
  return { send, close: async () => {} };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const detailOf = (body: unknown): string => {
  const problem = typeof body === 'object' && body !== null ? (body as { reason?: unknown; detail?: unknown }) : {};
  const words = [problem.reason, problem.detail].filter((w) => typeof w === 'string');
  return words.length === 0 ? '' : `: ${words.join(': ').slice(0, 300)}`;
};

export function createServerClient(way: { readonly send: Send; readonly close: () => Promise<void> }): ServerClient {
  const ask = async <T>(
    parse: (body: unknown) => Parsed<T>,
    target: ServerTarget,
    method: 'GET' | 'POST',
    path: string,
    body?: unknown,
  ): Promise<Parsed<T>> => {
    const where = `${target.service}.${target.namespace}`;
    try {
      const answer = await way.send(target, method, path, body);
      if (answer.status >= 200 && answer.status < 300) return parse(answer.body);
      return { ok: false, message: `server ${where} answered ${answer.status} to ${path}${detailOf(answer.body)}` };
    } catch (error) {
      return { ok: false, message: `server ${where} cannot be reached: ${reasonOf(error)}` };
    }
  };
  return {
    status: (target) => ask(parseServerStatus, target, 'GET', '/v1/status'),
    checkKey: (target, key) => ask(parseKeyCheck, target, 'POST', '/v1/keys:check', { key }),
    releaseStale: (target, reason) =>
      ask((value) => ({ ok: true, value }), target, 'POST', '/v1/stale:release', { reason }),
    close: way.close,
  };
}

/** One word or code that does not change from try to try, so that a condition does not either. */
function reasonOf(error: unknown): string {
  if (error instanceof ApiError) return `the API server's proxy answered ${error.status} ${error.reason}`;
  if (!(error instanceof Error)) return 'unknown fault';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (error.name === 'TimeoutError' || code?.includes('TIMEOUT')) return 'it did not answer in time';
  if (code === 'ECONNREFUSED') return 'the connection was refused';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name is not known';
  if (code === 'ECONNRESET' || code === 'UND_ERR_SOCKET') return 'the connection was cut';
  return code ?? error.name;
}

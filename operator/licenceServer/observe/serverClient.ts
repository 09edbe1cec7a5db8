import { hash } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { KeyCheckResponse, ServerStatus } from '../../../licence/serverStatus.ts';
import { ApiError } from '../../kube/apiError.ts';
import type { KubeClient } from '../../kube/client.ts';
import { namesOf } from '../api/names.ts';
import type { AdminToken } from './lookUp.ts';
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
  readonly token: AdminToken;
}

/** Speaks HTTP with licence servers. Every fault of the way or of the answer is a value: it is nobody's error here. */
export interface ServerClient {
  status(target: ServerTarget): Promise<Parsed<ServerStatus>>;
  /**
   * @param key its text; never logged
   * @param activation that is to be installed for it: the authority is not asked then
   */
  checkKey(target: ServerTarget, key: string, activation?: string): Promise<Parsed<KeyCheckResponse>>;
  releaseStale(target: ServerTarget, reason: string): Promise<Parsed<unknown>>;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  /** As it came; undefined: only what it says is known. */
  readonly text?: string;
  /** What it says; undefined: nothing that can be read. */
  readonly body: () => unknown;
}
/** One exchange; throws when there is no answer. */
type Send = (to: Recipient, method: 'GET' | 'POST', path: string, body?: unknown) => Promise<Answer>;
interface Recipient {
  readonly target: ServerTarget;
  readonly token: string;
}

const connectMs = 2_000;
const timeoutMs = 5_000;
const longestBody = 4 * 1_048_576;

/** A base URL in parts: reading it anew would cost as much as the rest of a question. */
interface Place {
  readonly base: string;
  readonly protocol: string;
  readonly host: string;
  readonly port: string;
}

/**
 * Straight to the Service: for an operator inside the cluster. One connection a server is kept between two questions: a
 * new one for each would cost a look-up of its name each. (Node's own client, since a fleet means thousands of idle
 * connections: undici needs 27 KiB for one of them, Node 4.) `baseOf` is replaced by tests only.
 */
export function throughService(
  baseOf: (target: ServerTarget) => string = (t) =>
    `${t.tls ? 'https' : 'http'}://${t.service}.${t.namespace}.svc:${t.port}`,
): { readonly send: Send; readonly close: () => Promise<void> } {
  const kept = { keepAlive: true, maxFreeSockets: 1 } as const;
  const agents = { http: new http.Agent(kept), https: new https.Agent(kept) };
  const places = new WeakMap<ServerTarget, Place>();
  const placeOf = (target: ServerTarget): Place => {
    const base = baseOf(target);
    const known = places.get(target);
    if (known?.base === base) return known;
    const { protocol, hostname, port } = new URL(base);
    // A URL puts IPv6 addresses in brackets, a socket takes none.
    const place = { base, protocol, host: hostname.replace(/^\[|\]$/g, ''), port };
    places.set(target, place);
    return place;
  };
  const exchange = ({ target, token }: Recipient, method: string, path: string, content: string | undefined) => {
    const { protocol, host, port } = placeOf(target);
    const to = { host, port, path, method };
    const headers = {
      authorization: `Bearer ${token}`,
      ...(content === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }),
    };
    if (protocol !== 'https:') return http.request({ ...to, headers, agent: agents.http });
    const { ca } = target;
    // The authority is this server's own, so whom it names is of no further interest. A Secret without it has the server's
    // certificate alone, or a part of the way to its root: what stands there is trusted as it is.
    const pinned = ca === undefined ? {} : { ca, allowPartialTrustChain: true, checkServerIdentity: () => undefined };
    return https.request({ ...to, headers, agent: agents.https, ...pinned });
  };
  const send: Send = async (to, method, path, body) => {
    const content = body === undefined ? undefined : JSON.stringify(body);
    for (;;) {
      const request = exchange(to, method, path, content);
      try {
        const { status, text } = await answerTo(request, content);
        return { status, text, body: () => jsonOf(text) };
      } catch (error) {
        // The server closed the kept connection while the question was on its way.
        const isStale = request.reusedSocket && (error as { code?: unknown }).code === 'ECONNRESET';
        if (!isStale || method !== 'GET') throw error;
      }
    }
  };
  return {
    send,
    close: async () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

/** Sends a request and reads the whole answer, within `connectMs` to the connection and `timeoutMs` from there. */
function answerTo(request: http.ClientRequest, content: string | undefined): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const give = (error: Error) => {
      clearTimeout(timer);
      reject(error);
      request.destroy(error);
    };
    const limit = (ms: number) => setTimeout(() => give(new Timeout(`no answer in ${ms} ms`)), ms);
    let timer = limit(connectMs);
    const onConnected = () => {
      clearTimeout(timer);
      timer = limit(timeoutMs);
    };
    request.on('error', give);
    request.on('socket', (socket) => {
      if (socket.connecting) socket.once('connect', onConnected);
      else onConnected();
    });
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > longestBody) give(new Error(`the answer is longer than ${longestBody} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', give);
      response.on('end', () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      });
    });
    request.end(content);
  });
}

class Timeout extends Error {
  override name = 'TimeoutError';
}

/** Through the API server's proxy: for an operator outside the cluster. It keeps `Authorization` for itself. */
export function throughApiServer(kube: KubeClient): { readonly send: Send; readonly close: () => Promise<void> } {
  const send: Send = async ({ target, token }, method, path, body) => {
    const service = `${target.tls ? 'https' : 'http'}:${target.service}:${target.portName}`;
    const answer = await kube.request({
      method,
      path: `/api/v1/namespaces/${target.namespace}/services/${service}/proxy${path}`,
      headers: { 'x-licence-token': token },
      timeoutMs,
      ...(body === undefined ? {} : { body }),
    });
    return { status: answer.status, body: () => answer.body };
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
    parse: (answer: Answer) => Parsed<T>,
    target: ServerTarget,
    method: 'GET' | 'POST',
    path: string,
    body?: unknown,
  ): Promise<Parsed<T>> => {
    const where = `${target.service}.${target.namespace}`;
    const token = await tokenFor(target);
    if (!token.ok) return { ok: false, message: `server ${where} cannot be asked: ${token.message}` };
    try {
      const answer = await way.send({ target, token: token.value }, method, path, body);
      if (answer.status >= 200 && answer.status < 300) return parse(answer);
      return { ok: false, message: `server ${where} answered ${answer.status} to ${path}${detailOf(answer.body())}` };
    } catch (error) {
      return { ok: false, message: `server ${where} cannot be reached: ${reasonOf(error)}` };
    }
  };
  /** Last answers by the hash of their text: one that says nothing new is not read again, and is the same value. */
  const told = new WeakMap<ServerTarget, { readonly hash: string; readonly parsed: Parsed<ServerStatus> }>();
  const statusIn = (target: ServerTarget, { text, body }: Answer): Parsed<ServerStatus> => {
    if (text === undefined) return parseServerStatus(body());
    const textHash = hash('sha256', text, 'base64');
    const last = told.get(target);
    if (last?.hash === textHash) return last.parsed;
    const parsed = parseServerStatus(body());
    told.set(target, { hash: textHash, parsed });
    return parsed;
  };
  return {
    status: (target) => ask((answer) => statusIn(target, answer), target, 'GET', '/v1/status'),
    checkKey: (target, key, activation) =>
      ask(({ body }) => parseKeyCheck(body()), target, 'POST', '/v1/keys:check', {
        key,
        ...(activation === undefined ? {} : { activation }),
      }),
    releaseStale: (target, reason) =>
      ask(() => ({ ok: true, value: undefined }), target, 'POST', '/v1/stale:release', { reason }),
    close: way.close,
  };
}

async function tokenFor({ service, token }: ServerTarget): Promise<Parsed<string>> {
  const secret = `Secret ${namesOf(service).tokens}`;
  try {
    const value = await token.read();
    if (value !== undefined) return { ok: true, value };
    return { ok: false, message: `${secret} has nothing under "admin"; add a token there` };
  } catch (error) {
    const reason =
      error instanceof ApiError ? `the API server answered ${error.status} ${error.reason}` : reasonOf(error);
    return { ok: false, message: `${secret} cannot be read: ${reason}` };
  }
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

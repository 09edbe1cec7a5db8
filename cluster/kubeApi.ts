import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';

/** Where an API server is, and as whom it is spoken to. */
export interface Access {
  readonly url: string;
  readonly caPem: string;
  readonly certPem?: string;
  readonly keyPem?: string;
  readonly token?: string;
}

export interface Answer {
  readonly status: number;
  /** Parsed JSON, or the text where it is none. */
  readonly body: unknown;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: Record<string, unknown>;
}

/** The few calls that bringing up a cluster needs; the product has a client of its own. */
export interface KubeApi {
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<Answer>;
  /** Server-side apply of one object under its path. @throws when refused */
  apply(path: string, object: unknown): Promise<void>;
  /** Follows a collection for good, current objects first; a broken watch starts again. Ends when `signal` aborts. */
  watch(path: string, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void>;
  close(): void;
}

export function createKubeApi(access: Access, timeoutMs = 10_000): KubeApi {
  const agent = new Agent({ keepAlive: true });
  const base: RequestOptions = {
    agent,
    ca: access.caPem,
    ...(access.certPem === undefined ? {} : { cert: access.certPem, key: access.keyPem }),
  };
  const headers = { accept: 'application/json', ...(access.token ? { authorization: `Bearer ${access.token}` } : {}) };

  const request: KubeApi['request'] = (method, path, body, contentType = 'application/json') =>
    new Promise((resolve, reject) => {
      const call = httpsRequest(
        new URL(path, access.url),
        {
          ...base,
          method,
          timeout: timeoutMs,
          headers: { ...headers, ...(body ? { 'content-type': contentType } : {}) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk)).once('error', reject);
          response.once('end', () =>
            resolve({ status: response.statusCode ?? 0, body: parsed(Buffer.concat(chunks).toString('utf8')) }),
          );
        },
      );
      call.once('timeout', () => call.destroy(new Error(`${method} ${path}: no answer in ${timeoutMs} ms`)));
      call.once('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });

  const follow = (path: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const call = httpsRequest(new URL(path, access.url), { ...base, signal, headers }, (response) => {
        let rest = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          const lines = (rest + text).split('\n');
          rest = lines.pop() ?? '';
          lines.forEach(onLine);
        });
        response.once('error', reject).once('end', resolve);
      });
      call.once('error', reject).end();
    });

  return {
    request,
    apply: async (path, object) => {
      const url = `${path}?fieldManager=cluster&force=true`;
      const { status, body } = await request('PATCH', url, object, 'application/apply-patch+yaml');
      if (status >= 300) throw new Error(`apply ${path}: ${status} ${JSON.stringify(body)}`);
    },
    watch: async (path, onEvent, signal) => {
      while (!signal.aborted) {
        const onLine = (line: string) => onEvent(JSON.parse(line) as WatchEvent);
        await follow(`${path}?watch=true`, onLine, signal).catch(() => {});
        await delay(200, undefined, { signal }).catch(() => {});
      }
    },
    close: () => agent.destroy(),
  };
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

import type { Refusal } from './logic/refusal.ts';

/** The server said no, or did not answer (`status` 0). */
export class ApiRefused extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.detail);
    this.name = 'ApiRefused';
    this.refusal = refusal;
  }
}

type Headers = Readonly<Record<string, string>>;

/**
 * Calls of the page's own server, JSON out and in. Every call throws ApiRefused.
 * @param headers of each call, by its method
 */
export function createCaller(headers: (method: string) => Headers, timeoutMs = 30_000) {
  const send = (method: string, path: string, body: unknown, further: Headers, signal: AbortSignal) =>
    fetch(path, {
      method,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers(method),
        ...further,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: 'no-store',
      signal,
    }).catch((error: unknown) => {
      throw new ApiRefused({ status: 0, reason: 'Unreachable', detail: String(error) });
    });
  const refused = (response: Response, text: string): ApiRefused => {
    const problem = (parse(text) ?? {}) as { reason?: unknown; detail?: unknown };
    return new ApiRefused({
      status: response.status,
      reason: typeof problem.reason === 'string' ? problem.reason : 'Unknown',
      detail: typeof problem.detail === 'string' ? problem.detail : `HTTP ${response.status}`,
    });
  };
  async function answerOf(method: string, path: string, body?: unknown, further: Headers = {}): Promise<string> {
    const response = await send(method, path, body, further, AbortSignal.timeout(timeoutMs));
    const text = await response.text().catch(() => '');
    if (response.ok) return text;
    throw refused(response, text);
  }
  /** The lines of an answer, each a JSON document, as they come. */
  async function* linesOf(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<unknown> {
    const response = await send('POST', path, body, {}, signal);
    if (!response.ok) throw refused(response, await response.text().catch(() => ''));
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const read = await reader?.read();
      if (read === undefined || read.done) return;
      const lines = (rest + read.value).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield parse(line);
    }
  }
  const call = async <T>(method: string, path: string, body?: unknown, further?: Headers): Promise<T> =>
    parse(await answerOf(method, path, body, further)) as T;
  return { call, answerOf, linesOf };
}

/** `?a=b`, without what is undefined or empty. */
export function query(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '');
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

/** A proxy in the way may answer with a page instead of JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

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
  async function answerOf(method: string, path: string, body?: unknown, further: Headers = {}): Promise<string> {
    const response = await fetch(path, {
      method,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers(method),
        ...further,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: 'no-store',
      signal: AbortSignal.timeout(timeoutMs),
    }).catch((error: unknown) => {
      throw new ApiRefused({ status: 0, reason: 'Unreachable', detail: String(error) });
    });
    const text = await response.text().catch(() => '');
    if (response.ok) return text;
    const problem = (parse(text) ?? {}) as { reason?: unknown; detail?: unknown };
    throw new ApiRefused({
      status: response.status,
      reason: typeof problem.reason === 'string' ? problem.reason : 'Unknown',
      detail: typeof problem.detail === 'string' ? problem.detail : `HTTP ${response.status}`,
    });
  }
  const call = async <T>(method: string, path: string, body?: unknown, further?: Headers): Promise<T> =>
    parse(await answerOf(method, path, body, further)) as T;
  return { call, answerOf };
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

/** Why nothing came from outside, in words. */

export type Env = Readonly<Record<string, string | undefined>>;
const proxySettings = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'];

/** The proxy settings that are in force, by name: their values may hold a password. */
export const proxiesOf = (env: Env = process.env): string[] => proxySettings.filter((name) => (env[name] ?? '') !== '');

/**
 * Why there was no answer, in a few words: what is known of the cause, and that a proxy may be it. Never with an address that
 * holds a password.
 * @param givenProxy where a proxy stands that is used in the place of those of the environment
 */
export function causeOfSilence(error: unknown, givenProxy?: string): string {
  const proxies = givenProxy === undefined ? proxiesOf() : [givenProxy];
  const beside = proxies.length === 0 ? '' : `; ${proxies.join(' and ')} may lead through a proxy`;
  return `${wordOf(error)}${beside}`;
}

function wordOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown fault';
  if (error.name === 'TimeoutError') return 'timed out';
  const cause = error.cause instanceof Error ? error.cause : error;
  if ('code' in cause && typeof cause.code === 'string') return cause.code;
  // undici's word for a proxy that answers CONNECT with anything but 200
  if (/Proxy response|Request was cancelled/.test(cause.message)) return 'the proxy refuses';
  return cause.message;
}

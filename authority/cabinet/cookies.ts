import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * Cookies of the cabinet. `__Host-`: only over HTTPS (or on this computer), only for this host, for the whole of it, so no other
 * host of the same domain can plant one. A browser without an end to keep in mind forgets them when it ends.
 */
export const sessionCookie = '__Host-licence-session';
export const signOnCookie = '__Host-licence-sign-on';

/** The value of a cookie; undefined: none, or none that we would have set. */
export function cookieOf({ headers }: Pick<FastifyRequest, 'headers'>, name: string): string | undefined {
  const values = (headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  // two of one name: one was planted, and nobody can say which
  return values.length === 1 && /^[\w-]{43}$/.test(values[0] ?? '') ? values[0] : undefined;
}

/** @param sameSite Lax: it comes along when another site, the identity provider, sends the browser back */
export function setCookie(reply: FastifyReply, name: string, value: string, sameSite: 'Strict' | 'Lax' = 'Strict') {
  reply.header('set-cookie', `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=${sameSite}`);
}

export const dropCookie = (reply: FastifyReply, name: string) =>
  reply.header('set-cookie', `${name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0`);

/** Whether a request that changes something comes from a page of this very host, as far as the browser says. */
export function isSameOrigin({ headers, host }: Pick<FastifyRequest, 'headers' | 'host'>): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  if (headers.origin === undefined) return true; // no browser, or one that is too old to say
  return URL.canParse(headers.origin) && new URL(headers.origin).host === host;
}

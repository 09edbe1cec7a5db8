import type { Http } from '../../runtime/httpShell.ts';
import type { TestAuthority } from './authority.ts';

export interface Answered<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** A browser as the authority sees one: it keeps the cookies, says where a request comes from, and sends what the page knows. */
export interface Visitor {
  call<T = Record<string, unknown>>(
    method: string,
    url: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answered<T>>;
  /** The cookies, by name. */
  readonly cookies: Map<string, string>;
  /** As the last answer that said one. */
  csrfToken: string;
}

export function createVisitor(http: Http, address = '192.0.2.1'): Visitor {
  const cookies = new Map<string, string>();
  const visitor: Visitor = {
    cookies,
    csrfToken: '',
    call: async (method, url, body, headers = {}) => {
      const answer = await http.inject({
        method: method as 'GET',
        url,
        remoteAddress: address,
        headers: {
          host: 'authority.example',
          'sec-fetch-site': 'same-origin',
          ...(cookies.size === 0 ? {} : { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
          ...(visitor.csrfToken === '' ? {} : { 'x-csrf-token': visitor.csrfToken }),
          ...headers,
        },
        ...(body === undefined ? {} : { payload: body as object }),
      });
      for (const line of [answer.headers['set-cookie'] ?? []].flat()) {
        const [pair = '', ...attributes] = line.split('; ');
        const [name = '', value = ''] = pair.split('=');
        if (attributes.includes('Max-Age=0')) cookies.delete(name);
        else cookies.set(name, value);
      }
      const text = answer.body;
      const said = text === '' || !/json/.test(String(answer.headers['content-type'])) ? {} : JSON.parse(text);
      if (typeof said.csrfToken === 'string') visitor.csrfToken = said.csrfToken;
      return { status: answer.statusCode, body: said, headers: answer.headers };
    },
  };
  return visitor;
}

export const aPassword = 'correct horse battery';

/** Somebody who has come in by an invitation of the vendor, in a browser of their own. */
export async function comeIn(
  authority: TestAuthority,
  email: string,
  organisation?: string,
  address?: string,
): Promise<Visitor> {
  const to = organisation === undefined ? { role: 'vendor' } : { organisation };
  const invited = await authority.call<{ token: string }>('POST', '/v1/invitations', { email, ...to });
  if (invited.status !== 201) throw new Error(`not invited: ${JSON.stringify(invited.body)}`);
  const visitor = createVisitor(authority.http, address);
  const accepted = await visitor.call('POST', '/v1/invitations:accept', {
    token: invited.body.token,
    name: email.split('@', 1)[0],
    password: aPassword,
  });
  if (accepted.status !== 201) throw new Error(`did not come in: ${JSON.stringify(accepted.body)}`);
  return visitor;
}

/** Somebody known, in a browser that signs in. */
export async function signedIn(http: Http, email: string, address?: string): Promise<Visitor> {
  const visitor = createVisitor(http, address);
  const { status, body } = await visitor.call('POST', '/v1/session', { email, password: aPassword });
  if (status !== 201) throw new Error(`not signed in: ${JSON.stringify(body)}`);
  return visitor;
}

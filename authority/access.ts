import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyRequest } from 'fastify';
import type { Http } from '../runtime/httpShell.ts';
import { ProblemError } from '../runtime/problem.ts';
import { readSmallFile } from '../runtime/smallFile.ts';
import { cookieOf, isSameOrigin, sessionCookie } from './cabinet/cookies.ts';
import { csrfTokenOf, type Session } from './cabinet/sessions.ts';
import type { Count } from './rates.ts';

/**
 * Who may do what: the vendor everything; a customer what is theirs; `metrics` reads `/metrics`. A route says the least role
 * that it asks for in `config.role` (`vendor`, `customer`, `metrics`, `person`, `none`); one that says nothing asks for the vendor.
 * Programs show a token. People are signed in to the cabinet by a cookie: somebody of the vendor is `vendor`, somebody of an
 * organisation `customer` of it, and both are `person`.
 */
export interface Actor {
  readonly role: 'vendor' | 'customer' | 'metrics' | 'none';
  /** What a customer is tied to: the id of an organisation, or (as the line of a token says it) a name that it has or had. */
  readonly organisation?: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    actor: Actor & {
      /** The token by name, for the audit: the first characters of its SHA-256. */
      readonly token?: string;
      /** Of a person. */
      readonly session?: Session;
    };
  }
  interface FastifyContextConfig {
    /** No session opens it, whoever's it is: what a browser that was left open must not do. */
    tokensOnly?: boolean;
  }
}

/** Reads the accepted tokens anew; called for each request, so it should remember them for a while. */
export type ReadTokens = () => Promise<readonly Token[]>;
export interface Token extends Actor {
  readonly hash: Buffer;
}

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

export interface AccessDeps {
  readonly readTokens: ReadTokens;
  /** Whose the token of a session's cookie is; undefined: nobody's any more. */
  readonly readSession: (token: string) => Promise<Session | undefined>;
  readonly count: Count;
}

/** Lets only those through who may, not more often than they may, and notes in `request.actor` who asks. */
export function enforceAccess(http: Http, deps: AccessDeps): void {
  http.decorateRequest('actor', null as unknown as Actor);
  http.addHook('onRequest', async (request) => {
    request.actor = { role: 'none' };
    const needed = neededBy(request);
    if (needed === 'none' || request.is404) return;
    const cookie = request.headers.authorization === undefined ? cookieOf(request, sessionCookie) : undefined;
    request.actor =
      cookie === undefined ? await ofToken(request, needed, deps) : await ofSession(request, needed, cookie, deps);
  });
}

const neededBy = ({ routeOptions }: FastifyRequest): string => routeOptions.config.role ?? 'vendor';

async function ofToken(request: FastifyRequest, needed: string, { readTokens, count }: AccessDeps) {
  const [, given] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (needed === 'person')
    throw refusal(401, 'SessionMissing', 'sign in to the cabinet; a token is nobody in particular');
  if (given === undefined) {
    count('failure', request.ip);
    throw refusal(401, 'TokenMissing', 'send Authorization: Bearer and a token');
  }
  const hash = hashOf(given);
  // Every token is compared, so the time says nothing about which one is close.
  const actors = (await readTokens()).filter((t) => timingSafeEqual(t.hash, hash));
  const actor = actors.find((a) => a.role === 'vendor') ?? actors[0];
  if (actor === undefined) {
    count('failure', request.ip);
    throw refusal(401, 'TokenUnknown', 'the token is not accepted; get a new one');
  }
  count('token', hash.toString('hex'));
  const { role, organisation } = actor;
  if (role !== 'vendor' && role !== needed) {
    const detail = needed === 'vendor' ? "this takes the vendor's token" : `this takes a token of the role "${needed}"`;
    throw refusal(403, 'RoleMissing', detail);
  }
  const token = hash.toString('hex').slice(0, 12);
  return { role, token, ...(organisation === undefined ? {} : { organisation }) };
}

async function ofSession(request: FastifyRequest, needed: string, cookie: string, { readSession, count }: AccessDeps) {
  const session = await readSession(cookie);
  if (session === undefined) {
    count('failure', request.ip);
    throw refusal(401, 'SessionEnded', 'you are not signed in any more; sign in again');
  }
  count('token', session.tokenHash.toString('hex'));
  // The browser sends the cookie whatever page asks for it; only our own page knows the other half.
  const changes = !['GET', 'HEAD'].includes(request.method);
  if (changes && !(isSameOrigin(request) && isCsrfToken(request.headers['x-csrf-token'], cookie))) {
    throw refusal(403, 'CsrfTokenWrong', 'send x-csrf-token as GET /v1/session says it, from a page of this host');
  }
  const { organisation } = session.person;
  const role = organisation === undefined ? ('vendor' as const) : ('customer' as const);
  const may = needed === 'person' || needed === role || (role === 'vendor' && needed === 'customer');
  if (!may || request.routeOptions.config.tokensOnly === true) {
    const detail = may || needed === 'metrics' ? 'this takes a token, not a session' : 'only the vendor may do that';
    throw refusal(403, 'RoleMissing', detail);
  }
  return { role, session, ...(organisation === undefined ? {} : { organisation }) };
}

function isCsrfToken(given: string | string[] | undefined, cookie: string): boolean {
  return typeof given === 'string' && timingSafeEqual(hashOf(given), hashOf(csrfTokenOf(cookie)));
}

const refusal = (status: number, reason: string, detail: string) => new ProblemError({ status, reason, detail });

/** The files of a tokens directory, and the role of their lines. `cabinet` is the vendor's own shop: it knows its customers. */
const files = { vendor: 'vendor', customer: 'customer', cabinet: 'customer', metrics: 'metrics' } as const;
type TokenFile = keyof typeof files;

/**
 * Tokens from the files of a directory, one a line. A line of `customer` goes on with the organisation that it is for, by id
 * or name: `TOKEN org-0123456789abcdef`. One of `cabinet` does not: it opens every customer's licences. Read again every few
 * seconds, so tokens are rotated without a restart; of a file that cannot be read the last ones stay.
 * @param warn told once of a `customer` file with lines for nobody in particular (they open everything, as they always did), and
 *   once of a file that cannot be read
 */
export function tokensFrom(dir: string, nowMs: () => number, warn: (message: string) => void = () => {}): ReadTokens {
  let readAt = Number.NEGATIVE_INFINITY;
  let tokens: readonly Token[] = [];
  let told = false;
  const last = new Map<TokenFile, { readonly tokens: readonly Token[]; readonly fault?: string }>();
  const readFile = async (file: TokenFile) => {
    const before = last.get(file)?.tokens ?? [];
    const read = await readTokens(dir, file).then(
      (found) => ({ tokens: found }),
      (error: Error) => ({ tokens: before, fault: error.message }),
    );
    if ('fault' in read && read.fault !== last.get(file)?.fault) {
      warn(`the tokens in ${join(dir, file)} cannot be read (${read.fault}); the last ones stay`);
    }
    last.set(file, read);
    return { file, tokens: read.tokens };
  };
  return async () => {
    if (Math.abs(nowMs() - readAt) < 5_000) return tokens;
    const names = Object.keys(files) as TokenFile[];
    const read = await Promise.all(names.map(readFile));
    readAt = nowMs();
    tokens = read.flatMap((r) => r.tokens);
    const open = read.some((r) => r.file === 'customer' && r.tokens.some((t) => t.organisation === undefined));
    if (open && !told) {
      warn(
        `${join(dir, 'customer')} has a token without an organisation: whoever has it sees and regenerates the licences of all ` +
          'customers; add the organisation behind it, or, if it is that of your own cabinet, move the line to the file cabinet',
      );
    }
    told = open;
    return tokens;
  };
}

async function readTokens(dir: string, file: TokenFile): Promise<Token[]> {
  const text = await readSmallFile(join(dir, file)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const role = files[file];
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [token = '', ...rest] = line.split(/\s+/);
      const organisation = file === 'customer' ? rest.join(' ') : '';
      return { role, hash: hashOf(token), ...(organisation === '' ? {} : { organisation }) };
    });
}

/**
 * Makes a directory with a token of the vendor and one for metrics, for a first start without any; keeps what is there. None
 * of a customer: nobody knows yet whose it would be.
 */
export async function ensureTokens(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const file of ['vendor', 'metrics'] satisfies TokenFile[]) {
    const token = `${randomBytes(32).toString('base64url')}\n`;
    await writeFile(join(dir, file), token, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

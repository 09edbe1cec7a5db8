import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Http } from '../../runtime/httpShell.ts';
import { ProblemError } from '../../runtime/problem.ts';
import { RateLimit } from '../../runtime/rateLimit.ts';
import type { Role, TokenVerifier } from './tokens.ts';

/** A pod that proved who it is, where clients come with service-account tokens. */
export interface Subject {
  readonly podUid: string;
  readonly podName: string;
  readonly namespace: string;
}
/** Verifies a client's service-account token; undefined when it is not accepted. */
export type SubjectVerifier = (token: string) => Promise<Subject | undefined>;

export type AccessMode =
  | { readonly kind: 'open' }
  | { readonly kind: 'token'; readonly tokens: TokenVerifier }
  | { readonly kind: 'serviceaccount'; readonly tokens: TokenVerifier; readonly subjectOf: SubjectVerifier };

declare module 'fastify' {
  interface FastifyRequest {
    /** The pod behind the request, where access is by service account. */
    subject?: Subject;
  }
}

/** What a connection has proved; its next requests with the same token need not be verified again. */
interface Proved {
  readonly token: string;
  readonly role: Role;
  readonly generation: number;
}
const proved = new WeakMap<Socket, Proved>();

/** The presented token: `Authorization: Bearer`, or `X-Licence-Token` where a proxy takes that header away. */
export function tokenOf(headers: IncomingHttpHeaders): string | undefined {
  const { authorization } = headers;
  if (authorization?.startsWith('Bearer ')) return authorization.slice(7);
  // the scheme's name may come in any case, and its blanks in any number (RFC 9110, section 11)
  if (authorization !== undefined && /^bearer /i.test(authorization)) return authorization.slice(7).trimStart();
  const own = headers['x-licence-token'];
  return typeof own === 'string' ? own : undefined;
}

/** Whether the token of a request is an administrator's; where access is open there are none. */
export function isAdministrator(request: FastifyRequest): boolean {
  const known = proved.get(request.raw.socket);
  return known?.role === 'admin' && known.token === tokenOf(request.headers);
}

/** Whether a request needs no further look: its connection has proved its token for the role, or access is open. */
export function isProved(mode: AccessMode, request: IncomingMessage, asked: Role): boolean {
  if (mode.kind === 'open') return true;
  const known = proved.get(request.socket);
  return (
    known !== undefined &&
    known.generation === mode.tokens.generation &&
    suffices(known.role, asked) &&
    known.token === tokenOf(request.headers)
  );
}

/** Slows down guessing: wrong tokens from one address. Good ones are never slowed, since only failures count. */
const failures = { burst: 20, perSecond: 1 };

const suffices = (has: Role, asked: string): boolean => has === 'admin' || has === asked;

/**
 * Guards every route by the role that it names (`config: { role }`); a route below `/v1/` and `/metrics` without a role asks
 * for `admin`, all others are open to everybody.
 */
export function guard(http: Http, mode: AccessMode): void {
  if (mode.kind === 'open') return;
  const { tokens } = mode;
  const limit = new RateLimit(failures);

  const refuse = (request: FastifyRequest, reply: FastifyReply, detail: string): never => {
    const retryAfterSeconds = limit.take(request.ip, performance.now());
    if (retryAfterSeconds > 0) {
      throw new ProblemError({
        status: 429,
        reason: 'TooManyFailures',
        detail: 'too many requests with a wrong token; wait, and check the token',
        retryAfterSeconds,
      });
    }
    reply.header('www-authenticate', 'Bearer');
    throw new ProblemError({ status: 401, reason: 'TokenInvalid', detail });
  };

  const check = (asked: string, request: FastifyRequest, reply: FastifyReply): Promise<void> | undefined => {
    const token = tokenOf(request.headers);
    if (token === undefined) {
      return refuse(request, reply, 'a token is needed: send Authorization: Bearer TOKEN, or X-Licence-Token');
    }
    const known = proved.get(request.raw.socket);
    if (known?.token === token && known.generation === tokens.generation && suffices(known.role, asked))
      return undefined;
    const role = tokens.roleOf(token);
    if (role !== undefined) {
      if (!suffices(role, asked)) {
        throw new ProblemError({
          status: 403,
          reason: 'RoleInsufficient',
          detail: `this needs a token of the role "${asked}", not "${role}"`,
        });
      }
      proved.set(request.raw.socket, { token, role, generation: tokens.generation });
      return undefined;
    }
    if (mode.kind !== 'serviceaccount' || asked !== 'client') {
      return refuse(request, reply, 'the token is not valid (any more); get the present one');
    }
    const unknown = (error: unknown): never => {
      request.log.warn({ err: error }, 'a service-account token could not be reviewed');
      throw new ProblemError({
        status: 503,
        reason: 'AccessUnknown',
        detail: 'the API server cannot be asked whose token this is; try again',
        retryAfterSeconds: 5,
      });
    };
    return mode.subjectOf(token).then((subject) => {
      if (subject) request.subject = subject;
      else refuse(request, reply, "the service account's token is not accepted; check its audience");
    }, unknown);
  };

  http.addHook('onRoute', (route) => {
    const guarded = route.url.startsWith('/v1/') || route.url === '/metrics';
    const asked = route.config?.role ?? (guarded ? 'admin' : undefined);
    if (asked === undefined || asked === 'public') return;
    const first = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => {
      try {
        const later = check(asked, request, reply);
        if (later === undefined) done();
        else later.then(() => done(), done);
      } catch (error) {
        done(error as Error);
      }
    };
    const own = route.onRequest === undefined ? [] : [route.onRequest].flat();
    route.onRequest = [first, ...own];
  });
}

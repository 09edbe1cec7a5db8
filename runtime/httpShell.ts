import { randomBytes } from 'node:crypto';
import fastify, {
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  LogController,
} from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  serializerCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { allowedMethods } from './allowedMethods.ts';
import type { Listen } from './config.ts';
import { messageOf, StoreUnavailable } from './database/fault.ts';
import type { Http } from './http.ts';
import { Drain, drainWith } from './httpDrain.ts';
import { readJsonPlainly } from './jsonBody.ts';
import type { Logger } from './log.ts';
import { nullIsAbsent } from './nullIsAbsent.ts';
import { type Problem, ProblemError, problemBody } from './problem.ts';
import { logRequestsLazily } from './requestLog.ts';

export type { Http } from './http.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The token role that a route asks for (`config: { role: 'admin' }`); a program's access hook enforces it. */
    role?: string;
    /** For the document: the `reason`s by which this route refuses, by status. */
    refusals?: Readonly<Record<number, readonly string[]>>;
  }
}

/** Limits that every program shares; a program may tighten them. */
export interface HttpLimits {
  /** Largest request body in bytes. */
  readonly bodyBytes?: number;
  /** Time for a whole request to arrive, in ms (slow-loris). */
  readonly requestTimeoutMs?: number;
  /** Addresses and networks, separated by commas, whose `X-Forwarded-For` names the client. */
  readonly trustedProxies?: string;
  /** What paths may begin with, such as `/licences`: the program's own follow it. */
  readonly pathPrefix?: string;
  /** How long an idle connection is kept. */
  readonly keepAliveSeconds?: number;
  readonly https?: { readonly cert: string; readonly key: string };
}

const problemOf = (error: FastifyError | ProblemError | StoreUnavailable, requestId: string): Problem => {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof StoreUnavailable) {
    return {
      status: 503,
      reason: 'StoreUnavailable',
      detail: 'the database cannot be reached, or does not do its work; whether this took effect is unknown: repeat it',
      // not all at the same moment
      retryAfterSeconds: 2 + Math.floor(Math.random() * 3),
    };
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const where = error.validation.map(
      (v) => `${v.instancePath.replace(/^\//, '').replaceAll('/', '.') || 'body'}: ${v.message}`,
    );
    return { status: 400, reason: 'InvalidRequest', detail: where.join('; ') };
  }
  const status = error.statusCode ?? 500;
  if (status === 413) return { status, reason: 'BodyTooLarge', detail: 'the request body is over the limit' };
  if (status === 415) return { status, reason: 'UnsupportedMediaType', detail: 'send application/json' };
  if (status === 429) return { status, reason: 'TooManyRequests', detail: error.message };
  if (status >= 400 && status < 500) return { status, reason: 'InvalidRequest', detail: error.message };
  return {
    status: 500,
    reason: 'InternalError',
    detail: `unexpected fault; see the log by the request id ${requestId}`,
  };
};

/** Longer than load balancers usually keep one (60 s), so that they never send a request into one that is just closed. */
export const keepAliveSeconds = 72;
const connectionsCheckingInterval = 2_000;
const maxParamLength = 2_500; // 200 characters of any script, percent-encoded

/** With the id by which the log has the request, in a header, and in the document where the fault is ours. */
const sendProblem = (reply: FastifyReply, problem: Problem) => {
  const requestId = reply.request.id;
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', problem.retryAfterSeconds);
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .header('x-request-id', requestId)
    .serializer((body: unknown) => JSON.stringify(body))
    .send({ ...problemBody(problem), ...(problem.status >= 500 ? { requestId } : {}) });
};

/** Ids of requests: one of this process, and a number. A random one for each is a measurable part of a small request. */
function requestIds(): () => string {
  const process = randomBytes(8).toString('hex');
  let n = 0;
  return () => `${process}-${(n++).toString(36)}`;
}

/** A fastify instance with zod validation, problem documents and bounded bodies, headers and times. */
export function createHttp(log: Logger, limits: HttpLimits = {}): Http {
  const drain = new Drain();
  const ofServer = { connectionsCheckingInterval, ServerResponse: drain.Response };
  const options: FastifyServerOptions = {
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIds(),
    bodyLimit: limits.bodyBytes ?? 1_048_576,
    requestTimeout: limits.requestTimeoutMs ?? 30_000,
    connectionTimeout: 0,
    trustProxy: limits.trustedProxies ?? false,
    keepAliveTimeout: (limits.keepAliveSeconds ?? keepAliveSeconds) * 1_000,
    ...(limits.pathPrefix === undefined ? {} : { rewriteUrl: withoutPrefix(limits.pathPrefix) }),
    routerOptions: { maxParamLength },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // Node looks for late requests only every 30 s unless told otherwise
    ...(limits.https ? { https: { ...limits.https, ...ofServer } } : { http: ofServer }),
    // an address that cannot be read never comes to the error handler
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply, problemOf(error, request.id)),
  } as FastifyServerOptions;
  const http = fastify(options).withTypeProvider<ZodTypeProvider>() as unknown as Http;
  drainWith(http, drain);
  if (limits.pathPrefix !== undefined) leadIntoPrefix(http, limits.pathPrefix);
  logRequestsLazily(http);
  readJsonPlainly(http);
  http.setValidatorCompiler(nullIsAbsent);
  http.setSerializerCompiler(serializerCompiler);
  http.setErrorHandler((error: FastifyError | ProblemError | StoreUnavailable, request, reply) => {
    const problem = problemOf(error, request.id);
    const requestId = request.id;
    if (error instanceof StoreUnavailable) {
      if (!error.told) request.log.warn({ why: messageOf(error), requestId }, 'the database did not do its work');
    } else if (problem.status >= 500 && !(error instanceof ProblemError)) {
      request.log.error({ err: error, requestId }, 'request failed');
    }
    return sendProblem(reply, problem);
  });
  const allowed = allowedMethods(http, maxParamLength);
  http.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const methods = allowed(path);
    if (methods.length === 0) {
      return sendProblem(reply, {
        status: 404,
        reason: 'RouteUnknown',
        detail: `there is no ${request.method} ${path}`,
      });
    }
    const allow = methods.join(', ');
    reply.header('allow', allow);
    const detail = `${path} takes ${allow}, not ${request.method}`;
    return sendProblem(reply, { status: 405, reason: 'MethodNotAllowed', detail });
  });
  return http;
}

const withoutPrefix =
  (prefix: string) =>
  ({ url = '/' }: { url?: string }): string =>
    url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : url;

/** The prefix alone, without the slash that what a page refers to needs. */
function leadIntoPrefix(http: Http, prefix: string): void {
  http.addHook('onRequest', async (request, reply) => {
    const [path, query] = request.originalUrl.split('?');
    if (path === prefix && request.method === 'GET')
      return reply.redirect(`${prefix}/${query === undefined ? '' : `?${query}`}`, 308);
  });
}

/** Starts listening; a taken port becomes an error that says so. Answers the address in use. */
export async function listenOn(http: Http, at: Listen): Promise<string> {
  try {
    return await http.listen({ host: at.host, port: at.port });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new Error(`port ${at.port} on ${at.host} is in use; stop the other program or choose another address`);
    }
    throw error;
  }
}

import type pg from 'pg';
import { createHttp, type Http, type HttpLimits } from '../runtime/httpShell.ts';
import type { Logger } from '../runtime/log.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { ProblemError } from '../runtime/problem.ts';
import { enforceAccess, type ReadTokens } from './access.ts';
import { type Client, databaseTime } from './database.ts';
import { registerRoutes } from './routes.ts';
import type { SigningKeys } from './signingKeys.ts';

export interface AuthorityDeps {
  readonly log: Logger;
  readonly pool: pg.Pool;
  readonly signingKeys: SigningKeys;
  readonly readTokens: ReadTokens;
  /** The present time in ms; default: the database's. */
  readonly now?: (client: Client) => Promise<number>;
}

/** The vendor side over HTTP: issues keys, activates them, keeps to the monthly limit. */
export function createAuthority(deps: AuthorityDeps, limits: HttpLimits = {}): Http {
  const http = createHttp(deps.log, { bodyBytes: 65_536, ...limits });
  const metrics = createMetrics();
  const answers = metrics.counter('licence_authority_requests_total', 'Answered requests.', ['route', 'status']);
  http.addHook('onResponse', async (request, reply) => {
    answers.inc({ route: request.routeOptions.url ?? 'unknown', status: String(reply.statusCode) });
  });
  enforceAccess(http, deps.readTokens);
  registerRoutes(http, {
    pool: deps.pool,
    signingKeys: deps.signingKeys,
    now: deps.now ?? databaseTime,
  });
  const open = { config: { role: 'none' } };
  http.get('/healthz/live', open, async () => ({ status: 'ok' }));
  http.get('/healthz/ready', open, async () => {
    try {
      await deps.pool.query('SELECT 1');
    } catch {
      throw new ProblemError({ status: 503, reason: 'DatabaseUnreachable', detail: 'the database does not answer' });
    }
    return { status: 'ok' };
  });
  http.get('/metrics', open, async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  return http;
}

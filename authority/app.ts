import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { messageOf } from '../runtime/database/fault.ts';
import type { DatabasePool } from '../runtime/database/pool.ts';
import { createHttp, type Http, type HttpLimits } from '../runtime/httpShell.ts';
import type { Logger } from '../runtime/log.ts';
import { createMetrics, type Metrics } from '../runtime/metrics.ts';
import { describeRoutes } from '../runtime/openapi.ts';
import { servePage } from '../runtime/page.ts';
import { ProblemError } from '../runtime/problem.ts';
import { enforceAccess, type ReadTokens } from './access.ts';
import { readSession, registerAccountRoutes } from './cabinet/accountRoutes.ts';
import { defaultAttemptRates } from './cabinet/attempts.ts';
import type { CabinetDeps } from './cabinet/cabinet.ts';
import { registerPeopleRoutes } from './cabinet/peopleRoutes.ts';
import { createSecretBox } from './cabinet/secretBox.ts';
import { defaultSessionTimes } from './cabinet/sessions.ts';
import { registerSignOnRoutes } from './cabinet/signOnRoutes.ts';
import { type Client, databaseTime, type Transact } from './database.ts';
import type { ClonePolicy } from './decideActivation.ts';
import { about, shownRoute } from './openapi.ts';
import { createCount, perMinute, type Rates } from './rates.ts';
import { registerRoutes } from './routes.ts';
import type { SigningKeys } from './signingKeys.ts';

export interface AuthorityDeps {
  readonly log: Logger;
  /** Default: its own, without those of the process. */
  readonly metrics?: Metrics;
  readonly pool: DatabasePool;
  readonly signingKeys: SigningKeys;
  readonly readTokens: ReadTokens;
  /** The present time in ms; default: the database's. */
  readonly now?: (client: Client) => Promise<number>;
  /** Default: `report`. */
  readonly clonePolicy?: ClonePolicy;
  readonly rates?: Rates;
  /** What differs from the defaults; of the secrets, from a key that is forgotten with the process. */
  readonly cabinet?: Partial<
    Pick<CabinetDeps, 'attemptRates' | 'sessionTimes' | 'invitationMs' | 'secrets' | 'provider'>
  >;
  /** For the rates. */
  readonly clock?: Clock;
}

/** What a customer's programs and servers need, many times over. */
export const defaultRates: Rates = {
  token: perMinute(600),
  activation: perMinute(300),
  failure: perMinute(60, 20),
};

/** The vendor side over HTTP: issues keys, activates them, keeps to the monthly limit. */
export function createAuthority(deps: AuthorityDeps, limits: HttpLimits = {}): Http {
  const http = createHttp(deps.log, { bodyBytes: 65_536, ...limits });
  // schemas of answers are for the document: nothing is left out by them
  http.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  const metrics = deps.metrics ?? createMetrics();
  const answers = metrics.counter('licence_authority_requests_total', 'Answered requests.', ['route', 'status']);
  http.addHook('onResponse', async (request, reply) => {
    answers.inc({ route: shownRoute(request.routeOptions.url ?? 'unknown'), status: String(reply.statusCode) });
  });
  const limited = metrics.counter('licence_authority_limited_total', 'Requests refused for being too many.', ['what']);
  const clones = metrics.counter(
    'licence_authority_clones_suspected_total',
    'Activations that showed a copied identity, by what became of them.',
    ['outcome'],
  );
  for (const outcome of ['reported', 'refused']) clones.inc({ outcome }, 0);
  const count = createCount(deps.rates ?? defaultRates, deps.clock ?? systemClock, (what) => limited.inc({ what }));
  const transact: Transact = (work) => deps.pool.transaction(work);
  const now = deps.now ?? databaseTime;
  const cabinet = cabinetOf(deps.cabinet ?? {}, { transact, now });
  const sessionOf = (token: string) => readSession(cabinet, token);
  enforceAccess(http, { readTokens: deps.readTokens, readSession: sessionOf, count });
  describeRoutes(http, about);
  // in a plugin of their own, which begins when the one that describes them is there
  http.register(async (api) => {
    const routes = api as unknown as Http;
    registerRoutes(routes, {
      transact,
      signingKeys: deps.signingKeys,
      now,
      clonePolicy: deps.clonePolicy ?? 'report',
      onClone: (outcome) => clones.inc({ outcome }),
      count,
    });
    registerAccountRoutes(routes, cabinet);
    registerSignOnRoutes(routes, cabinet, deps.log);
    registerPeopleRoutes(routes, cabinet);
    registerProbes(routes, deps.pool, metrics);
  });
  servePage(http, {
    folder: pageFolder,
    sources: [join(pageFolder, 'src'), join(pageFolder, '../shared')],
    role: 'none',
  });
  http.get('/openapi.json', open, async () => http.swagger());
  return http;
}

const pageFolder = fileURLToPath(new URL('../web/cabinet', import.meta.url));

const cabinetOf = (
  given: NonNullable<AuthorityDeps['cabinet']>,
  database: Pick<CabinetDeps, 'transact' | 'now'>,
): CabinetDeps => ({
  ...database,
  attemptRates: given.attemptRates ?? defaultAttemptRates,
  sessionTimes: given.sessionTimes ?? defaultSessionTimes,
  invitationMs: given.invitationMs ?? 72 * 3_600_000,
  secrets: given.secrets ?? createSecretBox(randomBytes(32)),
  provider: given.provider,
});

const open = { config: { role: 'none' } };

function registerProbes(http: Http, pool: DatabasePool, metrics: Metrics): void {
  const tags = ['probes'];
  const ok = { 200: z.object({ status: z.string() }) };
  http.get(
    '/healthz/live',
    { ...open, schema: { operationId: 'live', summary: 'Whether the process works', tags, response: ok } },
    async () => ({ status: 'ok' }),
  );
  http.get(
    '/healthz/ready',
    { ...open, schema: { operationId: 'ready', summary: 'Whether the database does its work', tags, response: ok } },
    async () => {
      try {
        await pool.query('SELECT 1');
      } catch (error) {
        const detail = `the database does not do its work: ${messageOf(error)}`;
        throw new ProblemError({ status: 503, reason: 'StoreUnavailable', detail });
      }
      return { status: 'ok' };
    },
  );
  http.get(
    '/metrics',
    {
      config: { role: 'metrics' },
      schema: {
        operationId: 'metrics',
        summary: 'Prometheus metrics',
        tags,
        response: {
          200: { description: 'in the text format of Prometheus', content: { 'text/plain': { schema: z.string() } } },
        },
      },
    },
    async (_request, reply) => reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
}

import { z } from 'zod';
import type { BackupStatus, ClearingStatus, ServerStatus } from '../licence/serverStatus.ts';
import { certificatesTrouble } from '../runtime/database/tls.ts';
import { createHttp, type Http, type HttpLimits } from '../runtime/httpShell.ts';
import type { Logger } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { describeRoutes } from '../runtime/openapi.ts';
import { moment, named } from '../runtime/schemas.ts';
import { type AccessMode, guard, isProved } from './access/access.ts';
import { registerAudit } from './audit.ts';
import type { DataVolume } from './dataVolume.ts';
import type { Identity } from './keys/identity.ts';
import type { Keys } from './keys/keys.ts';
import { keyStatusSchema, registerKeyRoutes } from './keys/routes.ts';
import { about } from './openapi.ts';
import { registerPage } from './page.ts';
import { registerSeatAdminRoutes } from './seats/adminRoutes.ts';
import { baseConflicts } from './seats/adminSchemas.ts';
import { conflictText } from './seats/baseOwners.ts';
import { registerExplainRoutes } from './seats/explain/routes.ts';
import { answerHeartbeatsFirst } from './seats/heartbeatFirst.ts';
import { productStatuses } from './seats/leaseQueries.ts';
import { registerAssignmentRoutes } from './seats/named/routes.ts';
import { registerSeatRoutes } from './seats/routes.ts';
import { createSeatGauges } from './seats/seatGauges.ts';
import type { SeatMetrics } from './seats/seatMetrics.ts';
import { registerSimulationRoutes } from './seats/simulate/routes.ts';
import type { SimulationDatabase } from './seats/simulate/worker.ts';
import type { SeatStore } from './seats/store.ts';
import { registerUsageRoutes } from './usage/routes.ts';
import type { UsageHistory } from './usage/usageHistory.ts';

export interface AppParts {
  readonly log: Logger;
  readonly version: string;
  readonly startedAt: Date;
  readonly limits?: HttpLimits;
  readonly access: AccessMode;
  readonly metrics: Metrics;
  readonly seatMetrics: SeatMetrics;
  readonly store: SeatStore;
  /** For what reads it in a thread of its own. */
  readonly database: SimulationDatabase;
  readonly keys: Keys;
  readonly identity: Identity;
  readonly usage: UsageHistory;
  readonly dataVolume: Pick<DataVolume, 'trouble'>;
  /** Undefined: no backups are wanted. */
  readonly backups?: { status(): BackupStatus } | undefined;
  /** The compact JWS of an activation, for proofs. */
  activationOf(keyId: string): string | undefined;
  /** What the clearing at this start did. */
  clearing(): ClearingStatus | undefined;
  /** Whether the server has begun to stop: it is not ready any more. */
  stopping(): boolean;
}

const serverStatus = named(
  'Status',
  z.object({
    version: z.string(),
    startedAt: moment,
    fingerprint: z.string(),
    products: z.array(
      named(
        'ProductStatus',
        z.object({
          product: z.string(),
          seatLimit: z.int(),
          seatsInUse: z.int(),
          seatsStale: z.int(),
          staleSince: moment.optional(),
          holdersWaiting: z.int(),
          supportUntil: moment.optional(),
          expiresAt: moment.optional(),
          seatsOverdrawn: z.int().optional(),
          trial: z.boolean().optional(),
          seatsAssigned: z.int().optional(),
        }),
      ),
    ),
    keys: z.array(keyStatusSchema),
    clearing: named(
      'Clearing',
      z.object({ id: z.string(), at: moment, staleBefore: z.int(), cleared: z.int(), kept: z.int() }),
    ).optional(),
    baseConflicts: baseConflicts.optional(),
    trouble: z.string().optional(),
    ruleDoubts: z.array(z.string()).optional(),
    backup: named(
      'Backup',
      z.object({
        lastSuccessAt: moment.optional(),
        archive: z.string().optional(),
        sizeBytes: z.int().optional(),
        nextAt: moment.optional(),
        fault: z.string().optional(),
      }),
    ).optional(),
  }),
);
const text = (description: string) => ({ description, content: { 'text/plain': { schema: z.string() } } });

/** The HTTP interface of the licence server over its parts; nothing listens yet. */
export async function createApp(parts: AppParts): Promise<Http> {
  const http = createHttp(parts.log, parts.limits);
  guard(http, parts.access);
  describeRoutes(http, about(parts.version));
  await http.register(async (api) => {
    const routes = api as unknown as Http;
    registerAudit(routes, parts.store.db);
    registerProbes(routes, parts);
    registerSeatRoutes(routes, parts.store, parts.seatMetrics, {
      fingerprint: parts.identity.fingerprint,
      sign: (bytes) => parts.identity.sign(bytes),
      activationOf: (keyId) => parts.activationOf(keyId),
    });
    registerExplainRoutes(routes, parts.store, parts.access.kind === 'open');
    registerSimulationRoutes(routes, {
      store: parts.store,
      database: parts.database,
      usage: parts.usage,
    });
    registerSeatAdminRoutes(routes, parts.store);
    registerAssignmentRoutes(routes, parts.store);
    registerUsageRoutes(routes, parts.usage);
    registerKeyRoutes(routes, parts.keys, parts.identity);
    registerStatus(routes, parts);
    registerMetrics(routes, parts);
  });
  registerPage(http);
  answerHeartbeatsFirst(http, parts.store, parts.seatMetrics, (request) => isProved(parts.access, request, 'client'));
  http.get('/openapi.json', { schema: { hide: true } }, () => http.swagger());
  return http;
}

function registerProbes(http: Http, parts: AppParts): void {
  const tags = ['probes'];
  http.get(
    '/healthz/live',
    {
      schema: {
        operationId: 'live',
        summary: 'Whether the process works',
        tags,
        response: { 200: text('it works') },
      },
    },
    async (_request, reply) => reply.type('text/plain').send('ok\n'),
  );
  http.get(
    '/healthz/ready',
    {
      schema: {
        operationId: 'ready',
        summary: 'Whether a check-out can be answered, whatever the entitlement',
        tags,
        response: { 200: text('it can'), 503: text('what keeps it from that') },
      },
    },
    async (_request, reply) => {
      const trouble = parts.stopping() ? 'the server is stopping' : parts.store.trouble();
      return reply
        .code(trouble === undefined ? 200 : 503)
        .type('text/plain')
        .send(`${trouble ?? 'ok'}\n`);
    },
  );
}

/** What reads it takes no more: the operator keeps it in the status of a resource. */
const longestTrouble = 2_000;

function registerStatus(http: Http, parts: AppParts): void {
  http.get(
    '/v1/status',
    {
      config: { role: 'admin' },
      schema: {
        operationId: 'status',
        summary: 'The whole server in one answer',
        tags: ['administration'],
        response: { 200: serverStatus },
      },
    },
    async () => {
      const { keys, fingerprint, trouble: keyTrouble } = parts.keys.status();
      const products = await productStatuses(parts.store);
      const clearing = parts.clearing();
      const { store } = parts;
      const conflicts = store.owners.conflicts();
      const doubts = store.ruleDoubts();
      const trouble = [
        store.trouble(),
        certificatesTrouble(),
        parts.dataVolume.trouble(),
        store.clockTrouble(),
        store.countingTrouble(),
        conflictText(conflicts),
        keyTrouble,
      ]
        .filter((t) => t !== undefined)
        .join('; ');
      const status: ServerStatus = {
        version: parts.version,
        startedAt: parts.startedAt.toISOString(),
        fingerprint,
        products: products.map(({ counts: _, ...product }) => product),
        keys,
        ...(clearing === undefined ? {} : { clearing }),
        ...(doubts.length === 0 ? {} : { ruleDoubts: doubts }),
        ...(conflicts.length === 0 ? {} : { baseConflicts: conflicts }),
        ...(trouble === ''
          ? {}
          : { trouble: trouble.length > longestTrouble ? `${trouble.slice(0, longestTrouble)}…` : trouble }),
        ...(parts.backups === undefined ? {} : { backup: parts.backups.status() }),
      };
      return status as z.infer<typeof serverStatus>;
    },
  );
}

function registerMetrics(http: Http, parts: AppParts): void {
  const { registry } = parts.metrics;
  const refresh = createSeatGauges(parts.metrics, parts.store);
  parts.metrics
    .gauge('licence_build_info', 'The version of this server; always 1.', ['version'])
    .set({ version: parts.version }, 1);
  http.get(
    '/metrics',
    {
      config: { role: 'metrics' },
      schema: {
        operationId: 'metrics',
        summary: 'Prometheus metrics',
        tags: ['probes'],
        response: { 200: text('in the text format of Prometheus') },
      },
    },
    async (request, reply) => {
      await refresh().catch((error) => {
        // the counters of this process are true all the same
        parts.seatMetrics.storeError('metrics');
        request.log.warn({ err: error }, 'seat gauges are of an earlier scrape');
      });
      return reply
        .type(registry.contentType)
        .serializer((text: unknown) => String(text))
        .send((await registry.metrics()) as never);
    },
  );
}

import type { FastifyReply, FastifyRequest } from 'fastify';
import type pg from 'pg';
import { z } from 'zod';
import type { Http } from '../runtime/httpShell.ts';

/** Asks without changing anything. */
const questions = ['/v1/keys::check', '/v1/activation/request'];

interface AuditRow {
  audit_id: string;
  at: Date;
  actor: string;
  action: string;
  target: string;
  reason: string | null;
  request_id: string | null;
}

const clean = (text: string, most: number): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  text.replace(/[\u0000-\u001f\u007f]/g, '').slice(0, most);

/**
 * Keeps every act of an administrator that succeeded: who (the address, and the name that the tool sends as
 * `X-Licence-Actor`), what, on what, why. Bodies are not kept, since one may hold a key.
 */
export function registerAudit(http: Http, db: pg.Pool): void {
  const keep = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const url = request.routeOptions.url ?? '';
    if (reply.statusCode >= 400) return;
    const named = request.headers['x-licence-actor'];
    const actor = `${typeof named === 'string' ? clean(named, 100) : 'admin'} (${request.ip})`;
    const reason = (request.body as { reason?: unknown } | undefined)?.reason;
    const target = Object.values((request.params ?? {}) as Record<string, string>).join('/');
    const product = (request.body as { product?: unknown } | undefined)?.product;
    try {
      await db.query('INSERT INTO audit (actor, action, target, reason, request_id) VALUES ($1, $2, $3, $4, $5)', [
        actor,
        `${request.method} ${url.replace('::', ':')}`,
        clean(target || (typeof product === 'string' ? product : ''), 300),
        typeof reason === 'string' ? clean(reason, 500) : null,
        request.id,
      ]);
    } catch (error) {
      request.log.error({ err: error, actor, url }, 'an act of an administrator could not be kept in the audit');
    }
  };
  // on these routes alone: a hook on all of them would be paid by every heartbeat
  http.addHook('onRoute', (route) => {
    const changes = [route.method].flat().some((method) => method !== 'GET' && method !== 'HEAD');
    if (!changes || route.config?.role !== 'admin' || questions.includes(route.url)) return;
    route.onResponse = [...[route.onResponse ?? []].flat(), keep];
  });

  http.get(
    '/v1/audit',
    {
      config: { role: 'admin' },
      schema: {
        summary: 'Acts of administrators, the newest first',
        tags: ['history'],
        querystring: z.object({
          before: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: {
          200: z.object({
            acts: z.array(
              z.object({
                id: z.int(),
                at: z.string(),
                actor: z.string(),
                action: z.string(),
                target: z.string(),
                reason: z.string().optional(),
                requestId: z.string().optional(),
              }),
            ),
          }),
        },
      },
    },
    async ({ query }) => {
      const { rows } = await db.query<AuditRow>(
        'SELECT * FROM audit WHERE ($1::bigint IS NULL OR audit_id < $1) ORDER BY audit_id DESC LIMIT $2',
        [query.before ?? null, query.limit],
      );
      return {
        acts: rows.map((r) => ({
          id: Number(r.audit_id),
          at: r.at.toISOString(),
          actor: r.actor,
          action: r.action,
          target: r.target,
          ...(r.reason === null ? {} : { reason: r.reason }),
          ...(r.request_id === null ? {} : { requestId: r.request_id }),
        })),
      };
    },
  );
}

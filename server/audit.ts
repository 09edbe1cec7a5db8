import type { FastifyReply, FastifyRequest } from 'fastify';
import type pg from 'pg';
import { z } from 'zod';
import { readActivation } from '../licence/activation.ts';
import { parseKey } from '../licence/key.ts';
import type { Http } from '../runtime/httpShell.ts';
import { ProblemError } from '../runtime/problem.ts';
import { int64, moment, named } from '../runtime/schemas.ts';

/** Asks without changing anything. */
const questions = ['/v1/keys::check', '/v1/activation/request', '/v1/rules::simulate'];

interface AuditRow {
  audit_id: string;
  at: Date;
  actor: string;
  action: string;
  target: string;
  reason: string | null;
  request_id: string | null;
  outcome: string | null;
}

const auditPage = named(
  'AuditPage',
  z.object({
    acts: z.array(
      named(
        'Act',
        z.object({
          id: int64,
          at: moment,
          actor: z.string(),
          action: z.string(),
          target: z.string(),
          reason: z.string().optional(),
          requestId: z.string().optional(),
          outcome: z.string().optional().describe('"unknown": it was begun, and may have been done'),
        }),
      ),
    ),
  }),
);

const clean = (text: string, most: number): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  text.replace(/[\u0000-\u001f\u007f]/g, '').slice(0, most);

/** What an act is on: what its path names, the key in its body by its keyId, or a product. */
function targetOf({ params, body }: FastifyRequest): string {
  const named = Object.values((params ?? {}) as Record<string, string>).join('/');
  if (named !== '') return named;
  const { key, activation, product } = (body ?? {}) as Record<string, unknown>;
  const parsed = typeof key === 'string' ? parseKey(key) : undefined;
  if (parsed?.ok) return parsed.keyId;
  const keyId = typeof activation === 'string' ? readActivation(activation.trim())?.keyId : undefined;
  return keyId ?? (typeof product === 'string' ? product : '');
}

/**
 * Keeps every act of an administrator: who (the address, and the name that the tool sends as `X-Licence-Actor`), what, on what,
 * why. It is noted before it is done, so no act is without its row, whether or not the client waits for the answer; the row of
 * an act that was refused goes again. Bodies are not kept, since one may hold a key.
 */
export function registerAudit(http: Http, db: pg.Pool): void {
  const begun = async (request: FastifyRequest): Promise<string> => {
    const named = request.headers['x-licence-actor'];
    const reason = (request.body as { reason?: unknown } | undefined)?.reason;
    const { rows } = await db.query<{ audit_id: string }>(
      `INSERT INTO audit (actor, action, target, reason, request_id, outcome) VALUES ($1, $2, $3, $4, $5, 'unknown')
         RETURNING audit_id`,
      [
        `${typeof named === 'string' ? clean(named, 100) : 'admin'} (${request.ip})`,
        `${request.method} ${(request.routeOptions.url ?? '').replace('::', ':')}`,
        clean(targetOf(request), 300),
        typeof reason === 'string' ? clean(reason, 500) : null,
        request.id,
      ],
    );
    return rows[0]?.audit_id ?? '';
  };
  const ended = async (request: FastifyRequest, id: string, done: boolean): Promise<void> => {
    const sql = done ? 'UPDATE audit SET outcome = NULL WHERE audit_id = $1' : 'DELETE FROM audit WHERE audit_id = $1';
    await db.query(sql, [id]).catch((error: unknown) => {
      request.log.error(
        { err: error, auditId: id, done },
        'the end of an act could not be noted: the audit says unknown',
      );
    });
  };
  // on these routes alone: a hook on all of them would be paid by every heartbeat
  http.addHook('onRoute', (route) => {
    const changes = [route.method].flat().some((method) => method !== 'GET' && method !== 'HEAD');
    if (!changes || route.config?.role !== 'admin' || questions.includes(route.url)) return;
    const act = route.handler;
    route.handler = async function audited(request: FastifyRequest, reply: FastifyReply) {
      const id = await begun(request);
      try {
        const answer = await act.call(this, request, reply);
        await ended(request, id, reply.statusCode < 400);
        return answer;
      } catch (error) {
        // of a fault it is not known how far it got
        if (error instanceof ProblemError && error.problem.status < 500) await ended(request, id, false);
        throw error;
      }
    };
  });

  http.get(
    '/v1/audit',
    {
      config: { role: 'admin' },
      schema: {
        operationId: 'listAudit',
        summary: 'Acts of administrators, the newest first',
        tags: ['history'],
        querystring: z.object({
          before: z.coerce
            .number()
            .int()
            .min(1)
            .max(Number.MAX_SAFE_INTEGER)
            .optional()
            .meta({ format: 'int64', description: 'the id of the last act of the page before' }),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: {
          200: auditPage,
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
          ...(r.outcome === null ? {} : { outcome: 'unknown' as const }),
        })),
      };
    },
  );
}

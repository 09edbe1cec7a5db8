import type { Http } from '../../runtime/httpShell.ts';
import { heartbeatAfter, momentOf, renewedAnswer, sendJson } from './answers.ts';
import { client, operation, raw, unchecked } from './clientRoute.ts';
import * as schemas from './clientSchemas.ts';
import { instanceOf, readIdle, readIdleLeaseIds, readLeaseId, readLeaseIds } from './requests.ts';
import type { SeatMetrics } from './seatMetrics.ts';
import type { SeatStore } from './store.ts';

/** Keeps seats by heartbeats, and gives them back. */
export function registerLeaseRoutes(http: Http, store: SeatStore, metrics: SeatMetrics): void {
  const { leaseMs } = store;

  http.post(
    '/v1/leases/:leaseId/heartbeat',
    {
      config: { ...client, refusals: { 410: ['LeaseLost'] } },
      ...unchecked,
      schema: {
        ...operation('heartbeat', 'Renew a lease'),
        // no schema: methods of generated clients would ask for one more argument than they do
        description:
          'It may have the body `{"idle": true}`: the program is idle. Generated clients say so by `heartbeats` with `idleLeaseIds`.',
        params: schemas.leaseParams,
        response: { 200: schemas.heartbeatAnswer },
      },
    },
    raw((request, reply) => {
      const leaseId = readLeaseId((request.params as { leaseId: string }).leaseId);
      store.heartbeat(
        [leaseId],
        readIdle(request.body) ? [leaseId] : none,
        (outcomes, nowMs) => {
          const outcome = typeof outcomes === 'string' ? outcomes : outcomes[0];
          if (outcome === 'lost') {
            metrics.heartbeats('lost', 1);
            reply.code(410).header('content-type', 'application/problem+json').send(leaseLost);
            return;
          }
          metrics.heartbeats('renewed', 1);
          if (outcome === 'kept') sendJson(reply, 200, '{}');
          else sendJson(reply, 200, renewedAnswer(nowMs, leaseMs));
        },
        (error) => reply.send(error),
      );
    }),
  );

  http.post(
    '/v1/heartbeats',
    {
      config: client,
      ...unchecked,
      schema: {
        ...operation('heartbeats', 'Renew many leases in one call'),
        body: schemas.heartbeatsBody,
        response: { 200: schemas.heartbeatsAnswer },
      },
    },
    raw((request, reply) => {
      const leaseIds = readLeaseIds(request.body);
      store.heartbeat(
        leaseIds,
        readIdleLeaseIds(request.body, leaseIds),
        (outcomes, nowMs) => {
          const lost = typeof outcomes === 'string' ? [] : leaseIds.filter((_, i) => outcomes[i] === 'lost');
          const renewed = leaseIds.length - lost.length;
          metrics.heartbeats('renewed', renewed);
          if (lost.length > 0) metrics.heartbeats('lost', lost.length);
          sendJson(
            reply,
            200,
            `{"expiresAt":"${momentOf(nowMs + leaseMs)}","heartbeatAfterSeconds":${heartbeatAfter(leaseMs)},"renewed":${renewed},"lost":${JSON.stringify(lost)}}`,
          );
        },
        (error) => reply.send(error),
      );
    }),
  );

  http.delete(
    '/v1/leases/:leaseId',
    {
      config: client,
      ...unchecked,
      schema: {
        ...operation('giveBack', 'Give a seat back'),
        params: schemas.leaseParams,
        querystring: schemas.giveBackQuery,
        response: { 204: schemas.nothing },
      },
    },
    raw((request, reply) => {
      const leaseId = readLeaseId((request.params as { leaseId: string }).leaseId);
      const instance = instanceOf((request.query as { instance?: unknown }).instance);
      const given = instance === undefined ? store.release(leaseId, 'holder') : store.releaseFor(leaseId, instance);
      given.then(
        () => reply.code(204).send(),
        (error) => reply.send(error),
      );
    }),
  );
}

const none: readonly string[] = [];

const leaseLost = JSON.stringify({
  type: 'about:blank',
  title: 'LeaseLost',
  status: 410,
  reason: 'LeaseLost',
  detail:
    'the lease has ended: it expired, was given back or taken back, or its program was idle while others waited; check out again',
});

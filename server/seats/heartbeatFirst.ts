import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http } from '../../runtime/httpShell.ts';
import { isTracing } from '../../runtime/tracing.ts';
import { renewedAnswer } from './answers.ts';
import type { SeatMetrics } from './seatMetrics.ts';
import type { SeatStore } from './store.ts';

const before = '/v1/leases/';
const behind = '/heartbeat';
const idLength = 36;
const urlLength = before.length + idLength + behind.length;

/** The lease of a heartbeat in its plainest form; undefined: whatever else it is, the route reads it. */
function plainHeartbeat({ method, url, headers }: IncomingMessage): string | undefined {
  if (method !== 'POST' || url?.length !== urlLength || !url.startsWith(before) || !url.endsWith(behind))
    return undefined;
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') return undefined;
  const type = headers['content-type'];
  if (type !== undefined && type !== 'application/json') return undefined;
  return url.slice(before.length, before.length + idLength);
}

/**
 * Answers the heartbeats that may be answered at once before fastify makes a request of them, which costs as much as all the rest. The
 * answer is the one of the route, to the last header; whatever is not of the plainest form goes on to the route.
 * @param isAdmitted whether the connection has proved that the request may
 */
export function answerHeartbeatsFirst(
  http: Http,
  store: Pick<SeatStore, 'heartbeatAtOnce' | 'leaseMs'>,
  metrics: SeatMetrics,
  isAdmitted: (request: IncomingMessage) => boolean,
): void {
  const answer = (request: IncomingMessage, response: ServerResponse): boolean => {
    const leaseId = plainHeartbeat(request);
    if (leaseId === undefined || isTracing() || !isAdmitted(request)) return false;
    const nowMs = store.heartbeatAtOnce(leaseId);
    if (nowMs === undefined) return false;
    metrics.heartbeats('renewed', 1);
    const body = renewedAnswer(nowMs, store.leaseMs);
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length });
    response.end(body, 'latin1');
    return true;
  };
  for (const listener of http.server.listeners('request') as ((...args: unknown[]) => void)[]) {
    http.server.off('request', listener);
    http.server.on('request', (request, response) => {
      if (!answer(request, response)) listener.call(http.server, request, response);
    });
  }
}

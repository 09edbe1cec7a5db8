import type { Http } from '../runtime/httpShell.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Watch } from './licenceServer/observe/watch.ts';
import { serveRunbooks } from './runbooks.ts';

/** Bookmarks come about once a minute; a watch without any event for so long is dead, and the process with it. */
const silentSeconds = 10 * 60;

export interface OperatorHttpOptions {
  readonly metrics: Metrics;
  readonly watch: Pick<Watch, 'eventAges' | 'synced'>;
  /** Brings gauges up to date before a scrape. */
  readonly refresh: () => void;
}

/** Metrics, probes and runbooks. Live: every watch hears from the API server. Ready: everything that is watched was listed. */
export function operatorHttp(http: Http, { metrics, watch, refresh }: OperatorHttpOptions): Http {
  http.get('/metrics', async (_, reply) => {
    refresh();
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  http.get('/healthz/live', async (_, reply) => {
    const silent = Object.entries(watch.eventAges()).filter(([, seconds]) => seconds > silentSeconds);
    return reply.code(silent.length === 0 ? 200 : 503).send({ silent: Object.fromEntries(silent) });
  });
  http.get('/healthz/ready', async (_, reply) => {
    return reply.code(watch.synced ? 200 : 503).send({ synced: watch.synced });
  });
  serveRunbooks(http);
  return http;
}

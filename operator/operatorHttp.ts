import type { Http } from '../runtime/httpShell.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Watch } from './licenceServer/observe/watch.ts';
import { serveRunbooks } from './runbooks.ts';

/** Bookmarks come about once a minute: a process in which no watch has heard anything for so long is dead. */
const silentSeconds = 10 * 60;
const mostNamed = 20;

export interface OperatorHttpOptions {
  readonly metrics: Metrics;
  readonly watch: Pick<Watch, 'eventAges' | 'silentSeconds' | 'settled' | 'unheard'>;
  /** Brings gauges up to date before a scrape. */
  readonly refresh: () => void;
  /** Drops after a scrape what takes memory. */
  readonly forget: () => void;
}

/**
 * Metrics, probes and runbooks. Live: some watch hears from the API server; one that does not is named, and a restart would not help
 * it. Ready: all that is to be watched was listed, or is known not to let itself be listed.
 */
export function operatorHttp(http: Http, { metrics, watch, refresh, forget }: OperatorHttpOptions): Http {
  http.get('/metrics', async (_, reply) => {
    refresh();
    const text = await metrics.registry.metrics();
    forget();
    return reply.type(metrics.registry.contentType).send(text);
  });
  http.get('/healthz/live', async (_, reply) => {
    const silent = Object.entries(watch.eventAges()).filter(([, seconds]) => seconds > silentSeconds);
    const isDead = (watch.silentSeconds ?? 0) > silentSeconds;
    return reply.code(isDead ? 503 : 200).send({ silent: Object.fromEntries(silent) });
  });
  http.get('/healthz/ready', async (_, reply) => {
    const unheard = watch.unheard().map(({ namespace, kind }) => (namespace === '' ? kind : `${namespace}/${kind}`));
    return reply.code(watch.settled ? 200 : 503).send({ settled: watch.settled, unheard: unheard.slice(0, mostNamed) });
  });
  serveRunbooks(http);
  return http;
}

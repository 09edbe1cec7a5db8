import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { ClusterReporter, type ReporterOptions } from './reporter.ts';

/** Exit statuses of `licence report-cluster`. */
export const clusterStatus = { reported: 0, notReported: 70 } as const;

export interface ReportClusterOptions extends ReporterOptions {
  /** One round, then the end. */
  readonly once: boolean;
  /** Where Prometheus finds the metrics, `host:port`. */
  readonly metricsAt?: { readonly host: string; readonly port: number };
  readonly signal: AbortSignal;
}

/** Reports a cluster until it is told to end. @returns the exit status */
export async function reportCluster(options: ReportClusterOptions): Promise<number> {
  const reporter = new ClusterReporter(options);
  if (options.once) return (await reporter.round()).done ? clusterStatus.reported : clusterStatus.notReported;
  const { registry } = reporter.metrics;
  const server = createServer(async (request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end('the metrics are at /metrics\n');
    response.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics());
  });
  const { metricsAt } = options;
  if (metricsAt) {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(metricsAt.port, metricsAt.host, resolve);
    });
    const at = server.address();
    options.say(
      `metrics at http://${metricsAt.host}:${typeof at === 'object' && at ? at.port : metricsAt.port}/metrics`,
    );
  }
  while (!options.signal.aborted) {
    const { waitMs } = await reporter.round();
    await delay(waitMs, undefined, { signal: options.signal }).catch(() => {});
  }
  server.close();
  server.closeAllConnections();
  return clusterStatus.reported;
}

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** One registry a program, so that tests never share counters. */
export interface Metrics {
  readonly registry: Registry;
  counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  histogram<L extends string>(name: string, help: string, buckets: number[], labels?: readonly L[]): Histogram<L>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    counter: (name, help, labels = []) => new Counter({ name, help, labelNames: labels, registers }),
    gauge: (name, help, labels = []) => new Gauge({ name, help, labelNames: labels, registers }),
    histogram: (name, help, buckets, labels = []) =>
      new Histogram({ name, help, buckets, labelNames: labels, registers }),
  };
}

/** Each would list all that the process has open, thousands of connections included. */
const listings = ['nodejs_active_resources', 'nodejs_active_handles', 'nodejs_active_requests'];

/**
 * The metrics of a program, with those of its process: memory, processor time, garbage collection, event loop, open files,
 * under the names that Prometheus' client libraries give them.
 */
export function createProgramMetrics(): Metrics {
  const metrics = createMetrics();
  // The event loop's delay is sampled ten times a second: more often would be most of what an idle program does.
  collectDefaultMetrics({ register: metrics.registry, eventLoopMonitoringPrecision: 100 });
  for (const name of listings) for (const each of [name, `${name}_total`]) metrics.registry.removeSingleMetric(each);
  return metrics;
}

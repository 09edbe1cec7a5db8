import type { Clock } from '../../runtime/clock.ts';
import { KubeClient } from './client.ts';
import { openConnection } from './connection.ts';
import type { KubeMetrics } from './kubeMetrics.ts';
import { Throttle } from './throttle.ts';

export interface LoadOptions {
  /** Path of a kubeconfig; without it: inside a pod its service account, else KUBECONFIG or ~/.kube/config. */
  readonly kubeconfig?: string;
  /** One of its contexts; default its current one. */
  readonly context?: string;
  readonly clock: Clock;
  readonly metrics: KubeMetrics;
  /** For example `some-operator/1.2.3`. */
  readonly userAgent: string;
  /** Requests at one time; default 32. */
  readonly maxConcurrent?: number;
  /** Requests per second on average, twice that at once; 0: unbounded. Default 200. */
  readonly qps?: number;
}

/**
 * The client of this process, and the namespace that it runs in or that its context names.
 * @throws when no cluster is configured
 */
export function loadKubeClient(options: LoadOptions): { readonly client: KubeClient; readonly namespace: string } {
  const { clock, metrics, userAgent, maxConcurrent = 32, qps = 200 } = options;
  const connection = openConnection(options);
  const throttle = new Throttle({ clock, maxConcurrent, qps, burst: Math.max(1, qps * 2) });
  return {
    client: new KubeClient({ connection, throttle, clock, metrics, userAgent }),
    namespace: connection.namespace,
  };
}

import { expect, it } from 'vitest';
import { createKubeMetrics } from '../../../../operator/kube/kubeMetrics.ts';
import { createMetrics } from '../../../../runtime/metrics.ts';

/** What controller-runtime 0.22 registers for a controller: name → type and labels. Webhooks and certificates have no counterpart. */
const families: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  controller_runtime_active_workers: ['gauge', ['controller']],
  controller_runtime_max_concurrent_reconciles: ['gauge', ['controller']],
  controller_runtime_reconcile_errors_total: ['counter', ['controller']],
  controller_runtime_reconcile_panics_total: ['counter', ['controller']],
  controller_runtime_reconcile_time_seconds: ['histogram', ['controller']],
  controller_runtime_reconcile_total: ['counter', ['controller', 'result']],
  controller_runtime_terminal_reconcile_errors_total: ['counter', ['controller']],
  leader_election_master_status: ['gauge', ['name']],
  leader_election_slowpath_total: ['counter', ['name']],
  rest_client_requests_total: ['counter', ['code', 'method', 'host']],
  workqueue_adds_total: ['counter', ['name', 'controller']],
  workqueue_depth: ['gauge', ['name', 'controller']],
  workqueue_longest_running_processor_seconds: ['gauge', ['name', 'controller']],
  workqueue_queue_duration_seconds: ['histogram', ['name', 'controller']],
  workqueue_retries_total: ['counter', ['name', 'controller']],
  workqueue_unfinished_work_seconds: ['gauge', ['name', 'controller']],
  workqueue_work_duration_seconds: ['histogram', ['name', 'controller']],
};

it('are the families of controller-runtime, with its types and labels', async () => {
  const metrics = createMetrics();
  const labels = Object.fromEntries(
    Object.values(createKubeMetrics(metrics)).map((metric) => {
      const { name, labelNames } = metric as unknown as {
        readonly name: string;
        readonly labelNames: readonly string[];
      };
      return [name, labelNames];
    }),
  );
  const types = Object.fromEntries((await metrics.registry.getMetricsAsJSON()).map((m) => [m.name, m.type]));
  const ours = Object.keys(families).map((name) => [name, [types[name], labels[name]]]);
  expect(Object.fromEntries(ours)).toEqual(families);
});

import type { Counter, Gauge, Histogram, Metrics } from '../../runtime/metrics.ts';

/** The metric families of the mechanics, under the names that controller-runtime and client-go give them. */
export interface KubeMetrics {
  readonly restRequests: Counter<'code' | 'method' | 'host'>;
  readonly restDuration: Histogram<'verb' | 'host'>;
  readonly restThrottled: Histogram<'verb' | 'host'>;
  readonly queueDepth: Gauge<'name' | 'controller'>;
  readonly queueAdds: Counter<'name' | 'controller'>;
  readonly queueRetries: Counter<'name' | 'controller'>;
  readonly queueDuration: Histogram<'name' | 'controller'>;
  readonly queueWorkDuration: Histogram<'name' | 'controller'>;
  readonly queueUnfinished: Gauge<'name' | 'controller'>;
  readonly queueLongestRunning: Gauge<'name' | 'controller'>;
  readonly reconciles: Counter<'controller' | 'result'>;
  readonly reconcileErrors: Counter<'controller'>;
  readonly reconcileTerminalErrors: Counter<'controller'>;
  readonly reconcilePanics: Counter<'controller'>;
  readonly reconcileTimeouts: Counter<'controller'>;
  readonly reconcileTime: Histogram<'controller'>;
  readonly maxConcurrent: Gauge<'controller'>;
  readonly activeWorkers: Gauge<'controller'>;
  readonly leader: Gauge<'name'>;
  readonly leaderSlowPath: Counter<'name'>;
  readonly reflectorRelists: Counter<'kind'>;
  readonly reflectorWatchFaults: Counter<'kind' | 'reason'>;
  readonly reflectorObjects: Gauge<'kind'>;
  readonly events: Counter<'result'>;
  readonly applies: Counter<'kind' | 'outcome'>;
}

const queueSeconds = [1e-4, 1e-3, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 60, 600];
/** controller-runtime labels a queue with its controller too, which has the same name. */
const queueLabels = ['name', 'controller'] as const;
const reconcileSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Registers every family once; one call a program. */
export function createKubeMetrics(metrics: Metrics): KubeMetrics {
  return {
    restRequests: metrics.counter('rest_client_requests_total', 'Requests to the API server by answer', [
      'code',
      'method',
      'host',
    ]),
    restDuration: metrics.histogram(
      'rest_client_request_duration_seconds',
      'Time to the answer of a request to the API server',
      reconcileSeconds,
      ['verb', 'host'],
    ),
    restThrottled: metrics.histogram(
      'rest_client_rate_limiter_duration_seconds',
      'Time that a request waited for the client-side limits',
      queueSeconds,
      ['verb', 'host'],
    ),
    queueDepth: metrics.gauge('workqueue_depth', 'Keys waiting for a worker', queueLabels),
    queueAdds: metrics.counter('workqueue_adds_total', 'Keys added', queueLabels),
    queueRetries: metrics.counter('workqueue_retries_total', 'Keys added again after a failure', queueLabels),
    queueDuration: metrics.histogram(
      'workqueue_queue_duration_seconds',
      'Time a key waited',
      queueSeconds,
      queueLabels,
    ),
    queueWorkDuration: metrics.histogram(
      'workqueue_work_duration_seconds',
      'Time a key was worked on',
      queueSeconds,
      queueLabels,
    ),
    queueUnfinished: metrics.gauge(
      'workqueue_unfinished_work_seconds',
      'Sum of the ages of work in progress',
      queueLabels,
    ),
    queueLongestRunning: metrics.gauge(
      'workqueue_longest_running_processor_seconds',
      'Age of the oldest work in progress',
      queueLabels,
    ),
    reconciles: metrics.counter('controller_runtime_reconcile_total', 'Reconciles by result', ['controller', 'result']),
    reconcileErrors: metrics.counter('controller_runtime_reconcile_errors_total', 'Reconciles that threw', [
      'controller',
    ]),
    reconcileTerminalErrors: metrics.counter(
      'controller_runtime_terminal_reconcile_errors_total',
      'Reconciles that are not tried again: none, what only a person can mend is a condition',
      ['controller'],
    ),
    reconcilePanics: metrics.counter('controller_runtime_reconcile_panics_total', 'Reconciles that threw a bug', [
      'controller',
    ]),
    reconcileTimeouts: metrics.counter('controller_runtime_reconcile_timeouts_total', 'Reconciles over their time', [
      'controller',
    ]),
    reconcileTime: metrics.histogram(
      'controller_runtime_reconcile_time_seconds',
      'Time of a reconcile',
      reconcileSeconds,
      ['controller'],
    ),
    maxConcurrent: metrics.gauge('controller_runtime_max_concurrent_reconciles', 'Workers', ['controller']),
    activeWorkers: metrics.gauge('controller_runtime_active_workers', 'Workers at work', ['controller']),
    leader: metrics.gauge('leader_election_master_status', '1 while this process holds the leader lease', ['name']),
    leaderSlowPath: metrics.counter(
      'leader_election_slowpath_total',
      'Renewals of the leader lease that had to read it first',
      ['name'],
    ),
    reflectorRelists: metrics.counter('reflector_lists_total', 'Full lists', ['kind']),
    reflectorWatchFaults: metrics.counter('reflector_watch_faults_total', 'Watches that ended badly', [
      'kind',
      'reason',
    ]),
    reflectorObjects: metrics.gauge('reflector_objects', 'Objects in the store', ['kind']),
    events: metrics.counter('event_recorder_events_total', 'Events by what became of them', ['result']),
    applies: metrics.counter('apply_objects_total', 'Objects applied by outcome', ['kind', 'outcome']),
  };
}

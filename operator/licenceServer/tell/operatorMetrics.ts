import type { Metrics } from '../../../runtime/metrics.ts';
import { findCondition } from '../../kube/conditions.ts';
import type { Unheard } from '../../kube/namespaceWatch.ts';
import type { LicenceServer } from '../api/types.ts';
import { restartReasons } from '../decide/restart.ts';

const mostUnheard = 100;

/** The operator's own metric families, pre-initialised so that a rate over them has no gap. */
export function createOperatorMetrics(
  metrics: Metrics,
  now: {
    readonly servers: () => readonly LicenceServer[];
    readonly eventAges: () => Readonly<Record<string, number>>;
    readonly unheard: () => readonly Unheard[];
  },
) {
  const rolls = metrics.counter('licence_operator_rolls_total', 'Rolls of a pod by reason', ['reason']);
  const cleared = metrics.counter('licence_operator_stale_seats_cleared_total', 'Stale seats cleared', ['by']);
  const rotations = metrics.counter('licence_operator_rotations_total', 'Key rotations by outcome', ['outcome']);
  const regenerations = metrics.counter('licence_operator_regenerations_total', 'Requests for a new key by outcome', [
    'outcome',
  ]);
  for (const outcome of ['made', 'refused']) regenerations.inc({ outcome }, 0);
  for (const reason of restartReasons) rolls.inc({ reason }, 0);
  for (const by of ['Roll', 'Release']) cleared.inc({ by }, 0);
  for (const outcome of ['active', 'rolled_back']) rotations.inc({ outcome }, 0);

  const age = metrics.gauge('licence_operator_watch_last_event_age_seconds', 'Age of the last event of a watch', [
    'kind',
  ]);
  const unheard = metrics.gauge(
    'licence_operator_watch_failing_seconds',
    'How long the API server has refused a watch, or not answered it; absent: it is heard',
    ['watched_namespace', 'kind'],
  );
  const pastWakes = metrics.counter(
    'licence_operator_wakes_in_the_past_total',
    'Passes that changed nothing and asked to be looked at again at once: a mistake in the operator',
  );
  pastWakes.inc({}, 0);
  const servers = metrics.gauge('licence_operator_licence_servers', 'LicenceServers by their Ready condition', [
    'ready',
  ]);
  const available = metrics.gauge(
    'licence_operator_licence_server_available',
    'Whether a pod of the LicenceServer takes requests; only those that are to run and have answered before',
    ['server_namespace', 'server'],
  );
  const rollouts = metrics.gauge(
    'licence_operator_rollouts',
    'LicenceServers whose pod rolls now, waits for its turn, or did not come up',
    ['state'],
  );
  const firstPass = metrics.gauge(
    'licence_operator_first_pass_seconds',
    'Time from taking over to the last of the LicenceServers that were there being reconciled once; 0: not yet',
  );
  const seats = metrics.gauge('licence_operator_seats', 'Seats as the operator last saw them', [
    'namespace',
    'name',
    'product',
    'of',
  ]);

  /** Brings the gauges up to date; called before a scrape. */
  const refresh = () => {
    // A kind that is gone has no age.
    age.reset();
    for (const [kind, seconds] of Object.entries(now.eventAges())) age.set({ kind }, seconds);
    unheard.reset();
    // One series for each, up to a bound: when nothing at all is heard the first ones tell as much as all would.
    for (const { namespace, kind, silentMs } of now.unheard().slice(0, mostUnheard)) {
      unheard.set({ watched_namespace: namespace, kind }, silentMs / 1000);
    }
    const count: Record<string, number> = { True: 0, False: 0, Unknown: 0 };
    const states: Record<RolloutState, number> = { rolling: 0, held: 0, failed: 0 };
    seats.reset();
    available.reset();
    for (const server of now.servers()) {
      const ready = findCondition(server.status?.conditions as never, 'Ready')?.status ?? 'Unknown';
      count[ready] = (count[ready] ?? 0) + 1;
      const state = rolloutStateOf(server);
      if (state !== undefined) states[state] += 1;
      const { namespace, name } = server.metadata;
      const isUp = isAvailable(server);
      if (isUp !== undefined) available.set({ server_namespace: namespace, server: name }, isUp ? 1 : 0);
      for (const { product, seatLimit, seatsInUse, seatsStale } of server.status?.products ?? []) {
        seats.set({ namespace, name, product, of: 'limit' }, seatLimit);
        seats.set({ namespace, name, product, of: 'in_use' }, seatsInUse);
        seats.set({ namespace, name, product, of: 'stale' }, seatsStale);
      }
    }
    for (const [ready, n] of Object.entries(count)) servers.set({ ready }, n);
    for (const [state, n] of Object.entries(states)) rollouts.set({ state }, n);
  };
  /** Drops what there is a series a server of; called after a scrape, since it is made anew for the next one. */
  const forget = () => {
    seats.reset();
    available.reset();
  };
  return { rolls, cleared, rotations, regenerations, firstPass, pastWakes, refresh, forget };
}
type RolloutState = 'rolling' | 'held' | 'failed';

/** How a server stands in a rollout, from its own conditions; undefined: it does not. */
function rolloutStateOf({ status }: LicenceServer): RolloutState | undefined {
  const find = (type: string) => status?.conditions?.find((condition) => condition.type === type);
  const reconciling = find('Reconciling')?.reason ?? '';
  if (reconciling === 'RolloutHeld') return 'held';
  if (find('Available')?.reason === 'PodFailing') return 'failed';
  return ['Rolling', 'RollingOut'].includes(reconciling) && status?.lastRoll !== undefined ? 'rolling' : undefined;
}

/** Whether a server that is to run has a pod that takes requests; undefined: it is not to run, or never has answered yet. */
function isAvailable({ metadata, spec, status }: LicenceServer): boolean | undefined {
  const { suspend } = spec as { readonly suspend?: boolean };
  if (suspend === true || metadata.deletionTimestamp !== undefined || status?.version === undefined) return undefined;
  return status.conditions?.some((c) => c.type === 'Available' && c.status === 'True') ?? false;
}

export type OperatorMetrics = ReturnType<typeof createOperatorMetrics>;

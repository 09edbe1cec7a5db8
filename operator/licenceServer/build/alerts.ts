/**
 * The alerts of licence servers and of their operator: what the chart carries (`files/alerts.yaml`) and what a PrometheusRule
 * for one server is made of. One source for limits, waits, severities and words. Pure.
 *
 * Habits of all of them:
 * - Gauges are joined by max, since several pods of one server read the same database; counters by sum, since each pod counts its own.
 * - A scrape that is lost, or a pod's restart, neither ends an alert nor makes it wait anew: what waits longer than a few
 *   scrapes looks back over `gap`, and what fires goes on for `keep`.
 * - What says that something is gone must not be built on a look back alone: it would end by itself while the thing is still gone.
 */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly keep_firing_for?: string;
  readonly labels: { readonly severity: 'info' | 'warning' | 'critical' };
  readonly annotations: {
    readonly summary: string;
    readonly description: string;
    readonly runbook_url: string;
    /** The server's own page, where what is told can be seen; only where its address is known. */
    readonly page_url?: string;
  };
}

export interface AlertGroup {
  readonly name: string;
  readonly rules: readonly Alert[];
}

/** Which series are meant: all, or those of one server. */
export interface AlertScope {
  /** Matchers of a server's own series; empty: all servers. */
  readonly server: string;
  /** The same of the operator's series about a server. */
  readonly seenByOperator: string;
  /** Address of the server's page, without a slash at its end. */
  readonly page?: string;
}

export const allServers: AlertScope = { server: '', seenByOperator: '' };
export const oneServer = (namespace: string, service: string, page?: string): AlertScope => ({
  ...(page === undefined ? {} : { page }),
  server: `namespace="${namespace}",service="${service}"`,
  seenByOperator: `server_namespace="${namespace}",server="${service}"`,
});

/** Longer than a pod's restart with the scrapes around it. */
const gap = '10m';
const keep = '5m';

/** `metric{matchers}` without empty braces. */
const series = (metric: string, ...matchers: readonly string[]): string => {
  const all = matchers.filter((matcher) => matcher !== '').join(',');
  return all === '' ? metric : `${metric}{${all}}`;
};

type Rule = Omit<Alert, 'alert' | 'labels' | 'annotations'> & {
  readonly severity: Alert['labels']['severity'];
  readonly summary: string;
  readonly description: string;
};

/** Views of the page by alert. What has no view of its own is seen on the overview; a server that is down has no page. */
const ofProduct = 'product={{ $labels.product | urlquery }}';
const views: Readonly<Record<string, string | undefined>> = {
  LicenceSeatsExhausted: `/#/seats?${ofProduct}`,
  LicenceSeatsNearlyExhausted: `/#/seats?${ofProduct}`,
  LicenceDemandUnmet: `/#/denials?${ofProduct}`,
  LicenceStaleSeats: `/#/seats?${ofProduct}&state=stale`,
  LicenceStaleSeatsBlocking: `/#/seats?${ofProduct}&state=stale`,
  LicenceActivationFailing: '/#/keys',
  LicenceCopySuspected: '/#/keys',
  LicenceSupportExpiring: '/#/keys',
  LicenceSupportExpired: '/#/keys',
  LicenceServerDown: undefined,
};
const viewOf = (alert: string): string | undefined => (alert in views ? views[alert] : '/#/overview');

/** @param runbooks address before the runbooks' names, without a slash at its end */
const alertsOf = (rules: Readonly<Record<string, Rule>>, runbooks: string, page?: string): Alert[] =>
  Object.entries(rules).map(([alert, { severity, summary, description, ...rule }]) => {
    const view = page === undefined ? undefined : viewOf(alert);
    const page_url = view === undefined ? {} : { page_url: `${page}${view}` };
    return {
      alert,
      ...rule,
      labels: { severity },
      annotations: { summary, description, runbook_url: `${runbooks}/${alert}.md`, ...page_url },
    };
  });

const product = 'max by (namespace, service, job, product)';
const server = 'max by (namespace, service, job)';
const of = '{{ $labels.namespace }}/{{ $labels.service }}';

const seatAlerts = ({ server: own }: AlertScope): Readonly<Record<string, Rule>> => {
  const inUse = series('licence_seats_in_use', own);
  const limit = series('licence_seats_limit', own);
  const stale = series('licence_seats_stale', own);
  return {
    LicenceSeatsExhausted: {
      expr: `${product} (${inUse})\n  >= (${product} (${limit}) > 0)`,
      for: '1m',
      keep_firing_for: keep,
      severity: 'warning',
      summary: `No free seat of {{ $labels.product }} on ${of}`,
      description:
        'All {{ $value }} seats of {{ $labels.product }} are taken; whoever starts the program now is refused.',
    },
    LicenceDemandUnmet: {
      // A refusal is settled, and counted, by one pod.
      expr: `sum by (namespace, service, job, product) (increase(${series('licence_unmet_demand_total', own)}[10m])) > 0`,
      severity: 'critical',
      summary: 'People cannot work with {{ $labels.product }} for want of a seat',
      description: `In the last 10 minutes about {{ $value | printf "%.0f" }} holders asked ${of} for a seat of {{ $labels.product }} and did not get one within a minute.`,
    },
    LicenceSeatsNearlyExhausted: {
      expr: `${product} (last_over_time(${inUse}[${gap}]))\n  / (${product} (last_over_time(${limit}[${gap}])) > 0)\n  >= 0.9 < 1`,
      for: '15m',
      keep_firing_for: keep,
      severity: 'info',
      summary: `Nearly no seat of {{ $labels.product }} is left on ${of}`,
      description:
        '{{ $value | humanizePercentage }} of the seats of {{ $labels.product }} have been taken for 15 minutes.',
    },
    LicenceStaleSeats: {
      expr: `${product} (last_over_time(${stale}[${gap}])) > 0`,
      for: '12h',
      severity: 'warning',
      summary: `Stale seats of {{ $labels.product }} on ${of} are not being cleared`,
      description:
        '{{ $value }} seats of {{ $labels.product }} are held by bases that have gone silent, and nothing has cleared them for 12 hours.',
    },
    LicenceStaleSeatsBlocking: {
      expr: `(${product} (${stale}) > 0)\n  and (\n    ${product} (${inUse})\n      >= ${product} (${limit})\n  )`,
      for: '5m',
      keep_firing_for: keep,
      severity: 'critical',
      summary: 'Stale seats keep people from working with {{ $labels.product }}',
      description: `No seat of {{ $labels.product }} is free on ${of}, while {{ $value }} are held by bases that have gone silent. Releasing those makes room at once.`,
    },
  };
};

const overdraftAlerts = ({ server: own }: AlertScope): Readonly<Record<string, Rule>> => ({
  LicenceSeatsOverdrawn: {
    expr: `${product} (last_over_time(${series('licence_seats_overdrawn', own)}[5m])) > 0`,
    for: '5m',
    keep_firing_for: keep,
    severity: 'warning',
    summary: `More seats of {{ $labels.product }} are in use on ${of} than the licence has`,
    description:
      '{{ $value }} seats of {{ $labels.product }} are in use beyond the limit. The licence allows that for now; when its overdraft is used up, check-outs are refused.',
  },
});

const baseAlerts = ({ server: own }: AlertScope): Readonly<Record<string, Rule>> => ({
  LicenceBaseConflict: {
    // The server tells of a conflict for 15 minutes after it was last seen; a copy that was stopped at once is no alert.
    expr: `${server} (last_over_time(${series('licence_bases_in_conflict', own)}[5m])) > 0`,
    for: '20m',
    keep_firing_for: keep,
    severity: 'warning',
    summary: `Two bases use one name on ${of}`,
    description:
      'A copy of a base, or another base of the same name, asks {{ $labels.namespace }}/{{ $labels.service }} for seats in the name of {{ $value }} of its bases. It is refused, or, if the bases do not say which instance they are, takes seats away.',
  },
});

const keyAlerts = ({ server: own }: AlertScope): Readonly<Record<string, Rule>> => {
  const info = (state: string) => series('licence_key_info', own, state);
  const clones = series('licence_activation_clones_suspected_total', own);
  const support = `max by (namespace, service, job, product, key) (last_over_time(${series('licence_support_expiry_timestamp_seconds', own)}[${gap}])) - time()`;
  const key = 'max by (namespace, service, job, key)';
  return {
    LicenceActivationFailing: {
      // Whichever of the two states: a key may go from one to the other with each attempt, and is known by its product only
      // once it was read.
      expr: `(\n  ${key} (last_over_time(${info('state=~"Pending|Refused"')}[${gap}]))\n    unless ${key} (${info('state="Active"')})\n) > 0`,
      for: '15m',
      severity: 'critical',
      summary: `Key {{ $labels.key }} of ${of} is not active`,
      description: 'The key {{ $labels.key }} has been pending or refused for 15 minutes, so its seats are not there.',
    },
    LicenceCopySuspected: {
      // Since yesterday, and over restarts. A counter that begins above zero (told at the very start) has not "increased" for Prometheus.
      expr: `${server} (\n  increase(${clones}[1d]) > 0\n    or (last_over_time(${clones}[1d]) unless ${clones} offset 1d) > 0\n)`,
      severity: 'warning',
      summary: `A copy of ${of} seems to run somewhere`,
      description:
        "The authority saw two computers go on from the same activations. If a copy runs, the vendor may refuse this server's next activation.",
    },
    LicenceSupportExpiring: {
      expr: `0 < ${support} < 30 * 86400`,
      for: '1h',
      severity: 'warning',
      summary: 'The support term of {{ $labels.product }} ends within a month',
      description: `The support term of key {{ $labels.key }} ({{ $labels.product }}, ${of}) ends in {{ $value | humanizeDuration }}; programs released after that are outside it.`,
    },
    LicenceSupportExpired: {
      expr: `${support} <= 0`,
      for: '1h',
      severity: 'warning',
      summary: 'The support term of {{ $labels.product }} has ended',
      description: `The support term of key {{ $labels.key }} ({{ $labels.product }}, ${of}) has ended. Programs released since then say so at their start, or are refused if the licence demands support.`,
    },
  };
};

const serverAlerts = ({ server: own, seenByOperator }: AlertScope): Readonly<Record<string, Rule>> => {
  const memory = `last_over_time(${series('ALERTS', 'alertname="LicenceServerDown"', own)}[1d])`;
  const scraped = `(\n  ${server} (${series('up', own)}) == 0\n    and ${server} (last_over_time(${series('licence_build_info', own)}[1h]) or ${memory})\n)`;
  const unavailable = `max by (server_namespace, server) (last_over_time(${series('licence_operator_licence_server_available', seenByOperator)}[2m])) == 0`;
  // With the labels that the server's own ServiceMonitor would give it, so that it is one alert however the server is down.
  const seen = [
    ['namespace', 'server_namespace'],
    ['service', 'server'],
    ['job', 'server'],
  ].reduce((expr, [to, from]) => `label_replace(${expr}, "${to}", "$1", "${from}", "(.*)")`, unavailable);
  return {
    LicenceServerDown: {
      // A target that does not answer and once was a licence server (Prometheus drops the target of one that is suspended or
      // deleted); and one without any pod to scrape, as the operator sees it. Neither forgets it with time.
      expr: `${scraped}\n  or\n${server} (\n  ${seen}\n)`,
      for: '5m',
      keep_firing_for: keep,
      severity: 'critical',
      summary: `Licence server ${of} does not answer`,
      description: 'No pod of the server has answered for 5 minutes; programs cannot take seats, and leases run out.',
    },
    LicenceStoreErrors: {
      expr: `sum by (namespace, service, job, op) (increase(${series('licence_store_errors_total', own)}[5m])) > 0`,
      for: '5m',
      keep_firing_for: keep,
      severity: 'critical',
      summary: `Licence server ${of} cannot use its database`,
      description:
        'The database operation {{ $labels.op }} has been failing for 5 minutes; check-outs are answered with 503.',
    },
    LicenceBackupFailing: {
      // Who was told by the destination that one was made knows better than who was not: the latest counts.
      expr: `time() - max by (namespace, service, job) (last_over_time(${series('licence_backup_due_timestamp_seconds', own)}[${gap}])) > 7200`,
      for: '5m',
      keep_firing_for: keep,
      severity: 'warning',
      summary: `No backup of ${of} is made`,
      description:
        'A backup has been due for {{ $value | humanizeDuration }}. The server serves on; what would be lost with its volume is older than was wanted.',
    },
    LicenceVolumeNearlyFull: {
      expr: `(\n  min by (namespace, service, job) (last_over_time(${series('licence_data_volume_free_bytes', own)}[5m]))\n    < min by (namespace, service, job) (last_over_time(${series('licence_data_volume_size_bytes', own)}[5m])) / 10\n) < 2 ^ 30`,
      for: '10m',
      keep_firing_for: keep,
      severity: 'warning',
      summary: `The volume of ${of} is nearly full`,
      description:
        '{{ $value | humanize1024 }}B are left, less than a tenth. Full, the server takes no seats and cannot renew any.',
    },
  };
};

const leading = 'leader_election_master_status{name="licence-operator"}';

const operatorAlerts: Readonly<Record<string, Rule>> = {
  LicenceRotationFailing: {
    expr: 'sum by (namespace, job) (increase(licence_operator_rotations_total{outcome!="active"}[6h])) > 0',
    severity: 'warning',
    summary: 'A key rotation has failed',
    description:
      'In the last 6 hours {{ $value | printf "%.0f" }} rotations did not end with an active key. The servers run on with their previous keys; the resource\'s status says why.',
  },
  LicenceServersNotReady: {
    expr: `sum by (namespace, job) (max by (namespace, job, ready) (last_over_time(licence_operator_licence_servers{ready!="True"}[${gap}]))) > 0`,
    for: '30m',
    severity: 'warning',
    summary: '{{ $value }} licence servers are not ready',
    description: 'The operator has seen {{ $value }} LicenceServers without Ready=True for 30 minutes.',
  },
  LicenceOperatorDown: {
    // Known from the last hour, or from this very alert for two weeks: an operator without a pod has no target that could tell.
    // The chart limits it to the release's own namespace: a release that is gone is not down.
    expr: `(\n  max by (namespace, job) (last_over_time(${leading}[1h]))\n    or max by (namespace, job) (last_over_time(ALERTS_FOR_STATE{alertname="LicenceOperatorDown"}[1h]) > time() - 14 * 86400)\n)\n  unless (max by (namespace, job) (${leading}) == 1)`,
    for: '5m',
    keep_firing_for: keep,
    severity: 'critical',
    summary: 'No licence operator in {{ $labels.namespace }} is leading',
    description:
      'For 5 minutes no operator has held the leader lease. Servers serve on; keys are not rotated, stale seats are not cleared, and what breaks is not put back.',
  },
  LicenceOperatorStuck: {
    expr: 'max by (namespace, job) (workqueue_longest_running_processor_seconds{name="licenceserver"}) > 300',
    for: '5m',
    keep_firing_for: keep,
    severity: 'warning',
    summary: 'A piece of work of the licence operator in {{ $labels.namespace }} does not end',
    description: 'It has been under way for {{ $value | humanizeDuration }}; the log says on which resource.',
  },
  LicenceOperatorWatchFailing: {
    expr: 'max by (namespace, job, watched_namespace, kind) (licence_operator_watch_failing_seconds) > 300',
    for: '5m',
    keep_firing_for: keep,
    severity: 'warning',
    summary:
      'The licence operator in {{ $labels.namespace }} hears nothing of {{ $labels.kind }}{{ with $labels.watched_namespace }} in {{ . }}{{ end }}',
    description:
      'For {{ $value | humanizeDuration }} the API server has refused the watch, or not answered it; the log says why. Everything else goes on.',
  },
  LicenceOperatorErrors: {
    expr: 'sum by (namespace, job, controller) (increase(controller_runtime_reconcile_errors_total{controller="licenceserver"}[15m])) > 5',
    for: '15m',
    severity: 'warning',
    summary: 'The licence operator in {{ $labels.namespace }} keeps failing',
    description:
      '{{ $value | printf "%.0f" }} reconciles have failed within 15 minutes; the log says on which resource and why.',
  },
};

/** The alerts about servers, in groups. */
export const serverAlertGroups = (scope: AlertScope, runbooks: string): readonly AlertGroup[] => [
  {
    name: 'licence-seats',
    rules: alertsOf({ ...seatAlerts(scope), ...overdraftAlerts(scope), ...baseAlerts(scope) }, runbooks, scope.page),
  },
  { name: 'licence-keys', rules: alertsOf(keyAlerts(scope), runbooks, scope.page) },
  { name: 'licence-servers', rules: alertsOf(serverAlerts(scope), runbooks, scope.page) },
];

/** Those, and the alerts about the operator. */
export const alertGroups = (runbooks: string): readonly AlertGroup[] => [
  ...serverAlertGroups(allServers, runbooks),
  { name: 'licence-operator', rules: alertsOf(operatorAlerts, runbooks) },
];

/** Where an operator of the chart's usual name and namespace serves the runbooks. */
export const usualRunbooks = 'http://licence-operator.licence-system.svc:8080/runbooks';

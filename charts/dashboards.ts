/**
 * The Grafana dashboards, written as short lists of panels; `sync.ts` writes the JSON that the chart carries.
 * Pure: the same input gives the same text.
 *
 * What a linter of dashboards asks for and these leave out: variables for job and instance, since a server's pods tell the same
 * and are joined, whichever job scrapes them; and `$__rate_interval` where a title names the time that is looked at.
 */

interface Query {
  readonly expr: string;
  readonly legend: string;
}

interface Panel {
  readonly title: string;
  readonly description: string;
  readonly kind: 'timeseries' | 'stat' | 'table';
  /** Grafana's unit, such as `s`, `short`, `percentunit`. */
  readonly unit: string;
  /** Of 24 columns. */
  readonly width: number;
  readonly queries: readonly Query[];
  /** From this value on it is shown in red. */
  readonly alarmAt?: number;
  readonly decimals?: number;
}

interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

interface Variable {
  readonly name: string;
  readonly label: string;
  readonly query: string;
  readonly multi?: boolean;
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly rows: readonly Row[];
}

const height = 7;
const datasource = { type: 'prometheus', uid: '$datasource' };

const panelJson = (panel: Panel, id: number, x: number, y: number) => ({
  id,
  title: panel.title,
  description: panel.description,
  type: panel.kind,
  datasource,
  gridPos: { x, y, w: panel.width, h: height },
  fieldConfig: {
    defaults: {
      unit: panel.unit,
      min: panel.kind === 'timeseries' ? 0 : undefined,
      decimals: panel.decimals,
      thresholds: {
        mode: 'absolute',
        steps: [
          { color: 'green', value: null },
          ...(panel.alarmAt === undefined ? [] : [{ color: 'red', value: panel.alarmAt }]),
        ],
      },
    },
    overrides: [],
  },
  options:
    panel.kind === 'timeseries'
      ? { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } }
      : panel.kind === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value' }
        : {},
  targets: panel.queries.map((query, i) => ({
    refId: String.fromCharCode(65 + i),
    datasource,
    expr: query.expr,
    legendFormat: query.legend,
    ...(panel.kind === 'table' ? { format: 'table', instant: true } : {}),
  })),
  ...(panel.kind === 'table'
    ? { transformations: [{ id: 'organize', options: { excludeByName: { Time: true, __name__: true } } }] }
    : {}),
});

/** The panels of a dashboard, row by row, from left to right. */
function layout(rows: readonly Row[]): unknown[] {
  const placed: unknown[] = [];
  let y = 0;
  for (const row of rows) {
    placed.push({
      id: placed.length + 1,
      type: 'row',
      title: row.title,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    for (const panel of row.panels) {
      if (x + panel.width > 24) {
        x = 0;
        y += height;
      }
      placed.push(panelJson(panel, placed.length + 1, x, y));
      x += panel.width;
    }
    y += height;
  }
  return placed;
}

/** The text of a dashboard as Grafana imports it. */
export const dashboardJson = (dashboard: Dashboard): string =>
  `${JSON.stringify(
    {
      uid: dashboard.uid,
      title: dashboard.title,
      description: dashboard.description,
      tags: ['licence'],
      schemaVersion: 39,
      editable: false,
      refresh: '30s',
      time: { from: 'now-24h', to: 'now' },
      templating: {
        list: [
          { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
          ...dashboard.variables.map((v) => ({
            name: v.name,
            label: v.label,
            type: 'query',
            datasource,
            query: { query: v.query, refId: v.name },
            refresh: 2,
            sort: 1,
            ...(v.multi === true ? { multi: true, includeAll: true, current: { text: 'All', value: '$__all' } } : {}),
          })),
        ],
      },
      panels: layout(dashboard.rows),
    },
    null,
    1,
  )}\n`;

const seats = (metric: string, by: string, of: string) => `max by (${by}) (licence_${metric}{${of}})`;

/** All servers of all namespaces, and the operator that runs them. */
function fleet(): Dashboard {
  const of = 'namespace=~"$namespace"';
  const each = 'namespace, service, product';
  const name = '{{namespace}}/{{service}} {{product}}';
  return {
    uid: 'licence-fleet',
    title: 'Licences: all servers',
    description: 'Seats of every licence server, and the operator that runs them.',
    variables: [
      { name: 'namespace', label: 'Namespace', query: 'label_values(licence_build_info, namespace)', multi: true },
    ],
    rows: [
      {
        title: 'Servers',
        panels: [
          {
            title: 'Ready',
            description: 'LicenceServers with Ready=True.',
            kind: 'stat',
            unit: 'short',
            width: 4,
            queries: [
              {
                expr: 'sum(max by (namespace, job) (licence_operator_licence_servers{ready="True"}))',
                legend: 'ready',
              },
            ],
          },
          {
            title: 'Not ready',
            description: 'LicenceServers without Ready=True.',
            kind: 'stat',
            unit: 'short',
            width: 4,
            alarmAt: 1,
            queries: [
              {
                expr: 'sum(max by (namespace, job, ready) (licence_operator_licence_servers{ready!="True"}))',
                legend: 'not ready',
              },
            ],
          },
          {
            title: 'Stale seats',
            description: 'Seats held by bases that have gone silent.',
            kind: 'stat',
            unit: 'short',
            width: 4,
            alarmAt: 1,
            queries: [{ expr: `sum(${seats('seats_stale', each, of)})`, legend: 'stale' }],
          },
          {
            title: 'Unmet demand, 24 hours',
            description: 'Holders who asked for a seat and did not get one within a minute.',
            kind: 'stat',
            unit: 'short',
            width: 4,
            decimals: 0,
            alarmAt: 1,
            queries: [{ expr: `sum(increase(licence_unmet_demand_total{${of}}[24h]))`, legend: 'holders' }],
          },
          {
            title: 'Next end of support',
            description: 'Time to the earliest end of a support term.',
            kind: 'stat',
            unit: 's',
            width: 8,
            queries: [{ expr: `min(licence_support_expiry_timestamp_seconds{${of}}) - time()`, legend: 'left' }],
          },
        ],
      },
      {
        title: 'Seats',
        panels: [
          {
            title: 'Seats in use, share',
            description: 'How full each product of each server is.',
            kind: 'timeseries',
            unit: 'percentunit',
            width: 12,
            queries: [
              {
                expr: `${seats('seats_in_use', each, of)} / (${seats('seats_limit', each, of)} > 0)`,
                legend: name,
              },
            ],
          },
          {
            title: 'Refused check-outs',
            description: 'Refusals a second by reason; a program that retries is counted each time.',
            kind: 'timeseries',
            unit: 'reqps',
            width: 12,
            queries: [
              {
                expr: `sum by (namespace, service, reason) (rate(licence_checkouts_total{${of}, reason!=""}[$__rate_interval]))`,
                legend: '{{namespace}}/{{service}} {{reason}}',
              },
            ],
          },
          {
            title: 'Servers and products',
            description: 'Seats in use now.',
            kind: 'table',
            unit: 'short',
            width: 24,
            queries: [{ expr: seats('seats_in_use', each, of), legend: name }],
          },
        ],
      },
      {
        title: 'Operator',
        panels: [
          {
            title: 'Reconciles',
            description: 'Reconciles a second by result.',
            kind: 'timeseries',
            unit: 'ops',
            width: 8,
            queries: [
              {
                expr: 'sum by (result) (rate(controller_runtime_reconcile_total{controller="licenceserver"}[$__rate_interval]))',
                legend: '{{result}}',
              },
            ],
          },
          {
            title: 'Time of a reconcile',
            description: 'Half of them, and 99 of 100, take no longer.',
            kind: 'timeseries',
            unit: 's',
            width: 8,
            queries: ['0.5', '0.99'].map((q) => ({
              expr: `histogram_quantile(${q}, sum by (le) (rate(controller_runtime_reconcile_time_seconds_bucket{controller="licenceserver"}[$__rate_interval])))`,
              legend: q,
            })),
          },
          {
            title: 'Restarts of servers',
            description: 'Restarts within an hour, by reason.',
            kind: 'timeseries',
            unit: 'short',
            width: 8,
            queries: [{ expr: 'sum by (reason) (increase(licence_operator_rolls_total[1h]))', legend: '{{reason}}' }],
          },
          {
            title: 'Queue',
            description: 'Resources waiting for a worker.',
            kind: 'timeseries',
            unit: 'short',
            width: 8,
            queries: [
              { expr: 'sum(max by (namespace, job) (workqueue_depth{name="licenceserver"}))', legend: 'waiting' },
            ],
          },
          {
            title: 'Age of the last event',
            description: 'How long nothing has been heard of a kind; it grows when a watch is dead.',
            kind: 'timeseries',
            unit: 's',
            width: 8,
            queries: [{ expr: 'max by (kind) (licence_operator_watch_last_event_age_seconds)', legend: '{{kind}}' }],
          },
          {
            title: 'Requests to the API server',
            description: 'Requests a second by answer.',
            kind: 'timeseries',
            unit: 'reqps',
            width: 8,
            queries: [
              {
                // Whatever its job is called: the process that knows of this lease.
                expr: 'sum by (method, code) (rate(rest_client_requests_total[$__rate_interval]) and on (namespace, job, instance) leader_election_master_status{name="licence-operator"})',
                legend: '{{method}} {{code}}',
              },
            ],
          },
        ],
      },
    ],
  };
}

/** One server in depth. */
function server(): Dashboard {
  const of = 'namespace="$namespace", service="$service"';
  const stat = (title: string, description: string, expr: string, alarmAt?: number): Panel => ({
    title,
    description,
    kind: 'stat',
    unit: 'short',
    width: 6,
    queries: [{ expr, legend: '{{product}}' }],
    ...(alarmAt === undefined ? {} : { alarmAt }),
  });
  return {
    uid: 'licence-server',
    title: 'Licences: one server',
    description: 'Seats, refusals, keys and speed of one licence server.',
    variables: [
      { name: 'namespace', label: 'Namespace', query: 'label_values(licence_build_info, namespace)' },
      { name: 'service', label: 'Server', query: 'label_values(licence_build_info{namespace="$namespace"}, service)' },
    ],
    rows: [
      {
        title: 'Now',
        panels: [
          stat('Seats in use', 'Held seats, stale ones included.', seats('seats_in_use', 'product', of)),
          stat('Seats', 'What the active keys grant.', seats('seats_limit', 'product', of)),
          stat('Stale seats', 'Held by bases that have gone silent.', seats('seats_stale', 'product', of), 1),
          stat('Waiting', 'Holders in the queue for a seat.', seats('queue_length', 'product', of), 1),
        ],
      },
      {
        title: 'Seats',
        panels: [
          {
            title: 'Seats',
            description: 'In use, stale and in all.',
            kind: 'timeseries',
            unit: 'short',
            width: 12,
            queries: [
              { expr: seats('seats_in_use', 'product', of), legend: '{{product}} in use' },
              { expr: seats('seats_stale', 'product', of), legend: '{{product}} stale' },
              { expr: seats('seats_limit', 'product', of), legend: '{{product}} in all' },
            ],
          },
          {
            title: 'Check-outs',
            description: 'Check-outs a second by outcome and reason.',
            kind: 'timeseries',
            unit: 'reqps',
            width: 12,
            queries: [
              {
                expr: `sum by (product, outcome, reason) (rate(licence_checkouts_total{${of}}[$__rate_interval]))`,
                legend: '{{product}} {{outcome}} {{reason}}',
              },
            ],
          },
          {
            title: 'Seats given back',
            description: 'Releases a minute by cause.',
            kind: 'timeseries',
            unit: 'short',
            width: 12,
            queries: [
              {
                expr: `sum by (cause) (rate(licence_releases_total{${of}}[$__rate_interval])) * 60`,
                legend: '{{cause}}',
              },
            ],
          },
          {
            title: 'Unmet demand',
            description: 'Holders an hour who asked for a seat and did not get one within a minute.',
            kind: 'timeseries',
            unit: 'short',
            width: 12,
            queries: [
              {
                expr: `sum by (product) (increase(licence_unmet_demand_total{${of}}[1h]))`,
                legend: '{{product}}',
              },
            ],
          },
        ],
      },
      {
        title: 'Keys',
        panels: [
          {
            title: 'Keys',
            description: 'Every key with its state.',
            kind: 'table',
            unit: 'short',
            width: 12,
            queries: [
              { expr: `max by (key, product, generation, state) (licence_key_info{${of}})`, legend: '{{key}}' },
            ],
          },
          {
            title: 'Left of the support term',
            description: 'Time to the end of the support term of each key.',
            kind: 'timeseries',
            unit: 's',
            width: 6,
            queries: [
              {
                expr: `max by (product, key) (licence_support_expiry_timestamp_seconds{${of}}) - time()`,
                legend: '{{product}} {{key}}',
              },
            ],
          },
          {
            title: 'Regenerations left this month',
            description: 'Of three for each licence and calendar month.',
            kind: 'timeseries',
            unit: 'short',
            width: 6,
            queries: [{ expr: `max by (key) (licence_key_regenerations_remaining{${of}})`, legend: '{{key}}' }],
          },
        ],
      },
      {
        title: 'Speed and faults',
        panels: [
          {
            title: 'Time of a check-out',
            description: 'Half of them, and 99 of 100, take no longer.',
            kind: 'timeseries',
            unit: 's',
            width: 6,
            queries: ['0.5', '0.99'].map((q) => ({
              expr: `histogram_quantile(${q}, sum by (le) (rate(licence_checkout_duration_seconds_bucket{${of}}[$__rate_interval])))`,
              legend: q,
            })),
          },
          {
            title: 'Heartbeats',
            description: 'Heartbeats a second by outcome.',
            kind: 'timeseries',
            unit: 'reqps',
            width: 6,
            queries: [
              {
                expr: `sum by (outcome) (rate(licence_heartbeats_total{${of}}[$__rate_interval]))`,
                legend: '{{outcome}}',
              },
            ],
          },
          {
            title: 'Database errors',
            description: 'Failed operations a minute.',
            kind: 'timeseries',
            unit: 'short',
            width: 6,
            queries: [
              {
                expr: `sum by (op) (rate(licence_store_errors_total{${of}}[$__rate_interval])) * 60`,
                legend: '{{op}}',
              },
            ],
          },
          {
            title: 'Free room on the volume',
            description: 'Of the data directory, in bytes. Without room nothing can be stored.',
            kind: 'timeseries',
            unit: 'bytes',
            width: 6,
            queries: [{ expr: `min(licence_data_volume_free_bytes{${of}})`, legend: 'free' }],
          },
        ],
      },
    ],
  };
}

/** File name → text. */
export const dashboards = (): Readonly<Record<string, string>> => ({
  'fleet.json': dashboardJson(fleet()),
  'server.json': dashboardJson(server()),
});

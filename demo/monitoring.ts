import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { ClusterAccess } from '../cluster/cluster.ts';
import { startDaemon, until } from '../cluster/process.ts';
import { ensureTools } from '../cluster/tools.ts';
import type { Kubectl } from './kubectl.ts';
import { clusterAddress } from './reach.ts';

/**
 * What Prometheus collects from: one Service by its cluster address (Debian's Prometheus is built without Kubernetes
 * discovery), with the token that opens its metrics.
 */
export interface Scraped {
  readonly job: string;
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  readonly token?: string;
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly status: { readonly state: string };
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A real Prometheus and a real Alertmanager beside the pods of an embedded cluster. */
export interface Monitoring {
  readonly prometheusUrl: string;
  readonly alertmanagerUrl: string;
  /** The answer to an instant query. */
  query(expression: string): Promise<Sample[]>;
  /** Alerts that Alertmanager holds as firing. */
  firing(): Promise<Alert[]>;
  stop(): Promise<void>;
}

export interface MonitoringOptions {
  readonly scraped: readonly Scraped[];
  /** Prometheus rule files. */
  readonly rules: readonly string[];
  readonly intervalSeconds?: number;
}

const json = async <T>(url: string): Promise<T> => {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
};

/** Starts both inside the cluster's network and waits until they are ready. They end with the cluster. */
export async function startMonitoring(
  cluster: ClusterAccess,
  kubectl: Kubectl,
  options: MonitoringOptions,
): Promise<Monitoring> {
  const tools = await ensureTools(['prometheus', 'alertmanager'], 'to collect metrics and raise alerts');
  const dir = join(cluster.dir, 'monitoring');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const interval = `${options.intervalSeconds ?? 5}s`;

  const scraped = await Promise.all(
    options.scraped.map(async (s) => ({ ...s, address: await clusterAddress(kubectl, s.namespace, s.service) })),
  );
  const scrape = scraped.map((s) => {
    const tokenFile = join(dir, `${s.job}.token`);
    if (s.token !== undefined) writeFileSync(tokenFile, s.token, { mode: 0o600 });
    return {
      job_name: s.job,
      ...(s.token === undefined ? {} : { authorization: { type: 'Bearer', credentials_file: tokenFile } }),
      static_configs: [{ targets: [`${s.address}:${s.port}`], labels: { namespace: s.namespace, service: s.service } }],
    };
  });
  const config = {
    global: { scrape_interval: interval, evaluation_interval: interval, scrape_timeout: interval },
    rule_files: options.rules,
    alerting: { alertmanagers: [{ static_configs: [{ targets: ['127.0.0.1:9093'] }] }] },
    scrape_configs: scrape,
  };
  const routes = {
    route: { receiver: 'nobody', group_wait: '1s', group_interval: '5s', repeat_interval: '1h', group_by: ['...'] },
    receivers: [{ name: 'nobody' }],
    // An alert that Prometheus no longer sends is over after this time.
    global: { resolve_timeout: '30s' },
  };
  writeFileSync(join(dir, 'prometheus.yml'), stringify(config));
  writeFileSync(join(dir, 'alertmanager.yml'), stringify(routes));

  const start = (name: string, command: string, args: readonly string[]) =>
    startDaemon(name, command, args, { logFile: join(cluster.dir, 'log', `${name}.log`), inside: cluster.nsenterPid });
  const alertmanager = await start('alertmanager', tools.alertmanager, [
    `--config.file=${join(dir, 'alertmanager.yml')}`,
    `--storage.path=${join(dir, 'alertmanager')}`,
    '--web.listen-address=127.0.0.1:9093',
    '--cluster.listen-address=',
  ]);
  const prometheus = await start('prometheus', tools.prometheus, [
    `--config.file=${join(dir, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(dir, 'prometheus')}`,
    '--web.listen-address=127.0.0.1:9090',
  ]);
  const [toPrometheus, toAlertmanager] = [
    await cluster.forward('127.0.0.1:9090'),
    await cluster.forward('127.0.0.1:9093'),
  ];
  const stop = async () => {
    await Promise.all([prometheus.stop(), alertmanager.stop(), toPrometheus.close(), toAlertmanager.close()]);
  };
  const answers = async (url: string) => (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok;
  await until('Prometheus', 30_000, () => answers(`${toPrometheus.url}/-/ready`), [prometheus]);
  await until('Alertmanager', 30_000, () => answers(`${toAlertmanager.url}/-/ready`), [alertmanager]);
  return {
    prometheusUrl: toPrometheus.url,
    alertmanagerUrl: toAlertmanager.url,
    query: async (expression) => {
      const url = `${toPrometheus.url}/api/v1/query?query=${encodeURIComponent(expression)}`;
      type Answer = { data: { result: { metric: Record<string, string>; value: [number, string] }[] } };
      const { data } = await json<Answer>(url);
      return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    firing: () => json<Alert[]>(`${toAlertmanager.url}/api/v2/alerts?active=true`),
    stop,
  };
}

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Daemon, freePort, startDaemon, until } from '../../cluster/process.ts';
import { createScratch } from '../../cluster/scratch.ts';
import { ensureTools } from '../../cluster/tools.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}
export interface Alert {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Monitoring {
  readonly prometheusUrl: string;
  readonly alertmanagerUrl: string;
  /** The value of a PromQL expression now. @throws when Prometheus refuses it */
  query(expression: string): Promise<Sample[]>;
  /** What Alertmanager holds as active now. */
  firing(): Promise<Alert[]>;
  /** What Prometheus itself sees as pending or firing, with `alertstate`. */
  states(): Promise<Record<string, string>>;
  stop(): Promise<void>;
}

export interface MonitoringOptions {
  /** `scrape_configs` of prometheus.yml, as plain data. */
  readonly scrapeConfigs: readonly unknown[];
  /** Rule groups (`{ groups: […] }` each), as plain data: what stands in a PrometheusRule's spec. */
  readonly rules: readonly unknown[];
  /** How often it scrapes and evaluates, in seconds. */
  readonly intervalSeconds?: number;
}

const json = async (url: string): Promise<unknown> => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
};

/** A real Prometheus with a real Alertmanager behind it, on loopback; they end with this process. */
export async function startMonitoring(options: MonitoringOptions): Promise<Monitoring> {
  const tools = await ensureTools(['prometheus', 'alertmanager'], 'to watch real alerts');
  const dir = createScratch('monitoring');
  const [port, alertPort] = [await freePort(), await freePort()];
  const prometheusUrl = `http://127.0.0.1:${port}`;
  const alertmanagerUrl = `http://127.0.0.1:${alertPort}`;
  const every = `${options.intervalSeconds ?? 1}s`;
  const ruleFiles = options.rules.map((rules, index) => {
    const file = join(dir, `rules-${index}.yml`);
    writeFileSync(file, JSON.stringify(rules)); // JSON is YAML
    return file;
  });
  writeFileSync(
    join(dir, 'prometheus.yml'),
    JSON.stringify({
      global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
      rule_files: ruleFiles,
      alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertPort}`] }] }] },
      scrape_configs: options.scrapeConfigs,
    }),
  );
  writeFileSync(
    join(dir, 'alertmanager.yml'),
    JSON.stringify({
      route: { receiver: 'nobody', group_wait: '1s', group_interval: '1s' },
      receivers: [{ name: 'nobody' }],
    }),
  );
  mkdirSync(join(dir, 'alerts'));
  const daemons: Daemon[] = [
    await startDaemon(
      'alertmanager',
      tools.alertmanager,
      [
        ...['--config.file', join(dir, 'alertmanager.yml'), '--storage.path', join(dir, 'alerts')],
        ...[`--web.listen-address=127.0.0.1:${alertPort}`, '--cluster.listen-address='],
      ],
      { logFile: join(dir, 'alertmanager.log'), cwd: dir },
    ),
    await startDaemon(
      'prometheus',
      tools.prometheus,
      [
        ...['--config.file', join(dir, 'prometheus.yml'), '--storage.tsdb.path', join(dir, 'data')],
        ...[`--web.listen-address=127.0.0.1:${port}`, '--rules.alert.resend-delay=1s'],
      ],
      { logFile: join(dir, 'prometheus.log'), cwd: dir },
    ),
  ];
  const stop = async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop('SIGKILL')));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    for (const url of [prometheusUrl, alertmanagerUrl]) {
      await until(`${url} ready`, 30_000, async () => (await fetch(`${url}/-/ready`)).ok, daemons);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    prometheusUrl,
    alertmanagerUrl,
    query: async (expression) => {
      const answer = (await json(`${prometheusUrl}/api/v1/query?query=${encodeURIComponent(expression)}`)) as {
        data: { result: { metric: Record<string, string>; value: [number, string] }[] };
      };
      return answer.data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    firing: async () => {
      const alerts = (await json(`${alertmanagerUrl}/api/v2/alerts?active=true`)) as {
        labels: Record<string, string>;
        annotations: Record<string, string>;
      }[];
      return alerts.map(({ labels, annotations }) => ({ name: labels.alertname ?? '', labels, annotations }));
    },
    states: async () => {
      const answer = (await json(`${prometheusUrl}/api/v1/alerts`)) as {
        data: { alerts: { labels: Record<string, string>; state: string }[] };
      };
      return Object.fromEntries(answer.data.alerts.map(({ labels, state }) => [labels.alertname ?? '', state]));
    },
    stop,
  };
}

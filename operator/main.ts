import { randomUUID } from 'node:crypto';
import { hostname, tmpdir } from 'node:os';
import { systemClock } from '../runtime/clock.ts';
import { integer, listen, oneOf, text, textOr } from '../runtime/config.ts';
import { closeHttp } from '../runtime/httpDrain.ts';
import { createHttp, listenOn } from '../runtime/httpShell.ts';
import { createLog, logLevels } from '../runtime/log.ts';
import { createProgramMetrics } from '../runtime/metrics.ts';
import { type Program, runProgram } from '../runtime/program.ts';
import { Lifetime } from '../runtime/shutdown.ts';
import { defaultsOf } from './defaultsOf.ts';
import { snapshotOnSignal } from './heapSnapshot.ts';
import type { KubeClient, WriteGuard } from './kube/client.ts';
import { EventRecorder } from './kube/events.ts';
import { createKubeMetrics } from './kube/kubeMetrics.ts';
import { LeaderElector } from './kube/leaderElector.ts';
import { loadKubeClient } from './kube/loadKubeClient.ts';
import type { NamespaceChoice } from './kube/namespaceScope.ts';
import { group } from './licenceServer/api/types.ts';
import { usualRunbooks } from './licenceServer/build/alerts.ts';
import { createLicenceServerController } from './licenceServer/controller.ts';
import { createServerClient, throughApiServer, throughService } from './licenceServer/observe/serverClient.ts';
import { Watch } from './licenceServer/observe/watch.ts';
import { createOperatorMetrics } from './licenceServer/tell/operatorMetrics.ts';
import { markSettings } from './markSettings.ts';
import { operatorHttp } from './operatorHttp.ts';
import { runPlan } from './planCommand.ts';

const programVersion = '0.1.0';

export const settings = {
  OPERATOR_WATCH_NAMESPACES: text('namespaces to look after, separated by commas; without it and the selector: all'),
  OPERATOR_NAMESPACE_SELECTOR: text('label selector of the namespaces to look after, followed live'),
  OPERATOR_SERVER_IMAGE: textOr('image of licence servers that name none', `licence-server:${programVersion}`),
  OPERATOR_WORKERS: integer('LicenceServers reconciled at one time', 8, 1, 256),
  OPERATOR_MAX_ROLLOUTS: integer("servers that may roll at one time by the operator's own decision", 1, 1, 1_000),
  OPERATOR_LISTEN: listen('address of metrics and probes', '127.0.0.1:8081'),
  OPERATOR_LEADER_ELECTION: oneOf('whether only the holder of a Lease works', ['true', 'false'], 'true'),
  OPERATOR_NAMESPACE: text('namespace of the leader lease; default: the one that the operator runs in'),
  OPERATOR_REGENERATION: oneOf(
    "whether new keys are asked for at the authority, with a customer's token",
    ['true', 'false'],
    'false',
  ),
  OPERATOR_SERVER_ADDRESS: oneOf('how licence servers are reached', ['service', 'apiserver-proxy'], 'service'),
  OPERATOR_POLL_SECONDS: integer('how often a settled licence server is asked for its status', 15, 1, 3_600),
  OPERATOR_MONITORING_NAMESPACE: text('namespace of Prometheus, let in by each NetworkPolicy'),
  OPERATOR_RUNBOOKS_URL: textOr('where the runbooks are that alerts link to', usualRunbooks),
  ...markSettings,
  OPERATOR_CONTEXT: text('context of the kubeconfig; default: its current one'),
  OPERATOR_QPS: integer('requests to the API server per second; 0: no more than 32 at one time', 0, 0, 10_000),
  OPERATOR_SNAPSHOT_DIR: text('where a heap snapshot goes that SIGUSR2 asks for; default: the temporary directory'),
  LOG_LEVEL: oneOf('least severe log line that is written', logLevels, 'info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: text('where traces go; unset: none'),
} as const;

/** Which namespaces are looked after. */
function namespacesOf(names: string | undefined, selector: string | undefined): NamespaceChoice {
  if (names !== undefined && selector !== undefined) {
    throw new Error('set OPERATOR_WATCH_NAMESPACES or OPERATOR_NAMESPACE_SELECTOR, not both');
  }
  if (selector !== undefined) return { selector };
  const list = names?.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  return list === undefined || list.length === 0 ? { all: true } : { names: list };
}

export const program: Program<typeof settings> = {
  name: 'licence-operator',
  purpose: 'runs licence servers that are asked for by LicenceServer resources ("plan --help": what it would restart)',
  settings,
  prefixes: ['OPERATOR_'],
  run: async (config, stop) => {
    const clock = systemClock;
    const log = createLog('licence-operator', config.LOG_LEVEL);
    const lifetime = new Lifetime(log, 12_000, stop);
    const metrics = createProgramMetrics();
    const kubeMetrics = createKubeMetrics(metrics);
    const userAgent = `licence-operator/${programVersion}`;
    const { client, namespace } = loadKubeClient({
      clock,
      metrics: kubeMetrics,
      userAgent,
      qps: config.OPERATOR_QPS,
      ...(config.OPERATOR_CONTEXT === undefined ? {} : { context: config.OPERATOR_CONTEXT }),
    });
    const ownNamespace = config.OPERATOR_NAMESPACE ?? namespace;
    const namespaces = namespacesOf(config.OPERATOR_WATCH_NAMESPACES, config.OPERATOR_NAMESPACE_SELECTOR);
    const watch = new Watch({ client, clock, log, metrics: kubeMetrics, namespaces });
    const operatorMetrics = createOperatorMetrics(metrics, {
      servers: () => watch.stores.licenceServers.list(),
      eventAges: () => watch.eventAges(),
      unheard: () => watch.unheard(),
    });

    const http = operatorHttp(createHttp(log), { metrics, watch, refresh: operatorMetrics.refresh });
    const address = await listenOn(http, config.OPERATOR_LISTEN);
    log.info({ address, namespaces, version: programVersion }, 'started');
    lifetime.onStop('heap snapshots', snapshotOnSignal(config.OPERATOR_SNAPSHOT_DIR ?? tmpdir(), clock, log));
    lifetime.onStop('http', () => closeHttp(http));
    lifetime.onStop('client', () => client.close());

    const work = async (writer: KubeClient, signal: AbortSignal): Promise<void> => {
      const identity = { controller: `${group}/licence-operator`, instance: hostname() };
      const recorder = new EventRecorder({ client: writer, clock, log, metrics: kubeMetrics, ...identity });
      const servers = createServerClient(
        config.OPERATOR_SERVER_ADDRESS === 'service' ? throughService() : throughApiServer(client),
      );
      await watch.whenSettled(signal);
      log.info({ licenceServers: watch.stores.licenceServers.size }, 'working');
      const controller = createLicenceServerController({
        client: writer,
        watch,
        servers,
        recorder,
        clock,
        log,
        kubeMetrics,
        metrics: operatorMetrics,
        defaults: defaultsOf(config, ownNamespace),
        workers: config.OPERATOR_WORKERS,
        maxRollouts: config.OPERATOR_MAX_ROLLOUTS,
        pollMs: config.OPERATOR_POLL_SECONDS * 1_000,
      });
      await controller.run(signal);
      await recorder.flush();
      await servers.close();
    };

    // A standby watches too, so that it takes over with everything known.
    const watching = watch.run(lifetime.signal);
    lifetime.onStop('watch', () => watching);
    const working = lead();
    lifetime.onStop('controller', () => working);
    return lifetime.run();

    async function lead(): Promise<void> {
      try {
        if (config.OPERATOR_LEADER_ELECTION === 'false') return await work(client, lifetime.signal);
        const elector = new LeaderElector({
          client,
          namespace: ownNamespace,
          name: 'licence-operator',
          identity: `${hostname()}_${randomUUID()}`,
          clock,
          log,
          metrics: kubeMetrics,
        });
        const end = await elector.run(lifetime.signal, (guard: WriteGuard) =>
          work(client.guarded(guard), AbortSignal.any([lifetime.signal, guard.signal])),
        );
        // Another process may write from now on: this one starts anew, with nothing in its head.
        if (end === 'lost') {
          log.error('the leader lease was lost');
          process.exitCode = 1;
        }
      } catch (error) {
        if (!lifetime.signal.aborted) log.fatal({ err: error }, 'the controller ended');
      } finally {
        lifetime.end('the controller ended');
      }
    }
  },
};

if (import.meta.main) {
  const [command, ...args] = process.argv.slice(2);
  if (command === 'plan') {
    const out = (text: string) => process.stdout.write(text);
    const err = (text: string) => process.stderr.write(text);
    process.exitCode = await runPlan(args, { env: process.env, version: programVersion, settings, out, err });
  } else await runProgram(program);
}

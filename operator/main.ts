import { randomUUID } from 'node:crypto';
import { hostname, tmpdir } from 'node:os';
import { systemClock } from '../runtime/clock.ts';
import { closeHttp } from '../runtime/httpDrain.ts';
import { createHttp, listenOn } from '../runtime/httpShell.ts';
import { createLog } from '../runtime/log.ts';
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
import { group } from './licenceServer/api/coordinates.ts';
import { createLicenceServerController } from './licenceServer/controller.ts';
import { createServerClient, throughApiServer, throughService } from './licenceServer/observe/serverClient.ts';
import { Watch } from './licenceServer/observe/watch.ts';
import { createOperatorMetrics } from './licenceServer/tell/operatorMetrics.ts';
import { fixedIdsOf } from './openShift.ts';
import { operatorHttp } from './operatorHttp.ts';
import { runPlan } from './planCommand.ts';
import { programVersion, settings } from './settings.ts';

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

    const { refresh, forget } = operatorMetrics;
    const http = operatorHttp(createHttp(log), { metrics, watch, refresh, forget });
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
      const fixedIds = await fixedIdsOf(config.OPERATOR_FIXED_IDS, { client, clock, log }, signal);
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
        defaults: defaultsOf(config, ownNamespace, fixedIds),
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

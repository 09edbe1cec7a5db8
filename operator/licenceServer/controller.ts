import { type Clock, monotonicOf } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { Applier } from '../kube/apply.ts';
import type { KubeClient } from '../kube/client.ts';
import { Controller } from '../kube/controller.ts';
import { enqueueMapped, enqueueObject, enqueueOwner } from '../kube/enqueue.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { KubeMetrics } from '../kube/kubeMetrics.ts';
import { controllerOf, type KubeObject, keyOf } from '../kube/object.ts';
import { kinds } from '../kube/resourceKind.ts';
import type { Priority } from '../kube/workQueue.ts';
import { Prune } from './act/prune.ts';
import { StaleRelease } from './act/staleRelease.ts';
import { fieldManager, licenceServerKind } from './api/coordinates.ts';
import type { Defaults } from './api/defaults.ts';
import { appliedHash } from './api/metadata.ts';
import type { LicenceServer } from './api/types.ts';
import { firstPassOver } from './firstPass.ts';
import { viewOfDeployment } from './observe/deploymentView.ts';
import { LookUp } from './observe/lookUp.ts';
import { PodLook } from './observe/podLook.ts';
import { referenceIndex } from './observe/references.ts';
import type { ServerClient } from './observe/serverClient.ts';
import { ServerPoller } from './observe/serverPoller.ts';
import { instanceOf } from './observe/stores.ts';
import type { Watch } from './observe/watch.ts';
import { reconcileLicenceServer } from './reconcile.ts';
import type { OperatorMetrics } from './tell/operatorMetrics.ts';
import { Teller } from './tell/teller.ts';
import { Turns } from './turns.ts';

export interface LicenceServerControllerOptions {
  /** Guarded by the leader lease: every write goes through it. */
  readonly client: KubeClient;
  readonly watch: Watch;
  readonly servers: ServerClient;
  readonly recorder: Pick<EventRecorder, 'record'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly kubeMetrics: KubeMetrics;
  readonly metrics: OperatorMetrics;
  readonly defaults: Defaults;
  readonly workers: number;
  readonly maxRollouts: number;
  /** How often a server is asked while all is quiet. */
  readonly pollMs: number;
  /** The same while a change is under way; default 1 s. */
  readonly eagerPollMs?: number;
}

/** The controller of LicenceServers, wired up; `run` works until the signal aborts. */
export function createLicenceServerController(options: LicenceServerControllerOptions): {
  run(signal: AbortSignal): Promise<void>;
} {
  const { client, watch, clock, log, kubeMetrics } = options;
  const { stores } = watch;
  const isListed = ({ metadata }: LicenceServer) => watch.syncedIn(metadata.namespace);
  /**
   * Keys of what was listed; the others come when their namespace is, or is refused, which their status has to say. One that
   * is gone, to be forgotten, always.
   */
  const enqueue = (key: string, priority: Priority = 'fresh'): void => {
    const server = stores.licenceServers.get(key);
    const isDue = server === undefined || isListed(server) || watch.unheardIn(server.metadata.namespace).length > 0;
    if (isDue) controller.enqueue(key, priority);
  };
  const listedKeys = () => stores.licenceServers.list().filter(isListed).map(keyOf);
  const isHeard = (namespace: string) => watch.unheardIn(namespace).every(({ optional }) => optional);
  const turns = new Turns({ stores, clock, isHeard, maxRollouts: options.maxRollouts, enqueue });
  const poller = new ServerPoller({
    client: options.servers,
    clock,
    steadyMs: options.pollMs,
    eagerMs: Math.min(options.pollMs, options.eagerPollMs ?? 1_000),
    concurrency: 32,
    random: Math.random,
    onChange: (key) => enqueue(key, 'resync'),
  });
  const since = monotonicOf(clock);
  const firstPass = firstPassOver(listedKeys(), (servers) => {
    const tookMs = monotonicOf(clock) - since;
    options.metrics.firstPass.set(tookMs / 1000);
    log.info({ servers, tookMs: Math.round(tookMs) }, 'every licence server was looked at');
  });
  const controller = new Controller({
    name: 'licenceserver',
    clock,
    log,
    metrics: kubeMetrics,
    workers: options.workers,
    resync: { everyMs: 10 * 60_000, keys: listedKeys },
    reconcile: firstPass(
      reconcileLicenceServer({
        client,
        clock,
        stores,
        watch,
        metrics: options.metrics,
        poller,
        turns,
        servers: options.servers,
        defaults: options.defaults,
        lookUp: new LookUp({ client, secrets: stores.secrets, configMaps: stores.configMaps }),
        pods: new PodLook(client, clock),
        prune: new Prune(client, stores),
        staleRelease: new StaleRelease(poller, options.servers),
        teller: new Teller(options.recorder, options.metrics),
        applier: new Applier({
          client,
          fieldManager,
          hashAnnotation: appliedHash,
          metrics: kubeMetrics,
          storeOf: (kind) => stores.of(kind),
        }),
      }),
    ),
  });

  /** What a LicenceServer refers to, and what stays when it goes, has no owner reference that would lead back to it. */
  const referrers = (name: string) => (object: KubeObject) =>
    stores.licenceServers.byIndex('reference', `${name}/${keyOf(object)}`).map((server) => keyOf(server));

  /** Other LicenceServers that use the same claim. */
  const neighbours = (object: KubeObject) =>
    referenceIndex(object as LicenceServer)
      .filter((reference) => reference.startsWith('Claim/'))
      .flatMap((reference) => stores.licenceServers.byIndex('reference', reference))
      .map(keyOf)
      .filter((key) => key !== keyOf(object));

  const subscribe = (): (() => void)[] => {
    const look = () => turns.look();
    const follow = [
      stores.licenceServers.onChange(enqueueObject(enqueue) as never),
      // Whoever waits for a turn hears of a place from whoever gave it back.
      stores.licenceServers.onChange({ add: look, update: look, delete: look }),
      stores.deployments.onChange({ add: look, update: look, delete: look }),
      // A server whose claim was taken goes on as soon as the other one is gone, or uses another.
      stores.licenceServers.onChange(enqueueMapped(neighbours, enqueue) as never),
      stores.secrets.onChange(enqueueMapped(referrers('Secret'), enqueue)),
      // A regenerated key has no owner, so that it outlives the resource: its labels lead back.
      stores.secrets.onChange({
        delete: (secret, origin) => {
          if (origin !== 'own' && controllerOf(secret) === undefined) enqueue(instanceOf(secret) ?? '');
        },
      }),
      stores.configMaps.onChange(enqueueMapped(referrers('ConfigMap'), enqueue)),
      stores.claims.onChange(enqueueMapped(referrers('Claim'), enqueue)),
      // The question goes out while the pass that acts on the answer still waits in line.
      stores.deployments.onChange({
        update: (_, deployment) => {
          if (viewOfDeployment(deployment).available > 0) poller.cameUp(instanceOf(deployment) ?? '');
        },
      }),
      // Listed, or not any more to be listed: both are to be told, the second in the status of each.
      watch.onChange((namespace) => {
        const servers = stores.licenceServers.list(namespace === '' ? undefined : namespace);
        for (const server of servers) controller.enqueue(keyOf(server), 'resync');
        turns.look();
      }),
    ];
    for (const { kind, store } of stores.watched) {
      if (kind !== licenceServerKind && kind !== kinds.PersistentVolumeClaim) {
        follow.push(store.onChange(enqueueOwner(licenceServerKind, enqueue)));
      }
    }
    return follow;
  };

  return {
    run: async (signal) => {
      const unsubscribe = subscribe();
      try {
        await controller.run(signal);
      } finally {
        for (const end of unsubscribe) end();
        poller.stop();
      }
    },
  };
}

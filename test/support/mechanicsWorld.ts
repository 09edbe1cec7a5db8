import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import type { KubeClient } from '../../operator/kube/client.ts';
import { createKubeMetrics, type KubeMetrics } from '../../operator/kube/kubeMetrics.ts';
import { loadKubeClient } from '../../operator/kube/loadKubeClient.ts';
import type { KubeObject } from '../../operator/kube/object.ts';
import { Reflector, type ReflectorOptions } from '../../operator/kube/reflector.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import { Store } from '../../operator/kube/store.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createLog, type Logger } from '../../runtime/log.ts';
import { createMetrics, type Metrics } from '../../runtime/metrics.ts';
import { type FaultProxy, startFaultProxy } from './faultProxy.ts';

/** A namespace of its own on the real API server, with one client straight to it and one through a fault-injecting proxy. */
export interface MechanicsWorld extends AsyncDisposable {
  readonly namespace: string;
  readonly proxy: FaultProxy;
  /** Straight: what the rest of the world does. */
  readonly others: KubeClient;
  /** Through the proxy: ours. */
  readonly client: KubeClient;
  readonly metrics: Metrics;
  readonly kubeMetrics: KubeMetrics;
  readonly log: Logger;
  /** Aborted at the end. */
  readonly signal: AbortSignal;
  /** A reflector of ConfigMaps in the namespace that is running; short back-off unless told otherwise. */
  follow(options?: Partial<ReflectorOptions>): { readonly reflector: Reflector; readonly store: Store };
  /** Ends what `follow` started. */
  stop(): Promise<void>;
  /** Others create or replace a ConfigMap. */
  setMap(name: string, data: Record<string, string>, labels?: Record<string, string>): Promise<KubeObject>;
}

export async function createMechanicsWorld(kubeconfig: string = inject('kubeconfig')): Promise<MechanicsWorld> {
  const proxy = await startFaultProxy(kubeconfig);
  const metrics = createMetrics();
  const kubeMetrics = createKubeMetrics(metrics);
  const log = createLog('test', 'silent');
  const clock = systemClock;
  const others = loadKubeClient({
    kubeconfig,
    clock,
    metrics: createKubeMetrics(createMetrics()),
    userAgent: 'others',
    qps: 0,
  }).client;
  const { client } = loadKubeClient({
    kubeconfig: proxy.kubeconfig,
    clock,
    metrics: kubeMetrics,
    userAgent: 'ours',
    qps: 0,
  });
  const namespace = `mechanics-${randomBytes(4).toString('hex')}`;
  await others.create(kinds.Namespace, { metadata: { name: namespace } });
  const end = new AbortController();
  const running: Promise<void>[] = [];
  const world: MechanicsWorld = {
    namespace,
    proxy,
    others,
    client,
    metrics,
    kubeMetrics,
    log,
    signal: end.signal,
    follow: (options = {}) => {
      const store = options.store ?? new Store();
      const reflector = new Reflector({
        client,
        kind: kinds.ConfigMap,
        clock,
        log,
        metrics: kubeMetrics,
        namespace,
        labelSelector: 'test',
        backOff: { baseMs: 20, maxMs: 300 },
        ...options,
        store,
      });
      running.push(reflector.run(end.signal));
      return { reflector, store };
    },
    setMap: (name, data, labels = {}) =>
      others.apply(
        kinds.ConfigMap,
        { metadata: { namespace, name, labels: { test: 'yes', ...labels } }, data },
        { fieldManager: 'others' },
      ),
    stop: async () => {
      end.abort(new Error('the test is over'));
      await Promise.all(running);
    },
    [Symbol.asyncDispose]: async () => {
      await world.stop();
      await others.delete(kinds.Namespace, undefined, namespace);
      await Promise.all([client.close(), others.close()]);
      await proxy[Symbol.asyncDispose]();
    },
  };
  return world;
}

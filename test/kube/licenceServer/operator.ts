import { setTimeout as wait } from 'node:timers/promises';
import { createKey, parseKey } from '../../../licence/key.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { EventRecorder } from '../../../operator/kube/events.ts';
import { createKubeMetrics } from '../../../operator/kube/kubeMetrics.ts';
import { loadKubeClient } from '../../../operator/kube/loadKubeClient.ts';
import type { NamespaceChoice } from '../../../operator/kube/namespaceScope.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import type { Defaults } from '../../../operator/licenceServer/api/defaults.ts';
import type { LicenceServer, SpecInput } from '../../../operator/licenceServer/api/types.ts';
import { createLicenceServerController } from '../../../operator/licenceServer/controller.ts';
import { createServerClient, throughService } from '../../../operator/licenceServer/observe/serverClient.ts';
import { Watch } from '../../../operator/licenceServer/observe/watch.ts';
import { createOperatorMetrics } from '../../../operator/licenceServer/tell/operatorMetrics.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLog } from '../../../runtime/log.ts';
import { createMetrics, type Metrics } from '../../../runtime/metrics.ts';
import { FakeServer } from './fakeServer.ts';
import { adminClient, eventually, freshNamespace, installCrd } from './harness.ts';

const quotas: ResourceKind = {
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  namespaced: true,
};

/** The operator in this process, looking after one namespace; `stop` is a clean stop, `kill` none at all. */
export interface RunningOperator {
  readonly metrics: Metrics;
  /** What Prometheus would read. */
  scrape(): Promise<string>;
  readonly client: KubeClient;
  readonly watch: Watch;
  stop(): Promise<void>;
}

export interface OperatorSetting {
  readonly kubeconfig: string;
  readonly namespace: string;
  /** Default: that one namespace. */
  readonly namespaces?: NamespaceChoice;
  readonly urlOf: (service: string) => string;
  readonly image?: string;
  readonly maxRollouts?: number;
  readonly discoveryMs?: number;
  readonly regeneration?: boolean;
  readonly pollMs?: number;
  /** What the operator was told for the children of all. */
  readonly defaults?: Partial<Defaults>;
  /** Stands between the operator and the API server. */
  readonly wrap?: (client: KubeClient) => KubeClient;
  /** Ends it at once when it aborts, even while it starts. */
  readonly kill?: AbortSignal;
}

export async function startOperator(setting: OperatorSetting): Promise<RunningOperator> {
  const metrics = createMetrics();
  const kubeMetrics = createKubeMetrics(metrics);
  const log = createLog('operator', (process.env.TEST_LOG as 'info') ?? 'silent');
  const clock = systemClock;
  const { client: raw } = loadKubeClient({
    kubeconfig: setting.kubeconfig,
    clock,
    metrics: kubeMetrics,
    userAgent: 'licence-operator/test',
    qps: 0,
  });
  const client = setting.wrap?.(raw) ?? raw;
  const end = new AbortController();
  setting.kill?.addEventListener('abort', () => end.abort(new Error('killed')));
  const watch = new Watch({
    client,
    clock,
    log,
    metrics: kubeMetrics,
    namespaces: setting.namespaces ?? { names: [setting.namespace] },
    discoveryMs: setting.discoveryMs ?? 60_000,
  });
  const watching = watch.run(end.signal);
  try {
    await watch.whenSettled(end.signal);
  } catch (error) {
    await watching;
    await raw.close();
    throw error;
  }
  const recorder = new EventRecorder({
    client,
    clock,
    log,
    metrics: kubeMetrics,
    controller: 'licensing.softonit.ru/licence-operator',
    instance: 'test',
  });
  const servers = createServerClient(throughService((target) => setting.urlOf(target.service)));
  const operatorMetrics = createOperatorMetrics(metrics, {
    servers: () => watch.stores.licenceServers.list(),
    eventAges: () => watch.eventAges(),
    unheard: () => watch.unheard(),
  });
  const controller = createLicenceServerController({
    client,
    watch,
    servers,
    recorder,
    clock,
    log,
    kubeMetrics,
    metrics: operatorMetrics,
    defaults: {
      image: setting.image ?? 'licence-server:test',
      runbooks: 'https://runbooks.example',
      regeneration: setting.regeneration ?? false,
      ...setting.defaults,
    },
    workers: 4,
    maxRollouts: setting.maxRollouts ?? 1,
    pollMs: setting.pollMs ?? 400,
    eagerPollMs: 100,
  });
  const running = controller.run(end.signal);
  return {
    metrics,
    scrape: () => {
      operatorMetrics.refresh();
      return metrics.registry.metrics();
    },
    client,
    watch,
    stop: async () => {
      operatorMetrics.refresh();
      const loops = await metrics.registry.getSingleMetricAsString('licence_operator_wakes_in_the_past_total');
      end.abort(new Error('the test is over'));
      await Promise.all([running, watching]);
      await recorder.flush();
      await servers.close();
      await raw.close();
      // Whatever a test is about: no pass asks to be repeated at once with nothing changed.
      if (!loops.trim().endsWith(' 0')) throw new Error(loops);
    },
  };
}

/** The definition is installed once a test file, with its first stage. */
let definition: Promise<void> | undefined;

/** A namespace of its own with an operator, and pods that are played: there is no node. */
export class Stage {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly #kubeconfig: string;
  readonly #serverHost: string;
  readonly #servers = new Map<string, FakeServer>();
  readonly #end = new AbortController();
  #playing: Promise<void> | undefined;
  operator: RunningOperator | undefined;
  /** Pods become ready only while this holds. */
  ready = true;
  /** How long a pod takes to start. */
  startDelayMs = 0;
  /** Called before a pod becomes ready. */
  onStart: (() => void) | undefined;

  private constructor(kubeconfig: string, client: KubeClient, namespace: string, serverHost: string) {
    this.#kubeconfig = kubeconfig;
    this.#serverHost = serverHost;
    this.client = client;
    this.namespace = namespace;
  }

  /** @param serverHost loopback address at which licence servers answer */
  static async open(kubeconfig: string, serverHost = '127.0.0.1'): Promise<Stage> {
    const client = adminClient(kubeconfig);
    definition ??= installCrd(client);
    await definition;
    const stage = new Stage(kubeconfig, client, await freshNamespace(client, 'lics'), serverHost);
    stage.#playing = stage.#play();
    return stage;
  }

  async close(): Promise<void> {
    await this.operator?.stop();
    this.#end.abort();
    await this.#playing;
    for (const server of this.#servers.values()) await server.close();
    await this.client.delete(kinds.Namespace, undefined, this.namespace);
    await this.client.close();
  }

  async start(setting: Partial<OperatorSetting> = {}): Promise<RunningOperator> {
    this.operator = await startOperator({
      kubeconfig: this.#kubeconfig,
      namespace: this.namespace,
      urlOf: (service) => this.server(service).url,
      ...setting,
    });
    return this.operator;
  }

  async restart(setting: Partial<OperatorSetting> = {}): Promise<void> {
    await this.operator?.stop();
    await this.start(setting);
  }

  /** The licence server behind a Service, whether a pod of it runs or not. */
  server(name: string): FakeServer {
    let server = this.#servers.get(name);
    if (server === undefined) {
      server = new FakeServer();
      this.#servers.set(name, server);
      void server.listen(this.#serverHost);
    }
    return server;
  }

  get<T extends KubeObject = KubeObject>(kind: ResourceKind, name: string): Promise<T | undefined> {
    return this.client.get<T>(kind, this.namespace, name);
  }

  async licenceServer(name: string): Promise<LicenceServer> {
    const found = await this.get<LicenceServer>(licenceServerKind, name);
    if (found === undefined) throw new Error(`no LicenceServer ${name}`);
    return found;
  }

  /** Waits for a state of a LicenceServer. */
  async until(
    name: string,
    what: string,
    holds: (server: LicenceServer) => boolean,
    limitMs?: number,
  ): Promise<LicenceServer> {
    let last: LicenceServer | undefined;
    return eventually(
      `${name} ${what}`,
      async () => {
        last = await this.licenceServer(name);
        if (holds(last)) return last;
        throw new Error(JSON.stringify(last.status));
      },
      limitMs,
    );
  }

  async create(name: string, spec: SpecInput, metadata: Record<string, unknown> = {}): Promise<void> {
    this.server(name);
    await this.client.create(licenceServerKind, {
      apiVersion: 'licensing.softonit.ru/v1beta1',
      kind: 'LicenceServer',
      metadata: { name, namespace: this.namespace, ...metadata },
      spec,
    });
  }

  async patch(name: string, patch: unknown): Promise<void> {
    await this.client.mergePatch(licenceServerKind, this.namespace, name, patch);
  }

  /** Creates or replaces a Secret with keys. */
  async putKeys(name: string, keys: Readonly<Record<string, string>>): Promise<void> {
    const object = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace: this.namespace },
      stringData: keys,
    };
    await this.client.apply(kinds.Secret, object, { fieldManager: 'person' });
  }

  /** No Secret may be made any more, by the words of the API server's own admission. */
  async forbidSecrets(): Promise<void> {
    const hard = { 'count/secrets': '1' };
    const metadata = { name: 'few', namespace: this.namespace };
    await this.client.create(quotas, { apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec: { hard } });
    // As its controller does, which need not be there.
    const status = { hard, used: { 'count/secrets': '1' } };
    await this.client.mergePatch(quotas, this.namespace, 'few', { status }, 'status');
  }

  async allowSecrets(): Promise<void> {
    await this.client.delete(quotas, this.namespace, 'few');
  }

  async events(): Promise<{ reason: string; note: string; type: string }[]> {
    const { items } = await this.client.list(kinds.Event, { namespace: this.namespace });
    return items as unknown as { reason: string; note: string; type: string }[];
  }

  /** Pods have no node: they are made ready by hand, and the licence server is played for them. */
  async #play(): Promise<void> {
    const known = new Map<string, string>();
    while (!this.#end.signal.aborted) {
      try {
        await this.#look(known);
      } catch {
        // A pod that went meanwhile; the next look knows better.
      }
      await wait(30);
    }
  }

  async #look(known: Map<string, string>): Promise<void> {
    const { items } = await this.client.list(kinds.Pod, {
      namespace: this.namespace,
      labelSelector: 'app.kubernetes.io/name=licence-server',
    });
    const pods = items as unknown as Pod[];
    for (const [name, uid] of known) {
      if (pods.some((pod) => pod.metadata.uid === uid)) continue;
      known.delete(name);
      this.server(name).stop();
    }
    for (const pod of pods) {
      const name = pod.metadata.labels['app.kubernetes.io/instance'] ?? '';
      if (!this.ready || known.get(name) === pod.metadata.uid || pod.metadata.deletionTimestamp !== undefined) continue;
      if (Date.now() - Date.parse(pod.metadata.creationTimestamp) < this.startDelayMs) continue;
      this.onStart?.();
      const secretName = pod.spec.volumes.find((volume) => volume.name === 'keys')?.secret?.secretName ?? '';
      const secret = await this.get<KubeObject & { data?: Record<string, string> }>(kinds.Secret, secretName);
      const tokens = await this.get<KubeObject & { data?: Record<string, string> }>(kinds.Secret, `${name}-tokens`);
      const decode = (text = '') => Buffer.from(text, 'base64').toString();
      const keys = Object.entries(secret?.data ?? {}).map(([file, text]) => [file, decode(text)]);
      const environment = (pod.spec.containers[0]?.env ?? []).map(({ name: of, value }) => [of, value ?? '']);
      const server = this.server(name);
      server.token = decode(tokens?.data?.admin);
      server.start(Object.fromEntries(keys), Object.fromEntries(environment));
      known.set(name, pod.metadata.uid);
      const at = new Date().toISOString().replace(/\.\d+/, '');
      const conditions = ['Ready', 'ContainersReady', 'PodScheduled', 'Initialized'].map((type) => ({
        type,
        status: 'True',
        lastTransitionTime: at,
      }));
      const status = { phase: 'Running', startTime: at, conditions };
      await this.client.mergePatch(kinds.Pod, this.namespace, pod.metadata.name, { status }, 'status');
    }
  }
}

interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly labels: Record<string, string>;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly volumes: readonly { readonly name: string; readonly secret?: { readonly secretName: string } }[];
    readonly containers: readonly { readonly env?: readonly { readonly name: string; readonly value?: string }[] }[];
  };
}

let seed = 1;
/** A well-formed key that no other test has. */
export const freshKey = (): string => {
  seed += 1;
  const random = new Uint8Array(16);
  new DataView(random.buffer).setUint32(0, Date.now() % 2 ** 32);
  new DataView(random.buffer).setUint32(8, seed);
  return createKey(random);
};

/** A spec with one key from the Secret `keys`. */
export const specWithKey = (more: Partial<SpecInput> = {}): SpecInput => ({
  keys: [{ name: 'erp', secretRef: { name: 'keys', key: 'erp' } }],
  activation: { authority: { url: 'https://authority.example.org' } },
  ...more,
});

export const condition = (server: LicenceServer, type: string) =>
  server.status?.conditions?.find((c) => c.type === type);

export const isReady = (server: LicenceServer): boolean =>
  condition(server, 'Ready')?.status === 'True' && server.status?.observedGeneration === server.metadata.generation;

/** The id of a well-formed key. */
export function keyIdOf(key: string): string {
  const parsed = parseKey(key);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.keyId;
}

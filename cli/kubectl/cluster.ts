import { KubeConfig } from '@kubernetes/client-node';
import type { KubeClient } from '../../operator/kube/client.ts';
import { KubeconfigFault } from '../../operator/kube/kubeconfigFault.ts';
import { createKubeMetrics } from '../../operator/kube/kubeMetrics.ts';
import { type LoadOptions, loadKubeClient } from '../../operator/kube/loadKubeClient.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../operator/licenceServer/api/coordinates.ts';
import type { LicenceServer } from '../../operator/licenceServer/api/types.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { systemClock } from '../../runtime/clock.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { CommandFault } from './exitStatus.ts';
import { messageOf } from './faultOf.ts';

/** The cluster of a command, with the caller's own rights. */
export interface Cluster {
  readonly client: KubeClient;
  /** The library's own configuration, for what it does itself: port-forwards. */
  readonly config: KubeConfig;
  /** Of `-n`, else of the context. */
  readonly namespace: string;
  readonly signal: AbortSignal;
}

export interface ClusterOptions {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
}

/** Nobody asks a command for its metrics, and what counts them takes longer to read than most answers to come. */
const uncounted = { inc() {}, dec() {}, set() {}, observe() {} };
const unmeasured = {
  counter: () => uncounted,
  gauge: () => uncounted,
  histogram: () => uncounted,
} as unknown as Metrics;

/** @throws when no cluster is configured, or the context is unknown */
export function openCluster(options: ClusterOptions, signal: AbortSignal): Cluster {
  const named = {
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
    ...(options.context === undefined ? {} : { context: options.context }),
  };
  const { client, namespace } = load({
    clock: systemClock,
    metrics: createKubeMetrics(unmeasured),
    userAgent: `kubectl-licence/${packageJson.version}`,
    ...named,
  });
  const config = new KubeConfig();
  if (options.kubeconfig === undefined) config.loadFromDefault();
  else config.loadFromFile(options.kubeconfig);
  if (options.context !== undefined) config.setCurrentContext(options.context);
  return { client, config, namespace: options.namespace ?? namespace, signal };
}

/** @throws CommandFault when the kubeconfig cannot be read */
function load(options: LoadOptions): ReturnType<typeof loadKubeClient> {
  try {
    return loadKubeClient(options);
  } catch (error) {
    if (error instanceof KubeconfigFault) throw error;
    const [message = ''] = messageOf(error).split('\n');
    const file = options.kubeconfig ?? process.env.KUBECONFIG ?? '~/.kube/config';
    const why = (error as NodeJS.ErrnoException).code ?? message;
    throw new CommandFault(`the kubeconfig ${file} cannot be read: ${why}`, 'name another one with --kubeconfig');
  }
}

/** Each further answer is waited for; what is read at once is held in memory as text and as objects. */
const pageSize = 350;

/** All LicenceServers of a namespace; of all namespaces without one. */
export async function licenceServers(
  { client, signal }: Cluster,
  namespace: string | undefined,
): Promise<readonly LicenceServer[]> {
  const { items } = await client.list(licenceServerKind, { namespace, signal, pageSize });
  return items as readonly LicenceServer[];
}

/** @throws CommandFault when there is none of that name, with those that there are */
export async function licenceServer(cluster: Cluster, name: string): Promise<LicenceServer> {
  const found = await cluster.client.get<LicenceServer>(licenceServerKind, cluster.namespace, name, cluster.signal);
  if (found !== undefined) return found;
  const others = await licenceServers(cluster, cluster.namespace);
  throw new CommandFault(
    `there is no LicenceServer "${name}" in namespace ${cluster.namespace}`,
    others.length === 0
      ? 'name its namespace with -n; "kubectl licence list -A" shows all'
      : `there is ${others.map(({ metadata }) => metadata.name).join(', ')}; name another namespace with -n`,
  );
}

/** The decoded data of a Secret; undefined when it does not exist. */
export async function secretData(
  { client, signal }: Cluster,
  namespace: string,
  name: string,
): Promise<Readonly<Record<string, string>> | undefined> {
  const secret = await client.get(kinds.Secret, namespace, name, signal);
  if (secret === undefined) return undefined;
  const data = (secret.data ?? {}) as Readonly<Record<string, string>>;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}

/** Sets annotations of a LicenceServer; null takes one away. */
export const annotate = (
  { client, signal }: Cluster,
  { metadata }: LicenceServer,
  annotations: Readonly<Record<string, string | null>>,
): Promise<LicenceServer> =>
  client.mergePatch<LicenceServer>(
    licenceServerKind,
    metadata.namespace,
    metadata.name,
    { metadata: { annotations } },
    undefined,
    signal,
  );

import type { ServerStatus } from '../../licence/serverStatus.ts';
import { isForbidden } from '../../operator/kube/apiError.ts';
import type { KubeObject } from '../../operator/kube/object.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import { labels } from '../../operator/licenceServer/api/metadata.ts';
import { containerPort, namesOf } from '../../operator/licenceServer/api/names.ts';
import type { LicenceServer } from '../../operator/licenceServer/api/types.ts';
import type { Cluster } from './cluster.ts';
import { exitStatus } from './exitStatus.ts';
import { faultOf, messageOf } from './faultOf.ts';
import { forwardPort } from './portForward.ts';
import { adminToken, openPod } from './serverLink.ts';

/** Everything that a look at one LicenceServer finds, the way from the resource to the authority. What may not be read is undefined. */
export interface Picture {
  readonly nowMs: number;
  readonly server: LicenceServer;
  /** Operators of the cluster; undefined: the caller may not see them. */
  readonly operators: readonly Operator[] | undefined;
  readonly deployment: Deployment | undefined;
  readonly pods: readonly Pod[];
  readonly claim: Claim | undefined;
  /** Warnings about the resource and what belongs to it, newest first. */
  readonly warnings: readonly Warning[];
  readonly answer: ServerAnswer;
  /** What the caller may not see, so that silence is not taken for health. */
  readonly unseen: readonly string[];
}

export interface Operator {
  readonly namespace: string;
  readonly available: number;
  /** The namespaces that it looks at; undefined: by label, or all. */
  readonly watches: readonly string[] | undefined;
}
export interface Deployment {
  readonly replicas: number;
  readonly ready: number;
  readonly conditions: readonly Condition[];
}
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}
export interface Pod {
  readonly name: string;
  readonly phase: string;
  readonly node: string | undefined;
  readonly isTerminating: boolean;
  readonly isReady: boolean;
  readonly conditions: readonly Condition[];
  readonly containers: readonly Container[];
}
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly restarts: number;
  readonly waiting: { readonly reason: string; readonly message: string } | undefined;
  readonly lastEnd: { readonly reason: string; readonly exitCode: number; readonly message: string } | undefined;
}
export interface Claim {
  readonly name: string;
  readonly phase: string;
  readonly capacity: string | undefined;
  readonly storageClass: string | undefined;
  readonly isTerminating: boolean;
}
export interface Warning {
  readonly about: string;
  readonly reason: string;
  readonly message: string;
  readonly at: string;
}
export type ServerAnswer =
  | { readonly kind: 'answered'; readonly status: ServerStatus }
  /** `health`: what a pod that is not ready says of itself. */
  | {
      readonly kind: 'silent';
      readonly message: string;
      readonly todo?: string | undefined;
      readonly health?: string | undefined;
      /** A right is missing, so the server may be well. */
      readonly forbidden?: boolean;
    }
  | { readonly kind: 'notAsked' };

/** Reads all of it; what the caller may not see is left out and named. @throws when the cluster does not answer */
export const look = (cluster: Cluster, server: LicenceServer): Promise<Picture> =>
  lookMeanwhile(cluster, server.metadata, Promise.resolve(server));

/**
 * As `look`, beside the reading of the resource itself: most of what there is to see goes by its name.
 * @throws what `reading` throws, whatever else is wrong
 */
export async function lookMeanwhile(
  cluster: Cluster,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  reading: Promise<LicenceServer>,
): Promise<Picture> {
  const { client, signal } = cluster;
  const unseen: string[] = [];
  const seen = async <T>(what: string, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (!isForbidden(error)) throw error;
      unseen.push(what);
      return undefined;
    }
  };
  const lookAtPods = async () => {
    const token = adminToken(cluster, namespace, name);
    const labelSelector = `${labels.name}=licence-server,${labels.instance}=${name}`;
    const pods = await seen('pods', () => client.list(kinds.Pod, { namespace, labelSelector, signal }));
    const views = await Promise.all(
      (pods?.items ?? []).map((object) => withLastWords(cluster, podOf(object), namespace)),
    );
    return { pods: views, answer: await ask(cluster, await reading, views, token) };
  };
  const claimOfServer = async () => {
    const claimName = claimNameOf(await reading);
    return seen('persistentvolumeclaims', () => client.get(kinds.PersistentVolumeClaim, namespace, claimName, signal));
  };
  const rest = Promise.all([
    seen('operators', () => operatorsOf(cluster)),
    seen('deployments', () => client.get(kinds.Deployment, namespace, namesOf(name).deployment, signal)),
    lookAtPods(),
    claimOfServer(),
    seen('events', () => client.list(kinds.Event, { namespace, fieldSelector: 'type=Warning', signal })),
  ]);
  rest.catch(() => {}); // told below, unless there is no such server at all
  const server = await reading;
  const [operators, deployment, { pods, answer }, claim, events] = await rest;
  return {
    nowMs: Date.now(),
    server,
    operators,
    deployment: deployment && deploymentOf(deployment),
    pods,
    claim: claim && claimOf(claim),
    warnings: warningsOf(events?.items ?? [], [name, claimNameOf(server)]),
    answer,
    unseen,
  };
}

const claimNameOf = ({ spec, metadata }: LicenceServer): string =>
  (spec as { storage?: { existingClaim?: string } }).storage?.existingClaim ?? namesOf(metadata.name).claim;

async function ask(
  cluster: Cluster,
  server: LicenceServer,
  pods: readonly Pod[],
  token: Promise<string>,
): Promise<ServerAnswer> {
  if (pods.length === 0) return { kind: 'notAsked' };
  const ready = pods.find((pod) => pod.isReady && !pod.isTerminating);
  if (ready === undefined) {
    const running = pods.find((pod) => !pod.isTerminating && pod.phase === 'Running');
    if (running === undefined) return { kind: 'notAsked' };
    return { kind: 'silent', message: 'its pod is not ready', health: await health(cluster, server, running) };
  }
  try {
    const link = await openPod(cluster, server, ready.name, token);
    try {
      return { kind: 'answered', status: await link.call<ServerStatus>('GET', '/v1/status') };
    } finally {
      link.close();
    }
  } catch (error) {
    const { message, todo, exit } = faultOf(error);
    return { kind: 'silent', message, todo, forbidden: exit === exitStatus.forbidden };
  }
}

/** A container that ended and left no message has said why in the last line of its log; without the right to read it, it stays unsaid. */
async function withLastWords({ client, signal }: Cluster, pod: Pod, namespace: string): Promise<Pod> {
  const containers = await Promise.all(
    pod.containers.map(async (container) => {
      const { lastEnd, name } = container;
      if (pod.isReady || lastEnd === undefined || lastEnd.message !== '') return container;
      try {
        const path = `/api/v1/namespaces/${namespace}/pods/${pod.name}/log`;
        const query = { container: name, previous: true, tailLines: 1 };
        let message = '';
        for await (const line of await client.lines({ method: 'GET', path, query, signal })) message = line;
        return { ...container, lastEnd: { ...lastEnd, message } };
      } catch {
        return container; // no right to, or the log is gone with its container
      }
    }),
  );
  return { ...pod, containers };
}

/** What a running pod says at its readiness probe; undefined when it says nothing. */
async function health({ config }: Cluster, server: LicenceServer, pod: Pod): Promise<string | undefined> {
  if ((server.spec as { tls?: unknown }).tls !== undefined) return undefined;
  try {
    const forwarded = await forwardPort(
      config,
      { namespace: server.metadata.namespace, name: pod.name },
      containerPort,
    );
    try {
      const response = await fetch(`http://127.0.0.1:${forwarded.port}/healthz/ready`, {
        signal: AbortSignal.timeout(5_000),
      });
      return response.ok ? undefined : (await response.text()).trim() || undefined;
    } finally {
      forwarded.close();
    }
  } catch (error) {
    void messageOf(error); // that nobody answers is seen at the pod itself
    return undefined;
  }
}

async function operatorsOf({ client, signal }: Cluster): Promise<readonly Operator[]> {
  const { items } = await client.list(kinds.Deployment, { labelSelector: `${labels.name}=licence-operator`, signal });
  return items.map((object) => {
    const { spec, status } = object as unknown as {
      spec: { template: { spec: { containers: readonly { env?: readonly { name: string; value?: string }[] }[] } } };
      status?: { availableReplicas?: number };
    };
    const env = spec.template.spec.containers.flatMap((container) => container.env ?? []);
    const watched = env.find(({ name }) => name === 'OPERATOR_WATCH_NAMESPACES')?.value;
    return {
      namespace: object.metadata.namespace ?? '',
      available: status?.availableReplicas ?? 0,
      watches: watched?.split(',').map((name) => name.trim()),
    };
  });
}

interface Status {
  readonly phase?: string;
  readonly conditions?: readonly Condition[];
  readonly replicas?: number;
  readonly readyReplicas?: number;
  readonly capacity?: { readonly storage?: string };
  readonly initContainerStatuses?: readonly RawContainer[];
  readonly containerStatuses?: readonly RawContainer[];
}
interface RawContainer {
  readonly name: string;
  readonly image: string;
  readonly restartCount: number;
  readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
  readonly lastState?: {
    readonly terminated?: { readonly reason?: string; readonly exitCode?: number; readonly message?: string };
  };
}
const statusOf = (object: KubeObject): Status => (object.status ?? {}) as Status;

function deploymentOf(object: KubeObject): Deployment {
  const { conditions = [], readyReplicas = 0 } = statusOf(object);
  return { replicas: (object.spec as { replicas?: number }).replicas ?? 1, ready: readyReplicas, conditions };
}

function podOf(object: KubeObject): Pod {
  const status = statusOf(object);
  const conditions = status.conditions ?? [];
  return {
    name: object.metadata.name,
    phase: status.phase ?? 'Unknown',
    node: (object.spec as { nodeName?: string }).nodeName,
    isTerminating: object.metadata.deletionTimestamp !== undefined,
    isReady: conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    conditions,
    containers: [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].map(containerOf),
  };
}

function containerOf({ name, image, restartCount, state, lastState }: RawContainer): Container {
  const { waiting } = state ?? {};
  const { terminated } = lastState ?? {};
  return {
    name,
    image,
    restarts: restartCount,
    waiting: waiting && { reason: waiting.reason ?? '', message: waiting.message ?? '' },
    lastEnd: terminated && {
      reason: terminated.reason ?? '',
      exitCode: terminated.exitCode ?? 0,
      message: terminated.message?.trim() ?? '',
    },
  };
}

const claimOf = (object: KubeObject): Claim => ({
  name: object.metadata.name,
  phase: statusOf(object).phase ?? 'Pending',
  capacity: statusOf(object).capacity?.storage,
  storageClass: (object.spec as { storageClassName?: string }).storageClassName,
  isTerminating: object.metadata.deletionTimestamp !== undefined,
});

/** Of events.k8s.io: about the resource, its children and their pods, whose names begin with its own. */
function warningsOf(events: readonly KubeObject[], names: readonly string[]): readonly Warning[] {
  interface RawEvent {
    readonly regarding?: { readonly kind?: string; readonly name?: string };
    readonly reason?: string;
    readonly note?: string;
    readonly eventTime?: string | null;
    readonly deprecatedLastTimestamp?: string | null;
    readonly series?: { readonly lastObservedTime?: string };
  }
  return events
    .flatMap((object) => {
      const { regarding, reason = '', note = '', ...times } = object as unknown as RawEvent;
      const about = regarding?.name ?? '';
      if (!names.some((name) => about === name || about.startsWith(`${name}-`))) return [];
      const at = times.series?.lastObservedTime ?? times.eventTime ?? times.deprecatedLastTimestamp ?? '';
      return [{ about: `${regarding?.kind ?? ''} ${about}`, reason, message: note, at }];
    })
    .sort((a, b) => b.at.localeCompare(a.at));
}

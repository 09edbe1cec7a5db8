import type { KubeObject } from '../../kube/object.ts';
import type { Fault } from '../api/fault.ts';
import type { ClaimView } from './claimView.ts';
import type { DeploymentView } from './deploymentView.ts';

/** As much of a pod as tells why it is not there. */
export interface PodLike extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}
interface ContainerStatus {
  readonly name: string;
  readonly image?: string;
  readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
  readonly lastState?: { readonly terminated?: Ended };
}
interface Ended {
  readonly exitCode?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** A node that does not answer keeps a pod terminating for ever; a living one is done well before. */
const lostAfterMs = 2 * 60_000;
/** What begins to run needs some time to fetch its image and to mount its volumes. */
const startingMs = 60_000;

const ageMs = (moment: string | undefined, nowMs: number): number =>
  moment === undefined ? 0 : nowMs - Date.parse(moment);

/**
 * Why a server that is to run has no pod that takes requests: from what Deployment, pods and claim say, the first cause of
 * all first. Undefined: nothing is wrong as far as they tell; it may just be starting. Pure.
 */
export function whyNoPod(
  deployment: Pick<DeploymentView, 'refused'>,
  pods: readonly PodLike[],
  claim: ClaimView | undefined,
  nowMs: number,
): Fault | undefined {
  if (deployment.refused !== undefined) {
    return { reason: 'PodRefused', message: `the cluster makes no pod: ${deployment.refused}` };
  }
  const byAge = [...pods].sort(
    (a, b) => ageMs(a.metadata.creationTimestamp, nowMs) - ageMs(b.metadata.creationTimestamp, nowMs),
  );
  const pod = byAge.find(
    ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.phase !== 'Failed',
  );
  const stuck = byAge.find(({ metadata }) => ageMs(metadata.deletionTimestamp, nowMs) > lostAfterMs);
  const own = pod && (causeOf(pod, claim, nowMs) ?? undefined);
  if (stuck !== undefined && (pod === undefined || own?.reason === 'PodStarting')) return lost(stuck);
  if (own !== undefined) return own;
  const failed = pod === undefined ? byAge.find(({ status }) => status?.phase === 'Failed') : undefined;
  if (failed === undefined) return undefined;
  const { reason = 'Failed', message = 'it says no more' } = failed.status ?? {};
  return { reason: 'PodFailed', message: `pod ${failed.metadata.name} ended (${reason}): ${message}` };
}

const lost = ({ metadata, spec }: PodLike): Fault => ({
  reason: 'NodeLost',
  message: `pod ${metadata.name} does not end on node ${spec?.nodeName ?? 'unknown'}, and keeps the volume; bring the node back, or, once it is surely off, taint it node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`,
});

function causeOf(pod: PodLike, claim: ClaimView | undefined, nowMs: number): Fault | undefined {
  const { name } = pod.metadata;
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    const why = scheduled.message ?? scheduled.reason ?? 'it is not said why';
    if (claim !== undefined && claim.phase !== 'Bound' && /persistentvolumeclaim/i.test(why)) {
      const of =
        claim.storageClassName === undefined ? 'the default storage class' : `storage class ${claim.storageClassName}`;
      return {
        reason: 'VolumeUnbound',
        message: `PersistentVolumeClaim ${claim.name} gets no volume from ${of}, so pod ${name} waits: ${why}`,
      };
    }
    return { reason: 'PodUnschedulable', message: `pod ${name} finds no node: ${why}` };
  }
  for (const container of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
    const cause = containerCause(container);
    if (cause !== undefined) return cause;
  }
  const isStarting = pod.status?.containerStatuses?.some(({ state }) => state?.waiting !== undefined) ?? false;
  if (isStarting && ageMs(pod.metadata.creationTimestamp, nowMs) > startingMs) {
    return {
      reason: 'PodStarting',
      message: `pod ${name} on node ${pod.spec?.nodeName ?? 'unknown'} waits for its volumes or its image; "kubectl describe pod ${name}" has the node's words`,
    };
  }
  return undefined;
}

function containerCause({ name, image, state, lastState }: ContainerStatus): Fault | undefined {
  const { reason = '', message = '' } = state?.waiting ?? {};
  const detail = message === '' ? '' : `: ${message}`;
  if (
    ['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError'].includes(reason)
  ) {
    return {
      reason: 'ImageNotPulled',
      message: `image ${image ?? 'unknown'} of container ${name} cannot be pulled (${reason})${detail}`,
    };
  }
  const ended = lastState?.terminated;
  if (reason === 'CrashLoopBackOff' || (state?.waiting === undefined && ended?.reason === 'OOMKilled')) {
    return { reason: 'PodCrashing', message: `container ${name} ends again and again: ${endOf(ended)}` };
  }
  return /^(Create|Run).*Error$/.test(reason)
    ? { reason: 'ContainerRefused', message: `container ${name} cannot be made (${reason})${detail}` }
    : undefined;
}

/** The last words, as far as they were kept; times and counts in them would be told anew for ever. */
function endOf(ended: Ended | undefined): string {
  if (ended?.reason === 'OOMKilled') return 'it needs more memory than its limit; raise spec.resources.limits.memory';
  const words = ended?.message?.trim().split('\n').at(-1)?.slice(-300);
  return `exit code ${ended?.exitCode ?? 'unknown'}, ${words === undefined || words === '' ? 'its log says why' : `"${words}"`}`;
}

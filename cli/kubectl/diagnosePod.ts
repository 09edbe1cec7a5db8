import { containerName } from '../../operator/licenceServer/api/names.ts';
import type { Container, Picture, Pod } from './picture.ts';
import { fail, isHeldBack, namedOf, ok, type Step, unknown, wait, warn } from './step.ts';

/** Why no node takes a pod; undefined: one has. */
export const unschedulable = (one: Pod): string | undefined =>
  one.conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False')?.message;

const imageTrouble = ['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull'];

export function pod(picture: Picture): Step {
  const { pods, unseen } = picture;
  if (isHeldBack(picture) && pods.length === 0) return ok('pod', 'none, as asked');
  if (unseen.includes('pods')) return unknown('pod', 'you may not see it');
  const living = pods.filter((one) => !one.isTerminating);
  const [first] = living;
  if (first === undefined) {
    const leaving = pods[0];
    if (leaving === undefined) return wait('pod', 'there is none yet');
    const node = leaving.node === undefined ? '' : ` from node ${leaving.node}`;
    return fail(
      'pod',
      `pod ${leaving.name} does not go away${node}, and its successor waits for the volume`,
      `is the node there? kubectl get node ${leaving.node ?? ''}; once it is surely off: kubectl taint node ${leaving.node ?? 'NODE'} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`,
    );
  }
  for (const one of living) {
    const why = unschedulable(one);
    if (why !== undefined)
      return fail(
        'pod',
        `no node takes pod ${one.name}: ${why}`,
        'make room, or change spec.resources, spec.podTemplate (nodeSelector, tolerations)',
      );
    for (const container of one.containers) {
      const fault = containerFault(one, container);
      if (fault !== undefined) return fault;
    }
    const attach = picture.warnings.find(
      ({ about, reason }) => about === `Pod ${one.name}` && /FailedAttachVolume|FailedMount/.test(reason),
    );
    if (!one.isReady && one.phase === 'Pending' && attach !== undefined)
      return fail(
        'pod',
        `its volume cannot be mounted: ${attach.message}`,
        'a volume hangs on one node at a time: is the earlier pod, or its node, still there?',
      );
  }
  if (living.some((one) => one.isReady)) {
    const restarts = Math.max(...living.flatMap((one) => one.containers.map((container) => container.restarts)), 0);
    return restarts > 3
      ? warn(
          'pod',
          `${first.name} is ready, after ${restarts} restarts`,
          `kubectl -n ${namedOf(picture).namespace} logs ${first.name} --previous`,
        )
      : ok('pod', `${first.name} is ready${first.node === undefined ? '' : ` on ${first.node}`}`);
  }
  const health = picture.answer.kind === 'silent' ? picture.answer.health : undefined;
  if (health !== undefined)
    return fail(
      'pod',
      `pod ${first.name} runs and says it is not ready: ${health}`,
      `kubectl -n ${namedOf(picture).namespace} logs ${first.name}`,
    );
  return wait('pod', `pod ${first.name} is not ready yet`);

  function containerFault(one: Pod, container: Container): Step | undefined {
    const { waiting, lastEnd, image } = container;
    const logs = `kubectl -n ${namedOf(picture).namespace} logs ${one.name} -c ${container.name} --previous`;
    if (waiting === undefined) {
      const died = !one.isReady && lastEnd !== undefined && container.restarts > 0;
      return died ? fail('pod', endedAs(container), logs) : undefined;
    }
    const { reason, message } = waiting;
    if (imageTrouble.includes(reason)) {
      return fail(
        'pod',
        `the image ${image} cannot be pulled: ${message || reason}`,
        'correct the image (spec.image, or the chart), or give spec.imagePullSecrets',
      );
    }
    if (reason === 'CrashLoopBackOff') return fail('pod', endedAs(container), logs);
    if (
      reason === 'CreateContainerConfigError' ||
      reason === 'CreateContainerError' ||
      reason === 'RunContainerError'
    ) {
      return fail(
        'pod',
        `the container ${container.name} cannot be made: ${message || reason}`,
        'what it names has to exist; see the message',
      );
    }
    return undefined;
  }
}

function endedAs({ name, lastEnd, restarts }: Container): string {
  const who = name === containerName ? 'the server' : `container ${name}`;
  if (lastEnd === undefined) return `${who} ends again and again (${restarts} restarts)`;
  if (lastEnd.reason === 'OOMKilled')
    return `${who} was killed for want of memory (${restarts} restarts): raise spec.resources.limits.memory`;
  const words = wordsOf(lastEnd.message);
  return `${who} ends again and again (${restarts} restarts), last with status ${lastEnd.exitCode}${words ? `: ${words}` : ''}`;
}

/** The last line that a process left, or what it says if it is a line of a JSON log. */
function wordsOf(message: string): string {
  const line = message.trim().split('\n').at(-1) ?? '';
  try {
    const { msg } = JSON.parse(line) as { readonly msg?: unknown };
    return typeof msg === 'string' ? msg : line;
  } catch {
    return line;
  }
}

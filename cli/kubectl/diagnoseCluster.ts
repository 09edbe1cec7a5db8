import { unschedulable } from './diagnosePod.ts';
import type { Picture } from './picture.ts';
import {
  conditionOf,
  fail,
  isHeldBack,
  isPaused,
  namedOf,
  ok,
  type Step,
  specOf,
  unknown,
  wait,
  warn,
} from './step.ts';
import { aboutCondition } from './whatToDo.ts';

/** What the cluster shows: the operator, the resource, its volume and its Deployment. */
export function operator(picture: Picture): Step {
  const { server, operators } = picture;
  const { namespace, generation = 0, creationTimestamp = '' } = server.metadata;
  const observed = server.status?.observedGeneration ?? -1;
  const watching = operators?.filter(({ watches }) => watches === undefined || watches.includes(namespace));
  const behind = observed < generation;
  const down = watching?.length !== 0 && watching?.every(({ available }) => available === 0);
  if (operators?.length === 0) {
    const says = behind
      ? 'no operator is installed, so nobody looks at this resource'
      : 'no operator is installed: nothing changes until one is';
    return fail('operator', says, 'install the chart licence-operator');
  }
  if (watching?.length === 0) {
    const others = operators
      ?.map(({ namespace: of, watches }) => `that of ${of} watches ${watches?.join(', ')}`)
      .join('; ');
    return fail(
      'operator',
      `no operator watches namespace ${namespace}: ${others}`,
      `add ${namespace} to watch.namespaces of the chart`,
    );
  }
  if (down) {
    const where = watching?.[0]?.namespace;
    return fail(
      'operator',
      `the operator in namespace ${where} is not available, so nothing is changed or noticed`,
      `kubectl -n ${where} describe deploy,pod -l app.kubernetes.io/name=licence-operator`,
    );
  }
  if (behind) {
    const age = (picture.nowMs - Date.parse(creationTimestamp)) / 1_000;
    const says =
      observed < 0 ? 'the operator has not looked at it yet' : 'the operator has not seen the last change yet';
    return age < 30 && observed < 0
      ? wait('operator', says)
      : warn('operator', says, 'look at its log; does it watch this namespace?');
  }
  return operators === undefined
    ? unknown('operator', 'you may not see the operator')
    : ok('operator', 'it has seen the present spec');
}

/** What follows from the pod or the keys is told by those, in more words. */
export const consequences = [
  'PodFailing',
  'PodNotReady',
  'PodRefused',
  'PodFailed',
  'PodUnschedulable',
  'PodStarting',
  'PodCrashing',
  'ImageNotPulled',
  'ContainerRefused',
  'NodeLost',
  'VolumeUnbound',
  'ServerUnreachable',
  'RollingOut',
  'Creating',
  'ServerTroubled',
];

export function resource(picture: Picture): Step {
  const { server } = picture;
  const named = namedOf(picture);
  if (server.metadata.deletionTimestamp !== undefined) {
    const held = server.metadata.finalizers?.join(', ');
    return fail(
      'resource',
      `it is being deleted${held ? `, and waits for ${held}` : ''}`,
      'the operator ends it; wait, and see that the operator runs',
    );
  }
  if (specOf(picture).suspend)
    return warn(
      'resource',
      'it is suspended: stopped, with everything kept',
      `kubectl licence resume ${named.name} -n ${named.namespace}`,
    );
  const stalled = conditionOf(picture, 'Stalled');
  if (stalled?.status === 'True' && !consequences.includes(stalled.reason ?? '')) {
    const { reason = '', message = reason } = stalled;
    const todo = aboutCondition(reason, named);
    return fail('resource', message, todo);
  }
  const reconciling = conditionOf(picture, 'Reconciling');
  const { reason = '', message = '' } = reconciling ?? {};
  if (reconciling?.status === 'True' && !consequences.includes(reason)) {
    const todo = aboutCondition(reason, named);
    return reason === 'Paused' || reason === 'RolloutHeld'
      ? warn('resource', message, todo)
      : wait('resource', message, todo);
  }
  if (isPaused(picture)) return warn('resource', 'changes are paused', aboutCondition('Paused', named));
  return ok('resource', conditionOf(picture, 'Ready')?.message ?? 'nothing is under way');
}

export function volume(picture: Picture): Step {
  const { claim, unseen } = picture;
  if (claim?.phase !== 'Bound' && isHeldBack(picture)) return ok('volume', 'it is made with the first pod');
  if (claim === undefined) {
    if (unseen.includes('persistentvolumeclaims')) return unknown('volume', 'you may not see it');
    return fail(
      'volume',
      conditionOf(picture, 'StorageBound')?.message ?? 'its PersistentVolumeClaim does not exist',
      specOf(picture).storage?.existingClaim === undefined
        ? 'the operator makes it; see its log for what keeps it from that'
        : aboutCondition('ClaimMissing', namedOf(picture)),
    );
  }
  if (claim.isTerminating) {
    return fail(
      'volume',
      `PersistentVolumeClaim ${claim.name} is being deleted: the data goes with the pod`,
      aboutCondition('ClaimTerminating', namedOf(picture)),
    );
  }
  if (claim.phase === 'Bound') {
    const condition = conditionOf(picture, 'StorageBound');
    if (condition?.reason === 'ResizeFailed') return warn('volume', condition.message ?? 'it could not grow');
    return ok('volume', `${claim.name} is bound${claim.capacity === undefined ? '' : `, ${claim.capacity}`}`);
  }
  const said = picture.warnings.find(({ about }) => about === `PersistentVolumeClaim ${claim.name}`);
  const why = said === undefined ? '' : `: ${said.message}`;
  const ofClass = claim.storageClass === undefined ? '' : ` of class ${claim.storageClass}`;
  const todo =
    'see the classes with: kubectl get storageclass; the class of a claim cannot be changed, so make the claim anew';
  if (claim.phase === 'Lost')
    return fail(
      'volume',
      `PersistentVolumeClaim ${claim.name} has lost its volume`,
      'restore the volume from a backup',
    );
  // A class that waits for a first consumer binds when the pod is placed: then it is the pod that tells.
  const waits =
    said === undefined && picture.pods.some((one) => one.node === undefined && unschedulable(one) !== undefined);
  if (waits) return wait('volume', `PersistentVolumeClaim ${claim.name} waits for the pod to be placed`);
  return said === undefined
    ? wait('volume', `PersistentVolumeClaim ${claim.name}${ofClass} has no volume yet`)
    : fail('volume', `PersistentVolumeClaim ${claim.name}${ofClass} has no volume${why}`, todo);
}

export function deployment(picture: Picture): Step {
  const { deployment: found, unseen } = picture;
  if (found === undefined) {
    if (unseen.includes('deployments')) return unknown('deployment', 'you may not see it');
    if (isHeldBack(picture)) return ok('deployment', 'none, as asked');
    return wait('deployment', 'there is none yet');
  }
  const failure = found.conditions.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True');
  if (failure !== undefined) {
    const words = failure.message ?? failure.reason ?? '';
    return fail(
      'deployment',
      `its pod is refused: ${words}`,
      /quota/i.test(words)
        ? 'raise the quota, or set spec.resources within it'
        : 'change the policy, or spec.podTemplate',
    );
  }
  if (specOf(picture).suspend) return ok('deployment', 'no pods, as asked');
  return found.ready >= found.replicas
    ? ok('deployment', `${found.ready} of ${found.replicas} pods ready`)
    : wait('deployment', `${found.ready} of ${found.replicas} pods ready`);
}

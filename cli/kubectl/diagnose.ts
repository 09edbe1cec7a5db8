import { containerName } from '../../operator/licenceServer/api/names.ts';
import type { Condition, Container, Picture, Pod } from './picture.ts';
import { aboutCondition, aboutKey } from './whatToDo.ts';

/** One stretch of the way from the resource to the authority, and how it is. */
export interface Step {
  readonly step: (typeof steps)[number];
  /** `wait`: it comes right by itself. */
  readonly state: 'ok' | 'wait' | 'warn' | 'fail' | 'unknown';
  /** One sentence. */
  readonly says: string;
  /** What a person does about it; absent when nothing has to be done. */
  readonly todo?: string | undefined;
}
export interface Diagnosis {
  /** The first cause: what everything else follows from. */
  readonly cause: Step | undefined;
  readonly steps: readonly Step[];
}

/** In the order in which each depends on the one before, so that the first that is broken is the cause of the others. */
const steps = [
  'operator',
  'resource',
  'volume',
  'deployment',
  'pod',
  'server',
  'keys',
  'authority',
  'seats',
  'support',
] as const;

const ok = (step: Step['step'], says: string): Step => ({ step, state: 'ok', says });
const make =
  (state: Step['state']) =>
  (step: Step['step'], says: string, todo?: string): Step => ({ step, state, says, todo });
const wait = make('wait');
const warn = make('warn');
const fail = make('fail');
const unknown = make('unknown');

/** What is wrong with a LicenceServer, and what to do. Pure. */
export function diagnose(picture: Picture): Diagnosis {
  const looks = [operator, resource, volume, deployment, pod, server, keys, authority, seats, support];
  const found = looks.map((lookAt) => lookAt(picture));
  const cause = (['fail', 'wait', 'warn', 'unknown'] as const)
    .map((state) => found.find((step) => step.state === state))
    .find((step) => step !== undefined);
  return { cause, steps: found };
}

const conditionOf = ({ server }: Picture, type: string): Condition | undefined =>
  server.status?.conditions?.find((condition) => condition.type === type);
const namedOf = ({ server: { metadata } }: Picture) => ({ namespace: metadata.namespace, name: metadata.name });
const specOf = ({ server }: Picture) =>
  server.spec as {
    readonly suspend?: boolean;
    readonly storage?: { readonly existingClaim?: string };
    readonly activation?: { readonly mode?: string; readonly authority?: { readonly url?: string } };
  };
const isPaused = ({ server }: Picture): boolean =>
  server.metadata.annotations?.['licensing.softonit.ru/pause'] === 'true';

/** Somebody wants that nothing is made or changed now. */
const isHeldBack = (picture: Picture): boolean => (specOf(picture).suspend ?? false) || isPaused(picture);

function operator(picture: Picture): Step {
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
const consequences = [
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

function resource(picture: Picture): Step {
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

function volume(picture: Picture): Step {
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

function deployment(picture: Picture): Step {
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

const unschedulable = (one: Pod): string | undefined =>
  one.conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False')?.message;

const imageTrouble = ['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull'];

function pod(picture: Picture): Step {
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

function server(picture: Picture): Step {
  const { answer } = picture;
  if (specOf(picture).suspend) return ok('server', 'stopped, as asked');
  if (answer.kind === 'notAsked') return unknown('server', 'there is nobody to ask');
  if (answer.kind === 'silent')
    return picture.pods.some((one) => one.isReady)
      ? fail('server', answer.message, answer.todo)
      : unknown('server', answer.message);
  const { trouble, version } = answer.status;
  if (trouble !== undefined)
    return fail(
      'server',
      `it says: ${trouble}`,
      `kubectl licence doctor ${namedOf(picture).name} -n ${namedOf(picture).namespace}`,
    );
  return ok('server', `version ${version} answers`);
}

function keys(picture: Picture): Step {
  const {
    answer,
    server: { status = {} },
  } = picture;
  const views = answer.kind === 'answered' ? answer.status.keys : [];
  const bad = views.find((key) => key.state !== 'Active' && key.state !== 'Superseded');
  const rotation = status.rotation;
  if (rotation?.phase === 'RolledBack') {
    const { reason = '', message = '' } = rotation;
    return fail(
      'keys',
      `the last rotation was rolled back: ${message}`,
      aboutKey[reason as keyof typeof aboutKey]?.({ ...namedOf(picture), key: rotation.key }),
    );
  }
  if (bad !== undefined) {
    const { fault, name, keyId, state } = bad;
    const says = `key ${name ?? keyId} is ${state.toLowerCase()}: ${fault?.message ?? 'it has not been tried yet'}`;
    // A way to the authority that is closed is told by that step.
    if (fault?.reason === 'AuthorityUnreachable') return wait('keys', `key ${name ?? keyId} waits for the authority`);
    return fault === undefined
      ? wait('keys', says)
      : fail('keys', says, aboutKey[fault.reason]({ ...namedOf(picture), key: name }));
  }
  if (answer.kind !== 'answered') return unknown('keys', 'only the server can tell');
  if (views.length === 0)
    return warn(
      'keys',
      'no key is installed, so there are no seats',
      `name it in spec.keys, or install it on the page: kubectl licence dashboard ${namedOf(picture).name} -n ${namedOf(picture).namespace}`,
    );
  return ok(
    'keys',
    views
      .map(
        ({ name, keyId, state, generation }) =>
          `${name ?? keyId} ${state}${generation === undefined ? '' : `, generation ${generation}`}`,
      )
      .join('; '),
  );
}

function authority(picture: Picture): Step {
  const { answer } = picture;
  if (specOf(picture).activation?.mode === 'Offline') return ok('authority', 'not asked (mode Offline)');
  const url = specOf(picture).activation?.authority?.url;
  if (answer.kind !== 'answered') return unknown('authority', 'only the server can tell');
  const waiting = answer.status.keys.find(({ fault }) => fault?.reason.startsWith('Authority'));
  if (waiting?.fault !== undefined)
    return fail(
      'authority',
      `${url ?? 'the authority'}: ${waiting.fault.message}`,
      aboutKey[waiting.fault.reason](namedOf(picture)),
    );
  return ok('authority', url === undefined ? 'none is named' : `${url} has activated every key`);
}

function seats(picture: Picture): Step {
  const {
    answer,
    server: { status = {} },
  } = picture;
  if (answer.kind !== 'answered') return unknown('seats', 'only the server can tell');
  const { products } = answer.status;
  const { name, namespace } = namedOf(picture);
  const said = products
    .map(
      ({ product, seatsInUse, seatLimit, seatsStale }) =>
        `${product} ${seatsInUse} of ${seatLimit}${seatsStale > 0 ? `, ${seatsStale} stale` : ''}`,
    )
    .join('; ');
  const full = products.find(({ seatsInUse, seatLimit }) => seatLimit > 0 && seatsInUse >= seatLimit);
  if (full !== undefined) {
    const waiting = full.holdersWaiting > 0 ? `, and ${full.holdersWaiting} wait` : '';
    const todo =
      full.seatsStale > 0
        ? `kubectl licence clear-stale ${name} -n ${namespace}`
        : `kubectl licence seats ${name} -n ${namespace} shows who has them`;
    return warn(
      'seats',
      `all ${full.seatLimit} seats of ${full.product} are taken${full.seatsStale > 0 ? `, ${full.seatsStale} of them by bases that have gone silent` : ''}${waiting}`,
      todo,
    );
  }
  const stale = products.find(({ seatsStale }) => seatsStale > 0);
  if (stale !== undefined) {
    const gate = status.nextDisruption?.message;
    return warn(
      'seats',
      `${stale.seatsStale} seats of ${stale.product} are stale${gate === undefined ? '' : `; the operator waits: ${gate}`}`,
      `kubectl licence clear-stale ${name} -n ${namespace}`,
    );
  }
  return products.length === 0 ? unknown('seats', 'there are none without a key') : ok('seats', said);
}

const dayMs = 86_400_000;

function support(picture: Picture): Step {
  const { answer, nowMs } = picture;
  if (answer.kind !== 'answered') return unknown('support', 'only the server can tell');
  const terms = answer.status.products.flatMap(({ product, supportUntil, expiresAt }) => [
    ...(expiresAt === undefined ? [] : [{ what: `the licence of ${product}`, until: expiresAt }]),
    ...(supportUntil === undefined ? [] : [{ what: `support of ${product}`, until: supportUntil }]),
  ]);
  const [first] = terms.sort((a, b) => a.until.localeCompare(b.until));
  if (first === undefined) return ok('support', 'no term ends');
  const days = Math.floor((Date.parse(first.until) - nowMs) / dayMs);
  const todo = 'take the paid extension from the vendor, and put its key in with: kubectl licence rotate';
  if (days < 0) return warn('support', `${first.what} ended on ${first.until.slice(0, 10)}`, todo);
  return days < 30
    ? warn('support', `${first.what} ends on ${first.until.slice(0, 10)}, in ${days} days`, todo)
    : ok('support', `until ${first.until.slice(0, 10)}`);
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

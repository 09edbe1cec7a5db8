import { passingFaults } from '../../../licence/keyFaults.ts';
import { isMore } from '../../kube/quantity.ts';
import type { Fault } from '../api/fault.ts';
import type { Observed } from '../observe/observed.ts';
import { staleOf } from '../observe/serverAnswer.ts';
import { backedUp } from './backedUp.ts';
import type { Said, Seen } from './seen.ts';
import { claimMissing, isMissing, waitOf } from './waits.ts';

/**
 * The conditions of a LicenceServer, one function each: what is said, from what was seen and decided. Pure.
 * Ready, Reconciling and Stalled follow kstatus, so that Flux, Helm and `kubectl wait` understand them.
 */
const say = (type: string, status: Said['status'], reason: string, message: string, fleeting = false): Said => ({
  type,
  status,
  reason,
  message,
  ...(fleeting ? { fleeting } : {}),
});

/** Why a server is not as asked. */
type Cause = Fault & Pick<Said, 'fleeting'>;

export function suspended({ valid }: Seen): Said {
  return valid.spec.suspend
    ? say(
        'Suspended',
        'True',
        'Suspended',
        'the server is stopped and everything is kept; set suspend to false to go on',
      )
    : say('Suspended', 'False', 'NotSuspended', 'the server is to run');
}

/** What the server said last is wrong. It outlives the answer: a server whose volume is full is not reached any more. */
export const troubleOf = ({ observed: { server }, before }: Pick<Seen, 'observed' | 'before'>): string | undefined =>
  server.kind === 'answered' ? server.status.trouble : before.trouble;

/** How a sentence about the server goes on while something is wrong with it. */
function complaint(seen: Seen): string {
  const trouble = troubleOf(seen);
  const says = seen.observed.server.kind === 'answered' ? 'says' : 'last said';
  return trouble === undefined ? '' : `; the server ${says}: ${trouble}`;
}

/** What a server complains of may tell the time, or how full a volume is. */
const isTroubled = (seen: Seen): boolean => troubleOf(seen) !== undefined;

/** The rollout's own words say only that it takes too long; the cause goes before them. */
const failureOf = ({ observed: { deployment, noPod } }: Seen): string =>
  [noPod?.message, deployment?.failure].filter((text) => text !== undefined).join('; ');

export function available(seen: Seen): Said {
  const { valid, observed } = seen;
  const { deployment } = observed;
  if (valid.spec.suspend) return say('Available', 'False', 'Suspended', 'no pod runs while the server is suspended');
  if (deployment === undefined) return say('Available', 'False', 'NoDeployment', 'there is no Deployment yet');
  const isUp = deployment.available > 0;
  const { noPod } = observed;
  if (!isUp && deployment.failure !== undefined) return say('Available', 'False', 'PodFailing', failureOf(seen));
  if (!isUp && noPod !== undefined)
    return say('Available', 'False', noPod.reason, `${noPod.message}${complaint(seen)}`, isTroubled(seen));
  const reason = isUp ? 'PodReady' : 'PodNotReady';
  return say(
    'Available',
    isUp ? 'True' : 'False',
    isTroubled(seen) ? 'ServerTroubled' : reason,
    `${isUp ? 'a pod is ready and takes requests' : 'no pod is ready'}${complaint(seen)}`,
    isTroubled(seen),
  );
}

export function storageBound({ observed, valid }: Seen): Said {
  const { claim } = observed;
  const name = valid.spec.storage.existingClaim ?? `${valid.owner.name}-data`;
  if (claim === undefined) {
    return say('StorageBound', 'False', 'ClaimMissing', `PersistentVolumeClaim ${name} does not exist`);
  }
  if (claim.deleting) {
    const message = `PersistentVolumeClaim ${name} has been deleted: the volume goes with the pod that uses it. Keep the pod, and take a copy of its data (licence-server export) before it ends`;
    return say('StorageBound', 'False', 'ClaimTerminating', message);
  }
  if (claim.phase !== 'Bound') {
    const what = claim.phase === 'Lost' ? 'has lost its volume' : 'has no volume yet';
    return say('StorageBound', 'False', `Claim${claim.phase}`, `PersistentVolumeClaim ${name} ${what}`);
  }
  const wanted = valid.spec.storage.size;
  const grows = `PersistentVolumeClaim ${name} is to grow to ${claim.size ?? 'its new size'}`;
  const detail = claim.resize?.message ? `: ${claim.resize.message}` : '';
  if (claim.resize !== undefined) return say('StorageBound', 'True', claim.resize.reason, `${grows}${detail}`);
  if (isMore(claim.size ?? '0', claim.capacity ?? claim.size ?? '0')) {
    return say('StorageBound', 'True', 'Resizing', `${grows}; it has ${claim.capacity}`);
  }
  if (wanted !== undefined && isMore(claim.size ?? '0', wanted)) {
    const message = `PersistentVolumeClaim ${name} stays at ${claim.size}: a volume cannot shrink to ${wanted}`;
    return say('StorageBound', 'True', 'CannotShrink', message);
  }
  return say('StorageBound', 'True', 'Bound', `PersistentVolumeClaim ${name} has its volume`);
}

/** A condition that only the server can tell. Without an answer it is unknown; not having asked yet changes nothing. */
function told(seen: Seen, type: string, tell: (server: Observed['server'] & { kind: 'answered' }) => Said): Said {
  const { server } = seen.observed;
  if (server.kind === 'answered') return tell(server);
  if (seen.valid.spec.suspend)
    return say(type, 'Unknown', 'Suspended', 'nobody can be asked while the server is suspended');
  if (server.kind === 'unreachable') return say(type, 'Unknown', 'ServerUnreachable', server.message);
  if ((seen.observed.deployment?.available ?? 0) === 0) {
    return say(type, 'Unknown', 'PodNotReady', 'no pod is ready to be asked');
  }
  const before = seen.before.conditions?.find((c) => c.type === type);
  return before === undefined
    ? say(type, 'Unknown', 'NotAskedYet', 'the server has not answered yet')
    : say(type, before.status, before.reason, before.message);
}

/** What is wrong with the keys that a person has to put right. */
export function keysFault({ valid, plan }: Seen): Fault | undefined {
  const { desiredKeys } = valid;
  if (!desiredKeys.ok) return { reason: desiredKeys.reason, message: desiredKeys.message };
  const { rotation } = plan.rotation;
  const { phase, reason, message } = rotation ?? {};
  if (reason === undefined || message === undefined) return undefined;
  if (phase === 'RolledBack') return { reason, message: `${message}; the previous keys were put back` };
  // What may pass by itself is a wait, not a fault.
  const waits: readonly string[] = ['ServerUnreachable', 'WaitingForWindow', 'NotProven', ...passingFaults];
  if (waits.includes(reason)) return undefined;
  if (phase === 'Staged') return { reason, message: `${message}; the running keys stay` };
  return phase === 'Proving' ? { reason, message } : undefined;
}

export function keysActive(seen: Seen): Said {
  const type = 'KeysActive';
  const fault = keysFault(seen);
  if (fault !== undefined) return say(type, 'False', fault.reason, fault.message);
  const names = (seen.valid.spec.keys ?? []).map((key) => key.name);
  if (names.length === 0) return say(type, 'True', 'NoKeysAsked', 'spec names no keys');
  return told(seen, type, ({ status }) => {
    for (const name of names) {
      const views = status.keys.filter((key) => key.name === name);
      if (views.some((key) => key.state === 'Active')) continue;
      const view = views[0];
      const reason = view?.fault?.reason ?? (view === undefined ? 'KeyNotInstalled' : `Key${view.state}`);
      return say(type, 'False', reason, `key ${name}: ${view?.fault?.message ?? 'it is not active yet'}`);
    }
    return say(type, 'True', 'Active', 'every key of spec is active');
  });
}

/** So many products are named in a message. */
const named = 10;

export const seatsAvailable = (seen: Seen): Said =>
  told(seen, 'SeatsAvailable', ({ status }) => {
    if (status.products.length === 0)
      return say('SeatsAvailable', 'False', 'NoProducts', 'no active key grants any seat');
    const full = status.products.filter((p) => p.seatsInUse >= p.seatLimit);
    if (full.length === 0) return say('SeatsAvailable', 'True', 'SeatsFree', 'every product has a free seat');
    const more = full.length > named ? ` and ${full.length - named} more` : '';
    const which = `${full
      .slice(0, named)
      .map((p) => `${p.product} (${p.seatsInUse} of ${p.seatLimit})`)
      .join(', ')}${more}`;
    return say('SeatsAvailable', 'False', 'SeatsExhausted', `no free seat of ${which}`, true);
  });

export const seatsFresh = (seen: Seen): Said =>
  told(seen, 'SeatsFresh', ({ status }) => {
    const stale = staleOf(status);
    if (stale === 0) return say('SeatsFresh', 'True', 'NoStaleSeats', 'no seat is stale');
    const next = seen.plan.staleSeats.waiting?.message;
    return say(
      'SeatsFresh',
      'False',
      'StaleSeats',
      `${stale} stale seats${next === undefined ? '' : `; not cleared now: ${next}`}`,
      true,
    );
  });

/** What stands in the way until a person acts, the gravest first. */
function stallOf(seen: Seen): Fault | undefined {
  const { valid, observed } = seen;
  const wait = waitOf(seen);
  const faults = [keysFault(seen), ...valid.missing, seen.refusals[0], claimMissing(seen)];
  const fault = faults.find(
    (f) => f !== undefined && f.reason !== 'Restoring' && (wait === undefined || !isMissing(f)),
  );
  if (fault !== undefined) return fault;
  if (observed.deployment?.failure !== undefined && !valid.spec.suspend) {
    return { reason: 'PodFailing', message: failureOf(seen) };
  }
  return undefined;
}

/** What is under way, and will come to an end by itself. */
function progressOf(seen: Seen): Cause | undefined {
  const { observed, plan, valid } = seen;
  const { rotation } = plan.rotation;
  const wait = waitOf(seen);
  if (wait !== undefined) return wait;
  if (valid.restore.kind === 'running') return { reason: 'Restoring', message: valid.restore.message };
  if (plan.paused) {
    return plan.pending.length === 0
      ? undefined
      : {
          reason: 'Paused',
          message: `changes are pending (${plan.pending.join(', ')}); remove the pause annotation to go on`,
        };
  }
  // Whatever is under way, it waits for a pod.
  if (observed.noPod !== undefined && !valid.spec.suspend) return observed.noPod;
  if (plan.pending.length > 0) {
    return { reason: 'RolloutHeld', message: `${plan.pending.join(', ')}: ${plan.pendingMessage}` };
  }
  if (plan.reasons.length > 0) return { reason: 'Rolling', message: `the pod rolls: ${plan.reasons.join(', ')}` };
  if (rotation !== undefined && ['Staged', 'Rolling', 'Proving'].includes(rotation.phase) && !valid.spec.suspend) {
    const message = rotation.message ?? `the keys are ${rotation.phase.toLowerCase()}`;
    return { reason: `Keys${rotation.phase}`, message };
  }
  if (plan.staleSeats.status?.clearing !== undefined) {
    return { reason: 'ClearingStaleSeats', message: 'stale seats are being cleared' };
  }
  if (observed.deployment === undefined) return { reason: 'Creating', message: 'the Deployment is being made' };
  if (!observed.deployment.settled) {
    const message = `the pod is not ready yet${complaint(seen)}`;
    return { reason: 'RollingOut', message, fleeting: isTroubled(seen) };
  }
  return undefined;
}

/** Reconciling, Stalled and Ready: the summary, from all the others. */
export function summary(seen: Seen, others: readonly Said[]): readonly Said[] {
  const stall = stallOf(seen);
  const progress = stall === undefined ? progressOf(seen) : undefined;
  const find = (type: string) => others.find((c) => c.type === type);
  const blocking = ['Available', 'KeysActive'].map(find).find((c) => c !== undefined && c.status !== 'True');
  const isSuspended = seen.valid.spec.suspend;
  const ready = (): Said => {
    if (stall !== undefined) return say('Ready', 'False', stall.reason, stall.message);
    if (progress !== undefined) return say('Ready', 'False', progress.reason, progress.message, progress.fleeting);
    if (isSuspended) return say('Ready', 'True', 'Suspended', 'the server is stopped, as asked');
    if (blocking !== undefined) return { ...blocking, type: 'Ready' };
    const pause = seen.plan.paused ? '; changes are paused' : '';
    return say('Ready', 'True', 'Ready', `the server runs as asked${pause}${complaint(seen)}`, isTroubled(seen));
  };
  return [
    ready(),
    progress === undefined
      ? say('Reconciling', 'False', 'Settled', 'nothing is under way')
      : say('Reconciling', 'True', progress.reason, progress.message, progress.fleeting),
    stall === undefined
      ? say('Stalled', 'False', 'NotStalled', 'nothing needs a person')
      : say('Stalled', 'True', stall.reason, stall.message),
  ];
}

/** Present only while it does not hold: what spec asks for of monitoring is not made. */
export function monitored({ valid, observed }: Seen): Said | undefined {
  const { monitoring } = valid.spec;
  for (const [kind, choice, isListed, field] of [
    ['ServiceMonitor', monitoring.serviceMonitor, observed.monitoring.serviceMonitor, 'serviceMonitor'],
    ['PrometheusRule', monitoring.prometheusRule, observed.monitoring.prometheusRule, 'prometheusRule'],
  ] as const) {
    if (choice === 'Disabled') continue;
    const broken = observed.unheard?.find((unheard) => unheard.kind === kind);
    if (broken !== undefined) {
      return say(
        'Monitored',
        'False',
        'KindBroken',
        `${kind} cannot be listed and is left as it is: ${broken.message}`,
      );
    }
    if (choice === 'Enabled' && !isListed) {
      const cure = `install the Prometheus operator, or set spec.monitoring.${field} to Auto`;
      return say('Monitored', 'False', 'KindMissing', `the cluster knows no ${kind}, so none is made; ${cure}`);
    }
  }
  return undefined;
}

/** Present only while it does not hold: a change of something that is watched would pass unseen. */
export function watched({ observed }: Seen): Said | undefined {
  const unheard = observed.unheard?.find(({ optional }) => !optional);
  return unheard && say('Watched', 'False', 'NotHeard', `no change of ${unheard.kind} is heard of: ${unheard.message}`);
}

/** Whether the seat rules do what they seem to. Absent where there are none. */
export function rulesSound(seen: Seen): Said | undefined {
  const { rules = [], reservations = [] } = seen.valid.spec.seats ?? {};
  if (rules.length + reservations.length === 0) return undefined;
  const { server } = seen.observed;
  if (server.kind !== 'answered') {
    // they are as they were, whoever is silent for a while
    const before = seen.before.conditions?.find(({ type }) => type === 'RulesSound');
    return say(
      'RulesSound',
      before?.status ?? 'Unknown',
      before?.reason ?? 'NotAskedYet',
      before?.message ?? 'the server has not answered yet',
    );
  }
  const { ruleDoubts = [] } = server.status;
  return ruleDoubts.length === 0
    ? say('RulesSound', 'True', 'Sound', 'every seat rule can matter, and none promises more than the licence')
    : say('RulesSound', 'False', 'RulesDoubtful', ruleDoubts.join('; '));
}

/** Types that are left out while there is nothing to say of them. */
export const passingTypes: readonly string[] = ['BackedUp', 'Monitored', 'RulesSound', 'Watched'];

export function conditionsOf(seen: Seen): readonly Said[] {
  const others = [available, keysActive, seatsAvailable, seatsFresh, storageBound, suspended].map((tell) => tell(seen));
  const passing = [backedUp(seen), monitored(seen), rulesSound(seen), watched(seen)].filter(
    (said) => said !== undefined,
  );
  return [...summary(seen, others), ...others, ...passing];
}

import type { Fault } from '../api/fault.ts';
import type { Status } from '../api/types.ts';
import type { Plan } from '../decide/plan.ts';

/** What is worth an Event and a count, from the status before and after a pass. Pure. */
export interface Told {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly action: string;
  readonly note: string;
}

const say = (type: Told['type'], reason: string, action: string, note: string): Told => ({
  type,
  reason,
  action,
  note,
});

export function eventsOf(before: Status, after: Status, plan: Plan | undefined): readonly Told[] {
  return [
    ...stalled(before, after),
    ...rolled(before, after),
    ...troubled(before, after),
    ...lapsed('BackedUp', 'BackUp', before, after),
    ...lapsed('RulesSound', 'Watch', before, after),
    ...checked(after, plan),
    ...rotation(before, after),
    ...regeneration(before, after),
    ...reactivation(before, after),
    ...staleSeats(plan),
  ];
}

const conditionOf = (status: Status, type: string) => status.conditions?.find((c) => c.type === type);

function stalled(before: Status, after: Status): Told[] {
  const [was, is] = [conditionOf(before, 'Stalled'), conditionOf(after, 'Stalled')];
  if (is?.status === 'True' && (was?.status !== 'True' || was.reason !== is.reason)) {
    return [say('Warning', is.reason, 'Reconcile', is.message)];
  }
  return [];
}

function troubled({ trouble: was }: Status, { trouble: is }: Status): Told[] {
  return is !== undefined && was === undefined ? [say('Warning', 'ServerTroubled', 'Watch', is)] : [];
}

/** A condition that holds no longer, or for another reason. */
function lapsed(type: string, action: string, before: Status, after: Status): Told[] {
  const [was, is] = [conditionOf(before, type), conditionOf(after, type)];
  const isNews = is?.status === 'False' && (was?.status !== 'False' || was.reason !== is.reason);
  return isNews ? [say('Warning', is.reason, action, is.message)] : [];
}

/** Why the pod was made to roll, if no status has told of it yet. Of a resource that came back without its status nothing is known. */
export function rollReasons(before: Status, after: Status): readonly string[] {
  const isKnown =
    before.lastRoll?.at === after.lastRoll?.at && `${before.lastRoll?.reasons}` === `${after.lastRoll?.reasons}`;
  const isFirstStatus = (before.observedGeneration ?? -1) < 0;
  return isKnown || isFirstStatus ? [] : (after.lastRoll?.reasons ?? []);
}

function rolled(before: Status, after: Status): Told[] {
  const reasons = rollReasons(before, after);
  return reasons.length === 0 ? [] : [say('Normal', 'Rolling', 'Roll', `the pod rolls: ${reasons.join(', ')}`)];
}

/** A pass that failed; the same words again are no news. */
export function failureEvents(before: Status, { reason, message }: Fault): readonly Told[] {
  const was = conditionOf(before, 'Ready');
  const isKnown = was?.reason === reason && was.message.startsWith(message);
  return isKnown ? [] : [say('Warning', reason, 'Reconcile', message)];
}

const keysOf = (key: string): string => (key === '' ? 'the keys' : `key ${key.replaceAll(',', ', ')}`);

/** Only where somebody was asked: the phase after it is entered without a check too. */
function checked({ rotation }: Status, plan: Plan | undefined): Told[] {
  if (plan?.rotation.checked !== true || rotation === undefined) return [];
  return [say('Normal', 'KeysChecked', 'Rotate', `${keysOf(rotation.key)} would be activated`)];
}

function rotation(before: Status, after: Status): Told[] {
  const [was, is] = [before.rotation, after.rotation];
  if (is === undefined || (was?.copy === is.copy && was.phase === is.phase)) return [];
  const keys = keysOf(is.key);
  switch (is.phase) {
    case 'Staged':
      return [say('Normal', 'KeysStaged', 'Rotate', `new content of ${keys} was seen`)];
    case 'Active':
      return [say('Normal', 'KeysActive', 'Rotate', `${keys} was proven active`)];
    case 'RolledBack':
      return [say('Warning', 'KeysRolledBack', 'Rotate', `${is.message ?? keys}; the previous keys are put back`)];
    default:
      return [];
  }
}

function regeneration({ regeneration: was }: Status, { regeneration: is }: Status): Told[] {
  if (is === undefined || (was?.request === is.request && was.phase === is.phase)) return [];
  const left = `${is.regenerationsLeft ?? 'some'} left this month`;
  switch (is.phase) {
    case 'Allowed':
      return [say('Normal', 'RegenerationAllowed', 'Regenerate', `a new key of ${is.key} is asked for: ${left}`)];
    case 'Made':
      return [
        say(
          'Normal',
          'KeyRegenerated',
          'Regenerate',
          `key ${is.key} has a successor, ${is.newKeyId}, in a Secret named after it; copy it to where your keys come from; ${left}`,
        ),
      ];
    case 'Refused':
      return [say('Warning', is.reason ?? 'RegenerationRefused', 'Regenerate', is.message ?? 'no new key was made')];
    default:
      return [];
  }
}

function reactivation({ reactivation: was }: Status, { reactivation: is }: Status): Told[] {
  const isNew = is?.provenAt !== undefined && was?.provenAt !== is.provenAt;
  return isNew ? [say('Normal', 'Reactivated', 'Reactivate', 'every key of spec was activated again')] : [];
}

function staleSeats(plan: Plan | undefined): Told[] {
  const event = plan?.staleSeats.event;
  if (event === undefined) return [];
  const how = event.by === 'Roll' ? 'a roll of the pod' : 'a release';
  return [
    event.kind === 'StaleSeatsCleared'
      ? say('Normal', event.kind, 'ClearStaleSeats', `${how} took stale seats from ${event.before} to ${event.after}`)
      : say(
          'Warning',
          event.kind,
          'ClearStaleSeats',
          `${event.after} of ${event.before} stale seats remain after ${how}`,
        ),
  ];
}

/** How a rotation ended in this pass; undefined: it did not. */
export function rotationOutcome(before: Status, after: Status): 'active' | 'rolled_back' | undefined {
  const [was, is] = [before.rotation, after.rotation];
  if (is === undefined || (was?.copy === is.copy && was.phase === is.phase)) return undefined;
  return is.phase === 'Active' ? 'active' : is.phase === 'RolledBack' ? 'rolled_back' : undefined;
}

/** How a request for a new key ended in this pass; undefined: it did not. */
export function regenerationOutcome(before: Status, after: Status): 'made' | 'refused' | undefined {
  const [was, is] = [before.regeneration, after.regeneration];
  if (is === undefined || (was?.request === is.request && was.phase === is.phase)) return undefined;
  return is.phase === 'Made' ? 'made' : is.phase === 'Refused' ? 'refused' : undefined;
}

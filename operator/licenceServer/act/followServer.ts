import { namesOf, portName } from '../api/names.ts';
import { msOf } from '../api/times.ts';
import type { Status } from '../api/types.ts';
import type { Plan } from '../decide/plan.ts';
import type { Valid } from '../decide/validate.ts';
import type { AdminToken } from '../observe/lookUp.ts';
import type { Observed } from '../observe/observed.ts';
import type { ServerPoller } from '../observe/serverPoller.ts';

/** A change that has not come to an end in this time is waited for at the steady pace. */
const impatientMs = 10 * 60_000;
const waits: readonly (string | undefined)[] = [undefined, 'NotProven', 'ServerUnreachable'];

/** Whether something is under way whose end only the server can tell. Pure. */
export function isInMotion(plan: Plan, observed: Observed): boolean {
  // It answers everything but whether a key is good: whoever asks the rest at a high pace would ask that with it.
  if (observed.check?.kind === 'unanswered') return false;
  const rotation = plan.rotation.rotation;
  const clearing = plan.staleSeats.status?.clearing;
  const isYoung = (since: string | undefined) => observed.atMs - (msOf(since) ?? 0) < impatientMs;
  if (clearing !== undefined && isYoung(clearing.startedAt)) return true;
  if (rotation === undefined || !['Staged', 'Rolling', 'Proving'].includes(rotation.phase)) return false;
  return isYoung(rotation.phaseAt) && waits.includes(rotation.reason);
}

/**
 * Watches the server while a pod of it is up, and forgets it otherwise.
 * @param before status as read
 * @returns `firstAnswerDue`: the first pod of all has just come up and its first answer is on its way, which brings another
 * pass; until then there is nothing to say that would not be said otherwise a moment later
 */
export function followServer(
  { poller }: { readonly poller: ServerPoller },
  key: string,
  valid: Valid,
  observed: Observed,
  plan: Plan,
  before: Status,
  secrets: { readonly adminToken: AdminToken | undefined; readonly serverCa: string | undefined },
): 'followed' | 'firstAnswerDue' {
  const { owner, spec } = valid;
  const isUp = (observed.deployment?.available ?? 0) > 0;
  if (spec.suspend || secrets.adminToken === undefined) {
    poller.forget(key);
    return 'followed';
  }
  const target = {
    namespace: owner.namespace,
    service: namesOf(owner.name).service,
    port: spec.service.port,
    portName,
    tls: spec.tls !== undefined,
    ca: spec.tls === undefined ? undefined : secrets.serverCa,
    token: secrets.adminToken,
  };
  if (isUp) poller.track(key, target, isInMotion(plan, observed));
  else poller.expect(key, target);
  const isAsked = isUp && poller.answer(key).kind === 'none';
  const isFirst = before.rotation?.phase === 'Rolling' && before.keysCopy === undefined && plan.reasons.length === 0;
  return isAsked && isFirst ? 'firstAnswerDue' : 'followed';
}

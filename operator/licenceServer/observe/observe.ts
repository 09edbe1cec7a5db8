import { passingFaults } from '../../../licence/keyFaults.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { keyOf } from '../../kube/object.ts';
import { kinds } from '../../kube/resourceKind.ts';
import { namesOf } from '../api/names.ts';
import type { LicenceServer, Spec } from '../api/types.ts';
import { digestsOfCopy, isKeysCopy } from '../build/keysSecret.ts';
import { rotationInputOf } from '../decide/plan.ts';
import { type CheckResult, changedKeys, checkDue } from '../decide/rotation.ts';
import { claimHolderOf, type Valid } from '../decide/validate.ts';
import type { LookUp } from './lookUp.ts';
import { whyNoPod } from './noPod.ts';
import {
  type ClaimView,
  claimMountedBy,
  type DeploymentView,
  type Fleet,
  type Observed,
  viewOfClaim,
  viewOfDeployment,
} from './observed.ts';
import { firstLookMs, lookEveryMs, type PodLook } from './podLook.ts';
import type { ServerClient } from './serverClient.ts';
import type { ServerPoller } from './serverPoller.ts';
import type { Stores } from './stores.ts';
import { regeneratedIn, withSuccessors } from './successors.ts';
import type { Watch } from './watch.ts';

export interface ObserveOptions {
  readonly clock: Clock;
  readonly stores: Stores;
  readonly lookUp: LookUp;
  readonly poller: Pick<ServerPoller, 'answer' | 'target'>;
  readonly servers: ServerClient;
  readonly pods: Pick<PodLook, 'read' | 'forget'>;
  readonly watch: Pick<Watch, 'lists' | 'unheardIn'>;
  /** Whether one more server may roll, as the one of this key sees it. */
  readonly turns: { fleet(key: string): Fleet };
}

/** Gathers what is known of a LicenceServer's world; everything is a plain value afterwards. */
export async function observe(
  options: Omit<ObserveOptions, 'servers'>,
  server: LicenceServer,
  spec: Spec,
  signal: AbortSignal,
): Promise<{
  readonly observed: Observed;
  readonly serverCa: string | undefined;
}> {
  const { stores, watch } = options;
  const { namespace, name } = server.metadata;
  const key = keyOf(server);
  const names = namesOf(name);
  const { serverCa, ...found } = await options.lookUp.read(server, spec, signal);
  const deployment = stores.get(kinds.Deployment, namespace, names.deployment);
  const claim = stores.get(kinds.PersistentVolumeClaim, namespace, spec.storage.existingClaim ?? names.claim);
  const copies = stores.ownSecrets(key).filter(isKeysCopy);
  const neighbours = stores.licenceServers.byIndex(
    'reference',
    `Claim/${namespace}/${spec.storage.existingClaim ?? names.claim}`,
  );
  const view = deployment === undefined ? undefined : viewOfDeployment(deployment);
  const claimView = claim === undefined ? undefined : viewOfClaim(claim);
  const away = await lookForPods(options, server, spec.suspend ? undefined : view, claimView, signal);
  return {
    serverCa,
    observed: {
      ...away,
      ...found,
      keySources: withSuccessors(found.keySources, regeneratedIn(stores.ownSecrets(key))),
      atMs: options.clock.now(),
      copies: Object.fromEntries(copies.map((c) => [c.metadata.name, digestsOfCopy(c.metadata.annotations)])),
      deployment: view,
      claim: claimView,
      identityExists: stores.get(kinds.Secret, namespace, names.identity) !== undefined,
      server: options.poller.answer(key),
      check: undefined,
      monitoring: {
        serviceMonitor: watch.lists(kinds.ServiceMonitor, namespace),
        prometheusRule: watch.lists(kinds.PrometheusRule, namespace),
      },
      unheard: watch.unheardIn(namespace),
      // Asked again in the moment of the decision.
      fleet: options.turns.fleet(key),
      claimHolder: claimHolderOf(server, spec, neighbours, (other) =>
        claimMountedBy(stores.get(kinds.Deployment, namespace, namesOf(other.metadata.name).deployment)),
      ),
    },
  };
}

/** Why there is no pod, and when to look again; nothing of a server that is up, or has been away for a moment only. */
async function lookForPods(
  { pods, clock }: Pick<ObserveOptions, 'pods' | 'clock'>,
  { metadata: { namespace, name } }: LicenceServer,
  deployment: DeploymentView | undefined,
  claim: ClaimView | undefined,
  signal: AbortSignal,
): Promise<Pick<Observed, 'noPod' | 'lookAtMs'>> {
  const sinceMs = deployment?.awaySinceMs;
  if (deployment === undefined || (sinceMs === undefined && deployment.refused === undefined)) {
    pods.forget(namespace, name);
    return {};
  }
  const nowMs = clock.now();
  const isDue = sinceMs !== undefined && nowMs >= sinceMs + firstLookMs;
  const seen = isDue ? await pods.read(namespace, name, signal) : [];
  const lookAtMs = sinceMs === undefined ? undefined : isDue ? nowMs + lookEveryMs : sinceMs + firstLookMs;
  return { noPod: whyNoPod(deployment, seen, claim, nowMs), lookAtMs };
}

/**
 * Asks the running server about changed keys, if the rotation is at that point: nothing is switched by it, and asking
 * twice does no harm.
 */
export async function checkKeys(
  options: ObserveOptions,
  server: LicenceServer,
  valid: Valid,
  observed: Observed,
  signal: AbortSignal,
): Promise<CheckResult | undefined> {
  const input = rotationInputOf(valid, server.status ?? {}, observed);
  const target = options.poller.target(keyOf(server));
  if (valid.requests.paused || target === undefined || !checkDue(input)) return undefined;
  const files = await options.lookUp.keyFiles(server, valid.spec, signal);
  let passing: CheckResult | undefined;
  for (const name of changedKeys(input)) {
    const activation = files[name]?.[`${name}.activation`];
    const answer = await options.servers.checkKey(target, files[name]?.[name] ?? '', activation);
    if (!answer.ok) {
      // Nothing that it says of another key would help: all of them go to work together.
      return { kind: 'unanswered', message: answer.message };
    }
    if (answer.value.usable) continue;
    const fault = answer.value.fault ?? { reason: 'AuthorityRefused', message: 'the key would not be activated' };
    // A server that knows nothing of activations would ask an authority that there is none of: it cannot tell beforehand.
    if (activation !== undefined && fault.reason === 'AuthorityUnreachable') continue;
    if (!passingFaults.includes(fault.reason)) return { kind: 'refused', key: name, fault };
    passing ??= { kind: 'passing', key: name, fault };
  }
  return passing ?? { kind: 'usable' };
}

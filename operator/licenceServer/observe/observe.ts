import type { Clock } from '../../../runtime/clock.ts';
import { keyOf } from '../../kube/object.ts';
import { kinds, type ResourceKind } from '../../kube/resourceKind.ts';
import { namesOf } from '../api/names.ts';
import { asLongAgainMs } from '../api/times.ts';
import type { LicenceServer, Spec } from '../api/types.ts';
import { claimHolderOf, claimMountedBy } from './claimHolder.ts';
import { type ClaimView, viewOfClaim } from './claimView.ts';
import { type DeploymentView, viewOfDeployment } from './deploymentView.ts';
import { digestsOfCopy, isKeysCopy } from './keysCopy.ts';
import type { LookUp } from './lookUp.ts';
import { whyNoPod } from './noPod.ts';
import type { Fleet, Observed } from './observed.ts';
import { firstLookMs, lookAgain, type PodLook } from './podLook.ts';
import { restoreReportOf } from './restoreReport.ts';
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
  const view = deployment === undefined ? undefined : viewOfDeployment(deployment, stores.specSince(deployment));
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
      knowsRoutes: watch.lists(kinds.HTTPRoute, namespace),
      restore: restoreSeen(stores, server),
      backup: spec.backup && missingOfBackups(stores, namespace, spec.backup.destination),
      unheard: watch.unheardIn(namespace),
      // Asked again in the moment of the decision.
      fleet: options.turns.fleet(key),
      claimHolder: claimHolderOf(server, spec, neighbours, (other) =>
        claimMountedBy(stores.get(kinds.Deployment, namespace, namesOf(other.metadata.name).deployment)),
      ),
    },
  };
}

function restoreSeen(stores: Stores, { metadata: { namespace, name, uid } }: LicenceServer): Observed['restore'] {
  const secret = stores.get(kinds.Secret, namespace, namesOf(name).restored);
  const report = restoreReportOf(secret);
  const isTwin = (other: LicenceServer) =>
    other.metadata.uid !== uid &&
    other.status?.fingerprint === report?.fingerprint &&
    (other.spec as { readonly suspend?: boolean }).suspend !== true;
  const twin = report?.fingerprint === undefined ? undefined : stores.licenceServers.list().find(isTwin);
  return {
    exists: secret !== undefined,
    report,
    twin: twin && `${twin.metadata.namespace}/${twin.metadata.name}`,
  };
}

type Destination = NonNullable<Spec['backup']>['destination'];

function missingOfBackups(stores: Stores, namespace: string, { claim, s3 }: Destination): Observed['backup'] {
  const isThere = (kind: ResourceKind, name: string) => stores.get(kind, namespace, name) !== undefined;
  const missing = (kind: ResourceKind, name: string | undefined) =>
    name === undefined || isThere(kind, name) ? undefined : `${kind.kind} ${name} does not exist; create it`;
  const secretMissing =
    missing(kinds.Secret, s3?.credentialsSecretRef.name) ??
    missing(kinds.Secret, s3?.caRef?.secret?.name) ??
    missing(kinds.ConfigMap, s3?.caRef?.configMap?.name);
  const claimMissing = missing(kinds.PersistentVolumeClaim, claim?.claimName);
  return {
    ...(secretMissing === undefined ? {} : { secretMissing }),
    ...(claimMissing === undefined ? {} : { claimMissing }),
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
  const lookAtMs =
    sinceMs === undefined ? undefined : isDue ? asLongAgainMs(nowMs, sinceMs, lookAgain) : sinceMs + firstLookMs;
  return { noPod: whyNoPod(deployment, seen, claim, nowMs), lookAtMs };
}

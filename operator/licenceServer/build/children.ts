import { kinds, type ResourceKind } from '../../kube/resourceKind.ts';
import type { Defaults, Marks } from '../api/defaults.ts';
import { namesOf } from '../api/names.ts';
import type { Plan } from '../decide/plan.ts';
import type { Valid } from '../decide/validate.ts';
import type { Observed } from '../observe/observed.ts';
import { settingsOf } from '../pod/settings.ts';
import { configMap, trustConfigMap } from './configMap.ts';
import { dashboard } from './dashboard.ts';
import { deployment } from './deployment.ts';
import { httpRoute } from './httpRoute.ts';
import { ingress } from './ingress.ts';
import { commonMarks, dashboardMarks, marked, monitoringMarks } from './marks.ts';
import { networkPolicy } from './networkPolicy.ts';
import type { Child } from './object.ts';
import { persistentVolumeClaim } from './persistentVolumeClaim.ts';
import { podDisruptionBudget } from './podDisruptionBudget.ts';
import { podRole, podRoleBinding } from './podRights.ts';
import { prometheusRule } from './prometheusRule.ts';
import { restoreRole, restoreRoleBinding } from './restoreJob.ts';
import { service } from './service.ts';
import { serviceAccount } from './serviceAccount.ts';
import { serviceMonitor } from './serviceMonitor.ts';

/**
 * Everything that a LicenceServer is to have, except what holds secrets (`apply` makes those, since their content is not
 * for a plan). Undefined: it is not to be there; for the claim and the Deployment: it is left alone.
 */
export interface Children {
  readonly serviceAccount: Child;
  readonly podRole: Child | undefined;
  readonly podRoleBinding: Child | undefined;
  readonly restoreRole: Child | undefined;
  readonly restoreRoleBinding: Child | undefined;
  readonly config: Child;
  readonly trust: Child | undefined;
  readonly claim: Child | undefined;
  readonly service: Child;
  readonly networkPolicy: Child;
  readonly ingress: Child | undefined;
  readonly httpRoute: Child | undefined;
  readonly podDisruptionBudget: Child | undefined;
  readonly serviceMonitor: Child | undefined;
  readonly prometheusRule: Child | undefined;
  readonly dashboard: Child | undefined;
  readonly deployment: Child | undefined;
}

/** The kind of each child, in the order of their making. A child that is not here does not compile. */
export const kindOf: Readonly<Record<keyof Children, ResourceKind>> = {
  serviceAccount: kinds.ServiceAccount,
  podRole: kinds.Role,
  podRoleBinding: kinds.RoleBinding,
  restoreRole: kinds.Role,
  restoreRoleBinding: kinds.RoleBinding,
  config: kinds.ConfigMap,
  trust: kinds.ConfigMap,
  claim: kinds.PersistentVolumeClaim,
  service: kinds.Service,
  networkPolicy: kinds.NetworkPolicy,
  ingress: kinds.Ingress,
  httpRoute: kinds.HTTPRoute,
  podDisruptionBudget: kinds.PodDisruptionBudget,
  serviceMonitor: kinds.ServiceMonitor,
  prometheusRule: kinds.PrometheusRule,
  dashboard: kinds.ConfigMap,
  deployment: kinds.Deployment,
};

/** Children that go when they are no longer wanted, by the name that they had. */
export const removable = {
  ingress: (name: string) => namesOf(name).ingress,
  httpRoute: (name: string) => namesOf(name).httpRoute,
  podRoleBinding: (name: string) => namesOf(name).podRights,
  podRole: (name: string) => namesOf(name).podRights,
  restoreRoleBinding: (name: string) => namesOf(name).restore,
  restoreRole: (name: string) => namesOf(name).restore,
  podDisruptionBudget: (name: string) => namesOf(name).podDisruptionBudget,
  serviceMonitor: (name: string) => namesOf(name).serviceMonitor,
  prometheusRule: (name: string) => namesOf(name).prometheusRule,
  dashboard: (name: string) => namesOf(name).dashboard,
} as const satisfies Partial<Record<keyof Children, (name: string) => string>>;

const wanted = (choice: 'Auto' | 'Enabled' | 'Disabled', isKnown: boolean): boolean =>
  choice === 'Enabled' || (choice === 'Auto' && isKnown);

export function childrenOf(valid: Valid, plan: Plan, observed: Observed, defaults: Defaults): Children {
  const { owner, spec } = valid;
  const { monitoring } = spec;
  const known = observed.monitoring;
  const isBroken = (kind: ResourceKind) => observed.unheard?.some((unheard) => unheard.kind === kind.kind) ?? false;
  const children: Children = {
    serviceAccount: serviceAccount(owner),
    podRole: podRole(owner, spec),
    podRoleBinding: podRoleBinding(owner, spec),
    restoreRole: valid.restore.kind === 'running' ? restoreRole(owner) : undefined,
    restoreRoleBinding: valid.restore.kind === 'running' ? restoreRoleBinding(owner) : undefined,
    config: configMap(owner, settingsOf(owner, spec, defaults)),
    trust:
      observed.trust.kind === 'found' && observed.trust.text !== undefined
        ? trustConfigMap(owner, observed.trust.text)
        : undefined,
    claim: spec.storage.existingClaim === undefined ? persistentVolumeClaim(owner, spec, observed.claim) : undefined,
    service: service(owner, spec),
    networkPolicy: networkPolicy(owner, spec, defaults),
    ingress: ingress(owner, spec),
    // A kind that the cluster does not know cannot be made, whatever the spec says.
    httpRoute: observed.knowsRoutes === true ? httpRoute(owner, spec) : undefined,
    podDisruptionBudget: podDisruptionBudget(owner, spec),
    serviceMonitor:
      known.serviceMonitor && wanted(monitoring.serviceMonitor, true) ? serviceMonitor(owner, spec) : undefined,
    prometheusRule:
      known.prometheusRule && wanted(monitoring.prometheusRule, true)
        ? prometheusRule(owner, defaults.runbooks, spec)
        : undefined,
    dashboard: wanted(monitoring.dashboard, known.serviceMonitor || isBroken(kinds.ServiceMonitor))
      ? dashboard(owner)
      : undefined,
    deployment: plan.pod === undefined ? undefined : deployment(owner, spec, plan.pod),
  };
  const common = commonMarks(spec, defaults);
  const more: Partial<Record<keyof Children, Marks>> = {
    serviceMonitor: monitoringMarks(spec, defaults),
    prometheusRule: monitoringMarks(spec, defaults),
    dashboard: dashboardMarks(spec, defaults),
  };
  const entries = Object.entries(children) as [keyof Children, Child | undefined][];
  return Object.fromEntries(
    entries.map(([name, child]) => [name, child && marked(child, common, more[name] ?? {})]),
  ) as unknown as Children;
}

import type { Config } from '../runtime/config.ts';
import type { Defaults } from './licenceServer/api/defaults.ts';
import type { settings } from './settings.ts';

/** What every LicenceServer gets from the operator's settings. The controller and the plan of another version use the same. */
export const defaultsOf = (
  config: Config<typeof settings>,
  operatorNamespace: string | undefined,
  fixedIds: boolean,
): Defaults => ({
  image: config.OPERATOR_SERVER_IMAGE,
  pods: {
    fixedIds,
    imagePullSecrets: config.OPERATOR_SERVER_PULL_SECRETS,
    resources: config.OPERATOR_SERVER_RESOURCES,
  },
  operatorNamespace,
  monitoringNamespace: config.OPERATOR_MONITORING_NAMESPACE,
  runbooks: config.OPERATOR_RUNBOOKS_URL,
  regeneration: config.OPERATOR_REGENERATION === 'true',
  proxy: proxyOf(config.OPERATOR_SERVER_PROXY, config.OPERATOR_SERVER_NO_PROXY),
  common: { labels: config.OPERATOR_COMMON_LABELS, annotations: config.OPERATOR_COMMON_ANNOTATIONS },
  monitoring: { labels: config.OPERATOR_MONITORING_LABELS },
  dashboards: { labels: config.OPERATOR_DASHBOARD_LABELS, annotations: config.OPERATOR_DASHBOARD_ANNOTATIONS },
});

const proxyOf = (url: string | undefined, noProxy: string | undefined): Defaults['proxy'] =>
  url === undefined ? undefined : { url, noProxy: noProxy?.split(/[,\s]+/).filter((one) => one !== '') };

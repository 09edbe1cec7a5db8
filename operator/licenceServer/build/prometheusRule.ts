import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { oneServer, serverAlertGroups } from './alerts.ts';
import { type Child, ownedMeta } from './object.ts';

/**
 * The alerts of one server, the same as the chart has for all; `runbook_url` leads to what to do, and `page_url` to the server's own page
 * where an Ingress says its address.
 */
export const prometheusRule = (owner: Owner, runbooks: string, spec?: Pick<Spec, 'ingress'>): Child => {
  const names = namesOf(owner.name);
  return {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: ownedMeta(owner, names.prometheusRule),
    spec: { groups: serverAlertGroups(oneServer(owner.namespace, names.service, pageOf(spec?.ingress)), runbooks) },
  };
};

const pageOf = (ingress: Spec['ingress']): string | undefined =>
  ingress === undefined ? undefined : `${ingress.tlsSecretName === undefined ? 'http' : 'https'}://${ingress.host}`;

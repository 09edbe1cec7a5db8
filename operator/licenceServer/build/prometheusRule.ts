import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import { oneServer, serverAlertGroups } from './alerts.ts';
import { type Child, ownedMeta } from './object.ts';

/** The alerts of one server, the same as the chart has for all; `runbook_url` leads to what to do. */
export const prometheusRule = (owner: Owner, runbooks: string): Child => {
  const names = namesOf(owner.name);
  return {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: ownedMeta(owner, names.prometheusRule),
    spec: { groups: serverAlertGroups(oneServer(owner.namespace, names.service), runbooks) },
  };
};

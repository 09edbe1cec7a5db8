import { digestOf } from '../api/digest.ts';
import { contentDigest } from '../api/metadata.ts';
import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import { type Child, ownedMeta } from './object.ts';

/** A Grafana dashboard of one server; the sidecar finds it by labels that the operator's configuration gives it. */
export const dashboard = (owner: Owner): Child => {
  const of = `namespace="${owner.namespace}",service="${namesOf(owner.name).service}"`;
  const panel = (id: number, title: string, expr: string, legend: string, unit = 'short') => ({
    id,
    title,
    type: 'timeseries',
    datasource: { type: 'prometheus', uid: '$datasource' },
    gridPos: { h: 8, w: 12, x: (id % 2) * 12, y: Math.floor(id / 2) * 8 },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: [{ refId: 'A', expr, legendFormat: legend }],
  });
  const content = {
    uid: `licence-${owner.namespace}-${owner.name}`.slice(0, 40),
    title: `Licence server ${owner.namespace}/${owner.name}`,
    tags: ['licence'],
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-24h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus' }] },
    panels: [
      panel(0, 'Seats in use', `max by (product) (licence_seats_in_use{${of}})`, '{{product}}'),
      panel(1, 'Seats granted by keys', `max by (product) (licence_seats_limit{${of}})`, '{{product}}'),
      panel(2, 'Stale seats', `max by (product) (licence_seats_stale{${of}})`, '{{product}}'),
      panel(
        3,
        'Refused check-outs',
        `sum by (product, reason) (rate(licence_checkouts_total{${of},outcome="denied"}[$__rate_interval]))`,
        '{{product}} {{reason}}',
        'reqps',
      ),
      panel(4, 'Unmet demand', `sum by (product) (increase(licence_unmet_demand_total{${of}}[1h]))`, '{{product}}'),
      panel(
        5,
        'Days of support left',
        `min by (product) ((licence_support_expiry_timestamp_seconds{${of}} - time()) / 86400)`,
        '{{product}}',
        'd',
      ),
    ],
  };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: ownedMeta(owner, namesOf(owner.name).dashboard, {
      annotations: { [contentDigest]: digestOf(content) },
    }),
    data: { [`${owner.name}.json`]: JSON.stringify(content) },
  };
};

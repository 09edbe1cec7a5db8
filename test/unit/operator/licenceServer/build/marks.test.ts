import { describe, expect, test } from 'vitest';
import type { Defaults } from '../../../../../operator/licenceServer/api/defaults.ts';
import type { SpecInput } from '../../../../../operator/licenceServer/api/types.ts';
import { childrenOf } from '../../../../../operator/licenceServer/build/children.ts';
import { markedOnce, remarked } from '../../../../../operator/licenceServer/build/marks.ts';
import { keptByDeployers } from '../../../../../operator/licenceServer/build/object.ts';
import { tokensSecret } from '../../../../../operator/licenceServer/build/tokensSecret.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import { markSettings } from '../../../../../operator/markSettings.ts';
import { readConfig } from '../../../../../runtime/config.ts';
import { defaults, licenceServer, observed, owner, valid } from '../world.ts';

const seen = observed({ monitoring: { serviceMonitor: true, prometheusRule: true } });
function children(spec: SpecInput, more: Partial<Defaults> = {}) {
  const judged = valid(licenceServer({ replicas: 1, ...spec }), seen);
  const all = { ...defaults, ...more };
  return childrenOf(judged, plan(judged, {}, seen, all), seen, all);
}
const everything: SpecInput = {
  ingress: { host: 'licences.example' },
  access: { clients: 'ServiceAccount' },
  monitoring: { prometheusRule: 'Enabled' },
  service: { annotations: { 'example.org/own': 'service' } },
};

describe('labels and annotations for policies and tools', () => {
  test('stand on every child, the resource before the operator, and what a child has of its own before both', () => {
    const made = children(
      { ...everything, commonLabels: { team: 'office' }, commonAnnotations: { 'example.org/own': 'all' } },
      { common: { labels: { team: 'platform', cost: '7' }, annotations: { note: 'n' } } },
    );
    const names = Object.entries(made).flatMap(([name, child]) => (child === undefined ? [] : [name]));
    expect(names).toEqual(
      expect.arrayContaining(['claim', 'deployment', 'ingress', 'podRole', 'prometheusRule', 'dashboard']),
    );
    for (const child of Object.values(made)) {
      if (child === undefined) continue;
      expect(child.metadata.labels).toMatchObject({ team: 'office', cost: '7' });
      expect(child.metadata.labels?.['app.kubernetes.io/managed-by']).toBe('licence-operator');
      expect(child.metadata.annotations).toMatchObject({ note: 'n' });
    }
    expect(made.service.metadata.annotations?.['example.org/own']).toBe('service');
    expect(made.config.metadata.annotations?.['example.org/own']).toBe('all');
  });

  test('change no pod', () => {
    const template = (made: ReturnType<typeof children>) =>
      (made.deployment as unknown as { spec: { template: unknown } }).spec.template;
    const digest = (made: ReturnType<typeof children>) => made.deployment?.metadata.annotations;
    const plain = children({});
    const labelled = children({ commonLabels: { team: 'office' } }, { common: { annotations: { note: 'n' } } });
    expect(template(labelled)).toEqual(template(plain));
    expect(digest(labelled)).toMatchObject(digest(plain) ?? {});
    expect(labelled.config.metadata.name).toBe(plain.config.metadata.name);
  });

  test('by which Prometheus and Grafana find a server come from the operator, or from the resource', () => {
    const found = {
      monitoring: { labels: { release: 'kube-prometheus-stack' } },
      dashboards: { labels: { grafana_dashboard: '1' }, annotations: { grafana_folder: 'Licences' } },
    };
    const made = children(everything, found);
    expect(made.serviceMonitor?.metadata.labels).toMatchObject({ release: 'kube-prometheus-stack' });
    expect(made.prometheusRule?.metadata.labels).toMatchObject({ release: 'kube-prometheus-stack' });
    expect(made.dashboard?.metadata).toMatchObject({
      labels: { grafana_dashboard: '1' },
      annotations: { grafana_folder: 'Licences' },
    });
    expect(made.service.metadata.labels).not.toHaveProperty('release');
    const own = children(
      {
        monitoring: {
          prometheusRule: 'Enabled',
          labels: { release: 'mine' },
          dashboardAnnotations: { grafana_folder: 'Mine' },
        },
      },
      found,
    );
    expect(own.serviceMonitor?.metadata.labels).toMatchObject({ release: 'mine' });
    expect(own.dashboard?.metadata.annotations).toMatchObject({ grafana_folder: 'Mine' });
  });
});

describe("the operator's settings of them", () => {
  const read = (env: Record<string, string>) => readConfig(markSettings, env);

  test('are JSON objects of texts', () => {
    expect(read({ OPERATOR_COMMON_LABELS: '{"example.org/team":"office"}' }).OPERATOR_COMMON_LABELS).toEqual({
      'example.org/team': 'office',
    });
    expect(read({}).OPERATOR_DASHBOARD_LABELS).toEqual({ grafana_dashboard: '1' });
    expect(read({ OPERATOR_DASHBOARD_LABELS: '{}' }).OPERATOR_DASHBOARD_LABELS).toEqual({});
  });

  test.each([
    ['team=office', 'must be a JSON object of texts'],
    ['{"team":1}', 'must be a JSON object of texts'],
    ['{"team":"a b"}', 'label team has the value "a b"'],
    [`{"team":"${'a'.repeat(64)}"}`, 'at most 63'],
    ['{"-team":"a"}', '"-team" is no name of a label'],
    ['{"app.kubernetes.io/managed-by":"me"}', 'is set by the operator itself'],
    ['{"licensing.softonit.ru/copy":"keys"}', 'is set by the operator itself'],
  ])('refuse %s in one sentence at the start', (text, says) => {
    expect(() => read({ OPERATOR_COMMON_LABELS: text })).toThrow(`OPERATOR_COMMON_LABELS`);
    expect(() => read({ OPERATOR_COMMON_LABELS: text })).toThrow(says);
  });
});

describe('labels and annotations of what is made once', () => {
  const plain = tokensSecret(owner, { admin: 'a' });
  const first = { labels: { team: 'office', cost: '7' }, annotations: { note: 'n' } };
  /** What the API server makes of a merge patch. */
  function patched(object: typeof plain, patch: ReturnType<typeof remarked>): typeof plain {
    const part = (of: 'labels' | 'annotations') =>
      Object.fromEntries(
        Object.entries({ ...object.metadata[of], ...(patch?.[of] as Record<string, string | null>) }).filter(
          (entry): entry is [string, string] => entry[1] !== null,
        ),
      );
    return { ...object, metadata: { ...object.metadata, labels: part('labels'), annotations: part('annotations') } };
  }

  test('are on it from the beginning, and settled', () => {
    const made = markedOnce(plain, first);
    expect(made.metadata.labels).toMatchObject({ ...plain.metadata.labels, ...first.labels });
    expect(made.metadata.annotations).toMatchObject({ ...keptByDeployers, ...first.annotations });
    expect(remarked(made, first)).toBeUndefined();
    expect(markedOnce(plain, {})).toEqual(plain);
    expect(remarked(plain, {})).toBeUndefined();
  });

  test('come, change and go with the wish, and nothing else does', () => {
    const others = patched(markedOnce(plain, first), { labels: { velero: 'x' }, annotations: { person: 'y' } });
    const second = { labels: { cost: '8', region: 'north' }, annotations: {} };
    const patch = remarked(others, second);
    expect(patch).toMatchObject({ labels: { team: null, cost: '8', region: 'north' }, annotations: { note: null } });
    const now = patched(others, patch);
    expect(now).toEqual(patched(markedOnce(plain, second), { labels: { velero: 'x' }, annotations: { person: 'y' } }));
    expect(remarked(now, second)).toBeUndefined();
    const none = patched(now, remarked(now, {}));
    expect(none).toEqual(patched(plain, { labels: { velero: 'x' }, annotations: { person: 'y' } }));
    // Of before anybody could wish for any.
    expect(patched(plain, remarked(plain, first))).toEqual(markedOnce(plain, first));
  });

  test('take no protection from what is to stay, and mind no note that somebody wrote into', () => {
    const pruned = { annotations: { 'argocd.argoproj.io/sync-options': 'Prune=true', note: 'n' } };
    const made = markedOnce(plain, pruned);
    expect(made.metadata.annotations).toMatchObject({ ...keptByDeployers, note: 'n' });
    expect(remarked(made, pruned)).toBeUndefined();
    expect(patched(made, remarked(made, {})).metadata.annotations).toMatchObject(keptByDeployers);
    const scribbled = patched(made, { annotations: { 'licensing.softonit.ru/common': '[1' } });
    expect(patched(scribbled, remarked(scribbled, pruned))).toEqual(made);
  });
});

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { generatedFiles } from '../../../charts/sync.ts';
import { usualRunbooks } from '../../../operator/licenceServer/build/alerts.ts';
import { settings as operatorSettings } from '../../../operator/settings.ts';
import { repository } from '../../support/sources.ts';

const read = (path: string) => readFileSync(join(repository, path), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
const alerts: { groups: { name: string; rules: Rule[] }[] } = parse(read('charts/licence-operator/files/alerts.yaml'));
const rules = alerts.groups.flatMap((group) => group.rules);

describe("the chart's generated files", () => {
  it.each(Object.entries(generatedFiles()))('%s is what "npm run charts" writes', (path, text) => {
    expect(read(`charts/licence-operator/${path}`)).toBe(text);
  });
});

describe('the alerts', () => {
  it('have different names', () => {
    expect(rules.length).toBeGreaterThan(10);
    expect(new Set(rules.map((rule) => rule.alert)).size).toBe(rules.length);
  });

  it.each(rules.map((rule) => [rule.alert, rule] as const))(
    '%s says how bad, what, and where to read on',
    (name, rule) => {
      expect(['info', 'warning', 'critical']).toContain(rule.labels.severity);
      expect(rule.annotations.summary).toBeTruthy();
      expect(rule.annotations.description).toBeTruthy();
      expect(rule.annotations.runbook_url).toBe(`${usualRunbooks}/${name}.md`);
    },
  );

  it.each(rules.map((rule) => [rule.alert]))(
    '%s has a runbook that says what it means, why, and what to do',
    (name) => {
      const runbook = read(`docs/runbooks/${name}.md`);
      expect(runbook).toContain(`# ${name}\n`);
      for (const part of ['## Meaning', '## Why', '## What to do']) expect(runbook).toContain(part);
    },
  );

  it('are all that there are runbooks of', () => {
    const runbooks = readdirSync(join(repository, 'docs/runbooks')).map((file) => file.replace(/\.md$/, ''));
    expect(runbooks.sort()).toEqual(rules.map((rule) => rule.alert).sort());
  });

  it('are each fired by the promtool tests', () => {
    const tests = readdirSync(join(repository, 'charts/licence-operator/tests'))
      .map((file) => read(`charts/licence-operator/tests/${file}`))
      .join('\n');
    for (const { alert } of rules) {
      const fires = new RegExp(`alertname="${alert}", alertstate="firing"|alertname: ${alert}\\n.*\\n *exp_alerts:\\n`);
      expect(tests, alert).toMatch(fires);
    }
  });
});

/** Metric names of our own in a query; those of Prometheus and Kubernetes are not ours to check. */
const metricsIn = (text: string): string[] => [
  ...new Set(
    (text.match(/\b(?:licence|workqueue|controller_runtime|leader_election|rest_client)_[a-z_]+/g) ?? []).map((name) =>
      name.replace(/_bucket$/, ''),
    ),
  ),
];

describe('what is asked of Prometheus', () => {
  const sources = ['server', 'operator', 'authority', 'runtime']
    .filter((folder) => existsSync(join(repository, folder)))
    .flatMap((folder) =>
      readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && entry.name !== 'alerts.ts')
        .filter((entry) => !(entry.name === 'dashboard.ts'))
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')),
    )
    .join('\n');
  const asked = [
    ...rules.map((rule) => [rule.alert, rule.expr] as const),
    ...Object.entries(generatedFiles()).filter(([path]) => path.endsWith('.json')),
  ];

  it.each(asked)('%s asks only for metrics that the programs have', (_name, text) => {
    const names = metricsIn(text);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !sources.includes(`'${name}'`))).toEqual([]);
  });

  it.each(asked)('%s knows no holder, user, host, base, session or lease', (_name, text) => {
    expect(text).not.toMatch(/(?:\{|, ?|by \([^)]*)\b(?:holder|user|host|base|session|lease)\b/);
  });
});

describe('the rights in the chart', () => {
  const rights: Record<string, { apiGroups: string[]; resources: string[]; verbs: string[] }[]> = parse(
    read('charts/licence-operator/files/rights.yaml'),
  );
  it('name every group, resource and verb', () => {
    for (const rule of Object.values(rights).flat()) {
      expect([...rule.apiGroups, ...rule.resources, ...rule.verbs]).not.toContain('*');
    }
  });
  it('let it hand on no right that it does not have, reach no node and open no pod', () => {
    const all = Object.values(rights).flat();
    const resources = all.flatMap((rule) => rule.resources);
    for (const forbidden of ['clusterroles', 'clusterrolebindings', 'pods/exec', 'serviceaccounts/token', 'nodes']) {
      expect(resources).not.toContain(forbidden);
    }
    // Without these verbs the API server lets it make only Roles of rights that it has itself.
    const verbs = all.flatMap((rule) => rule.verbs);
    for (const forbidden of ['escalate', 'bind', 'impersonate']) expect(verbs).not.toContain(forbidden);
  });
});

describe("the programs' settings", () => {
  // Fixed by the chart, read from the cluster, right as they are, or of use only outside of one.
  const elsewhere = ['OPERATOR_LISTEN', 'OPERATOR_NAMESPACE', 'OPERATOR_CONTEXT', 'OPERATOR_SNAPSHOT_DIR'];
  const settings = Object.keys(operatorSettings).filter((name) => !name.startsWith('OTEL_'));

  it('are found', () => expect(settings.length).toBeGreaterThan(8));

  it.each(settings.filter((name) => !elsewhere.includes(name)))('%s is set by a value of the chart', (name) => {
    const template = read('charts/licence-operator/templates/deployment.yaml');
    expect(template).toMatch(new RegExp(`- name: ${name}\\n *value: \\{\\{.*\\}\\}`));
  });
});

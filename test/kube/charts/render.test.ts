import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { dashboards } from '../../../charts/dashboards.ts';
import { run } from '../../../cluster/process.ts';
import { ensureTools } from '../../../cluster/tools.ts';
import { type AlertGroup, alertGroups, usualRunbooks } from '../../../operator/licenceServer/build/alerts.ts';
import { prometheusRule } from '../../../operator/licenceServer/build/prometheusRule.ts';
import { chartPath, type Rendered, refusal, render, withMonitoring } from '../../support/chart.ts';

const tools = await ensureTools(['helm', 'helm3', 'promtool'], 'to test the charts');
const helms = [
  ['Helm 4', tools.helm],
  ['Helm 3', tools.helm3],
] as const;
const charts = ['licence-operator', 'licence-authority'];

const set = (...values: string[]) => values.flatMap((value) => ['--set', value]);
const ofKind = (objects: readonly Rendered[], kind: string) => objects.filter((object) => object.kind === kind);
const environment = (objects: readonly Rendered[]): Record<string, string> =>
  Object.fromEntries(
    ofKind(objects, 'Deployment')[0]?.spec.template.spec.containers[0].env.map((e: { name: string; value: string }) => [
      e.name,
      e.value,
    ]) ?? [],
  );

describe.each(helms)('%s', (_name, helm) => {
  it.each(charts)('finds nothing wrong with %s', async (chart) => {
    expect(await run(helm, ['lint', '--strict', chartPath(chart)])).toContain('0 chart(s) failed');
  });

  it('renders what the other Helm renders', async () => {
    const args = [...withMonitoring, ...set('replicas=2', 'rbac.clusterWide=true', 'deleteProtection.enabled=true')];
    expect(await render(helm, 'licence-operator', args)).toEqual(await render(tools.helm, 'licence-operator', args));
  });

  it.each([
    ['an unknown value', set('replica=2'), 'replica'],
    ['a wrong type', set('replicas=many'), 'replicas'],
    ['a digest that is none', set('image.digest=latest'), 'digest'],
    ['namespaces and a selector', set('watch.namespaces={a}', 'watch.selector=b=c'), 'exclude each other'],
    ['a selector without cluster-wide rights', set('watch.selector=b=c'), 'needs rbac.clusterWide=true'],
    ['several pods without a leader', set('replicas=2', 'leaderElection=false'), 'needs leaderElection=true'],
    ['a label that is none', set('commonLabels.team=two words'), 'commonLabels'],
    ['a label of its own', ['--set-json', 'commonLabels={"app.kubernetes.io/instance":"x"}'], 'set by the chart'],
    ['rights for the default account', set('serviceAccount.create=false'), 'needs serviceAccount.name'],
  ])('refuses %s', async (_what, args, says) => {
    expect(await refusal(helm, 'licence-operator', args)).toContain(says);
  });
});

describe('the cabinet of the authority’s chart', () => {
  const oidc = set(
    'cabinet.oidc.issuer=https://login.example.org/',
    'cabinet.oidc.clientId=cabinet',
    'cabinet.oidc.existingSecret=oidc',
  );

  it('has its address from the ingress or a value, and the provider’s secret as a file', async () => {
    const ingress = set('ingress.enabled=true', 'ingress.host=licences.example.org');
    const objects = await render(tools.helm, 'licence-authority', [...ingress, ...oidc]);
    expect(environment(objects)).toMatchObject({
      AUTHORITY_CABINET_URL: 'https://licences.example.org/',
      AUTHORITY_SESSION_IDLE_MINUTES: '30',
      AUTHORITY_OIDC_ISSUER: 'https://login.example.org/',
      AUTHORITY_OIDC_CLIENT_SECRET_FILE: '/etc/licence-authority/oidc/client-secret',
    });
    const pod = ofKind(objects, 'Deployment')[0]?.spec.template.spec;
    expect(pod.volumes).toContainEqual({ name: 'oidc', secret: expect.objectContaining({ secretName: 'oidc' }) });
    const plain = environment(await render(tools.helm, 'licence-authority', set('cabinet.url=https://a.example/')));
    expect(plain).toMatchObject({ AUTHORITY_CABINET_URL: 'https://a.example/', AUTHORITY_INVITATION_HOURS: '72' });
    expect(Object.keys(plain).filter((name) => name.includes('OIDC'))).toEqual([]);
  });

  it('refuses a provider without a client, and one whose browser would not find back', async () => {
    expect(await refusal(tools.helm, 'licence-authority', oidc)).toContain('needs cabinet.url');
    const half = set('cabinet.url=https://a.example/', 'cabinet.oidc.issuer=https://login.example.org/');
    expect(await refusal(tools.helm, 'licence-authority', half)).toContain('needs cabinet.oidc.clientId');
    expect(await refusal(tools.helm, 'licence-authority', set('cabinet.sessionHours=0'))).toContain('sessionHours');
  });
});

describe('a proxy', () => {
  const named = set('proxy.httpsProxy=http://proxy.example:3128', 'proxy.noProxy={.example,10.0.0.0/8}');
  const inside = 'localhost,127.0.0.1,::1,.svc,.cluster.local,kubernetes.default';

  it.each(charts)('reaches the program of %s with what is inside the cluster left out', async (chart) => {
    expect(environment(await render(tools.helm, chart, named))).toMatchObject({
      HTTPS_PROXY: 'http://proxy.example:3128',
      HTTP_PROXY: 'http://proxy.example:3128',
      NO_PROXY: `${inside},.example,10.0.0.0/8`,
    });
    const plain = Object.keys(environment(await render(tools.helm, chart)));
    expect(plain.filter((name) => name.endsWith('_PROXY'))).toEqual([]);
  });

  it('is that of licence servers too, unless it is not to be', async () => {
    const of = async (...more: string[]) =>
      environment(await render(tools.helm, 'licence-operator', [...named, ...set(...more)]));
    expect(await of()).toMatchObject({
      OPERATOR_SERVER_PROXY: 'http://proxy.example:3128',
      OPERATOR_SERVER_NO_PROXY: '.example,10.0.0.0/8',
    });
    expect(await of('proxy.servers=false')).not.toHaveProperty('OPERATOR_SERVER_PROXY');
  });

  it.each(charts)('with a password comes out of a Secret in %s, and is refused in clear', async (chart) => {
    const objects = await render(tools.helm, chart, set('proxy.existingSecret=proxy'));
    const [deployment] = ofKind(objects, 'Deployment');
    const variables = deployment?.spec.template.spec.containers[0].env as { name: string }[];
    const from = { valueFrom: { secretKeyRef: { name: 'proxy', key: 'url' } } };
    for (const name of ['HTTPS_PROXY', 'HTTP_PROXY']) expect(variables).toContainEqual({ name, ...from });
    expect(environment(objects)).toMatchObject({ NO_PROXY: inside });
    const clear = set('proxy.httpsProxy=http://user:geheim@proxy.example:3128');
    expect(await refusal(tools.helm, chart, clear)).toContain('httpsProxy');
  });
});

describe('the chart of the operator', () => {
  it('gives rights in its own namespace only, unless told otherwise', async () => {
    const objects = await render(tools.helm, 'licence-operator');
    const roles = ofKind(objects, 'Role').map((role) => role.metadata.namespace);
    expect(roles).toEqual(['apart', 'apart']);
    expect(ofKind(objects, 'ClusterRoleBinding')).toEqual([]);
    expect(environment(objects)).toMatchObject({ OPERATOR_WATCH_NAMESPACES: 'apart' });
  });

  it('gives a Role in each namespace that is watched', async () => {
    const objects = await render(tools.helm, 'licence-operator', set('watch.namespaces={a,b}'));
    const bound = ofKind(objects, 'RoleBinding').map((binding) => [
      binding.metadata.namespace,
      binding.subjects[0].namespace,
    ]);
    expect(bound.sort()).toEqual([
      ['a', 'apart'],
      ['apart', 'apart'],
      ['b', 'apart'],
    ]);
    expect(environment(objects)).toMatchObject({ OPERATOR_WATCH_NAMESPACES: 'a,b' });
  });

  it('follows namespaces by label with one ClusterRole', async () => {
    const objects = await render(
      tools.helm,
      'licence-operator',
      set('watch.selector=licensing=on', 'rbac.clusterWide=true'),
    );
    expect(ofKind(objects, 'ClusterRoleBinding')).toHaveLength(1);
    expect(ofKind(objects, 'Role')).toHaveLength(1);
    expect(environment(objects)).toMatchObject({ OPERATOR_NAMESPACE_SELECTOR: 'licensing=on' });
    expect(environment(objects)).not.toHaveProperty('OPERATOR_WATCH_NAMESPACES');
  });

  it('asks for the right to reach servers through the API server only where they are reached that way', async () => {
    const proxied = (objects: readonly Rendered[]) =>
      JSON.stringify(ofKind(objects, 'Role')).includes('services/proxy');
    expect(proxied(await render(tools.helm, 'licence-operator'))).toBe(false);
    expect(proxied(await render(tools.helm, 'licence-operator', set('operator.serverAddress=apiserver-proxy')))).toBe(
      true,
    );
  });

  it('installs the committed definition, to stay when the release goes', async () => {
    const [crd] = ofKind(await render(tools.helm, 'licence-operator'), 'CustomResourceDefinition');
    const committed = parse(readFileSync('crds/licenceservers.yaml', 'utf8'));
    expect(crd?.spec).toEqual(committed.spec);
    expect(crd?.metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
    const [loose] = ofKind(
      await render(tools.helm, 'licence-operator', set('crds.keep=false')),
      'CustomResourceDefinition',
    );
    expect(loose?.metadata.annotations).toBeUndefined();
    expect(
      ofKind(await render(tools.helm, 'licence-operator', set('crds.enabled=false')), 'CustomResourceDefinition'),
    ).toEqual([]);
  });

  it('names images by tag and digest', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const objects = await render(
      tools.helm,
      'licence-operator',
      set('image.repository=r.example/o', 'image.tag=1.2.3', `image.digest=${digest}`, 'serverImage.tag=9.9.9'),
    );
    expect(ofKind(objects, 'Deployment')[0]?.spec.template.spec.containers[0].image).toBe(
      `r.example/o:1.2.3@${digest}`,
    );
    expect(environment(objects)).toMatchObject({ OPERATOR_SERVER_IMAGE: 'softonit/licence-server:9.9.9' });
  });

  it('makes monitoring objects only if their kinds exist or it is told to', async () => {
    const kinds = ['ServiceMonitor', 'PrometheusRule'];
    const made = async (args: readonly string[]) =>
      (await render(tools.helm, 'licence-operator', args))
        .map((object) => object.kind)
        .filter((kind) => kinds.includes(kind))
        .sort();
    expect(await made([])).toEqual([]);
    expect(await made(withMonitoring)).toEqual(['PrometheusRule', 'ServiceMonitor']);
    expect(await made([...withMonitoring, ...set('monitoring.prometheusRule=Disabled')])).toEqual(['ServiceMonitor']);
    expect(await made(set('monitoring.prometheusRule=Enabled'))).toEqual(['PrometheusRule']);
  });

  it('links alerts to the runbooks that the operator serves, and limits what it says of operators to its own', async () => {
    const objects = await render(tools.helm, 'licence-operator', withMonitoring);
    const rules = ofKind(objects, 'PrometheusRule')[0]?.spec.groups.flatMap(
      (group: { rules: unknown[] }) => group.rules,
    );
    const served = 'http://release-licence-operator.apart.svc:8080/runbooks';
    for (const { alert, annotations } of rules) expect(annotations.runbook_url).toBe(`${served}/${alert}.md`);
    expect(environment(objects)).toMatchObject({ OPERATOR_RUNBOOKS_URL: served });
    const down = rules.find(({ alert }: { alert: string }) => alert === 'LicenceOperatorDown').expr;
    expect(down.match(/\{[^}]*\}/g)).toEqual([
      '{name="licence-operator",namespace="apart"}',
      '{alertname="LicenceOperatorDown",namespace="apart"}',
      '{name="licence-operator",namespace="apart"}',
    ]);
  });

  it('puts the published address before runbooks, and leaves the templates of alerts alone', async () => {
    const objects = await render(tools.helm, 'licence-operator', [
      ...withMonitoring,
      ...set('monitoring.runbooksUrl=https://docs.example.org/runbooks/'),
    ]);
    const [rule] = ofKind(objects, 'PrometheusRule');
    const alert = rule?.spec.groups[0].rules[0];
    expect(alert.annotations.runbook_url).toBe('https://docs.example.org/runbooks/LicenceSeatsExhausted.md');
    expect(alert.annotations.summary).toContain('{{ $labels.product }}');
  });

  it('carries dashboards as Grafana reads them', async () => {
    const maps = ofKind(await render(tools.helm, 'licence-operator', withMonitoring), 'ConfigMap');
    expect(maps.map((map) => map.metadata.labels?.grafana_dashboard)).toEqual(['1', '1']);
    for (const map of maps) {
      for (const text of Object.values<string>(map.data)) expect(JSON.parse(text).panels.length).toBeGreaterThan(5);
    }
  });

  it('puts labels and annotations on all that it makes, and hands them to the operator', async () => {
    const objects = await render(tools.helm, 'licence-operator', [
      ...withMonitoring,
      ...set('replicas=2', 'deleteProtection.enabled=true', 'watch.namespaces={a}'),
      ...set('commonLabels.team=office', 'commonAnnotations.note=n', 'monitoring.labels.release=prom'),
      // The same name twice is no twice-told key.
      ...set('monitoring.labels.team=monitoring', 'monitoring.dashboardAnnotations.owner=office'),
    ]);
    for (const { kind, metadata } of objects) {
      const isMonitor = ['ServiceMonitor', 'PrometheusRule'].includes(kind);
      expect(metadata.labels, `${kind} ${metadata.name}`).toMatchObject({ team: isMonitor ? 'monitoring' : 'office' });
      if (kind !== 'CustomResourceDefinition') expect(metadata.annotations, kind).toMatchObject({ note: 'n' });
    }
    const told = environment(objects);
    expect(JSON.parse(told.OPERATOR_COMMON_LABELS ?? '')).toEqual({ team: 'office' });
    expect(JSON.parse(told.OPERATOR_COMMON_ANNOTATIONS ?? '')).toEqual({ note: 'n' });
    expect(JSON.parse(told.OPERATOR_MONITORING_LABELS ?? '')).toEqual({ release: 'prom', team: 'monitoring' });
    expect(JSON.parse(told.OPERATOR_DASHBOARD_LABELS ?? '')).toEqual({ grafana_dashboard: '1' });
    expect(JSON.parse(told.OPERATOR_DASHBOARD_ANNOTATIONS ?? '')).toEqual({
      grafana_folder: 'Licences',
      owner: 'office',
    });
  });

  it('puts labels and annotations on all of the authority too', async () => {
    const objects = await render(tools.helm, 'licence-authority', [
      ...set('commonLabels.team=office', 'commonAnnotations.note=n', 'ingress.enabled=true', 'ingress.host=a.example'),
      ...set('service.annotations.own=service', 'podLabels.team=pods'),
    ]);
    expect(objects.map(({ kind }) => kind).sort()).toEqual([
      'Deployment',
      'Ingress',
      'NetworkPolicy',
      'PersistentVolumeClaim',
      'Secret',
      'Service',
      'ServiceAccount',
    ]);
    for (const { kind, metadata } of objects) {
      expect(metadata, kind).toMatchObject({ labels: { team: 'office' }, annotations: { note: 'n' } });
    }
    expect(ofKind(objects, 'Service')[0]?.metadata.annotations).toEqual({ note: 'n', own: 'service' });
    expect(ofKind(objects, 'Deployment')[0]?.spec.template.metadata.labels).toMatchObject({ team: 'pods' });
    const wrong = render(tools.helm, 'licence-authority', set('commonLabels.team=a b'));
    await expect(wrong).rejects.toThrow(/commonLabels/);
  });

  it('hands on what the pods of all servers get', async () => {
    const told = async (...args: string[]) => environment(await render(tools.helm, 'licence-operator', args));
    const plain = await told();
    expect(plain.OPERATOR_FIXED_IDS).toBe('Auto');
    expect(plain).not.toHaveProperty('OPERATOR_SERVER_PULL_SECRETS');
    expect(plain).not.toHaveProperty('OPERATOR_SERVER_RESOURCES');
    const all = await told(
      ...set('servers.imagePullSecrets[0].name=mirror', 'servers.imagePullSecrets[1].name=other', 'fixedIds=Disabled'),
      ...set('servers.resources.limits.memory=1Gi', 'servers.resources.requests.cpu=1'),
    );
    expect(all).toMatchObject({ OPERATOR_SERVER_PULL_SECRETS: 'mirror,other', OPERATOR_FIXED_IDS: 'Disabled' });
    expect(JSON.parse(all.OPERATOR_SERVER_RESOURCES ?? '')).toEqual({
      limits: { memory: '1Gi' },
      requests: { cpu: 1 },
    });
    const wrong = render(tools.helm, 'licence-operator', set('servers.resources.limit.memory=1Gi'));
    await expect(wrong).rejects.toThrow(/servers/);
  });

  it('keeps the pod of its test, with its log, and bounds what it takes', async () => {
    const [pod] = ofKind(await render(tools.helm, 'licence-operator'), 'Pod');
    expect(pod?.metadata.annotations?.['helm.sh/hook-delete-policy']).toBe('before-hook-creation');
    expect(Object.keys(pod?.spec.containers[0].resources.limits)).toEqual(['cpu', 'memory']);
  });

  it('lets nodes be emptied, whatever is on its temporary volume', async () => {
    const [deployment] = ofKind(await render(tools.helm, 'licence-operator', set('podAnnotations.a=b')), 'Deployment');
    expect(deployment?.spec.template.metadata.annotations).toEqual({
      a: 'b',
      'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': 'temporary',
    });
  });

  it.each(charts)('%s names no uid where the cluster gives them, or where it is told so', async (chart) => {
    const ids = async (...args: string[]) => {
      const pods = (await render(tools.helm, chart, args)).flatMap(({ kind, spec }) =>
        kind === 'Deployment' ? [spec.template.spec] : kind === 'Pod' ? [spec] : [],
      );
      expect(pods.length).toBeGreaterThan(0);
      return pods.map(({ securityContext }) => {
        expect(securityContext.runAsNonRoot).toBe(true);
        return 'runAsUser' in securityContext || 'runAsGroup' in securityContext || 'fsGroup' in securityContext;
      });
    };
    const openShift = ['--api-versions', 'security.openshift.io/v1'];
    expect(await ids()).not.toContain(false);
    expect(await ids(...openShift)).not.toContain(true);
    expect(await ids(...set('fixedIds=Disabled'))).not.toContain(true);
    expect(await ids(...openShift, ...set('fixedIds=Enabled'))).not.toContain(false);
  });

  it('lets a drain take one of several pods, and does not stand in its way with one', async () => {
    expect(ofKind(await render(tools.helm, 'licence-operator'), 'PodDisruptionBudget')).toEqual([]);
    expect(ofKind(await render(tools.helm, 'licence-operator', set('replicas=2')), 'PodDisruptionBudget')).toHaveLength(
      1,
    );
  });
});

describe('the alerts', () => {
  it('are sound', async () => {
    const file = `${chartPath('licence-operator')}/files/alerts.yaml`;
    expect(await run(tools.promtool, ['check', 'rules', file])).toContain('SUCCESS');
  });

  it.each(['alerts.test.yaml', 'alertsOverDays.test.yaml'])(
    'fire when they should, and only then (%s)',
    async (name) => {
      const file = `${chartPath('licence-operator')}/tests/${name}`;
      expect(await run(tools.promtool, ['test', 'rules', file])).toContain('SUCCESS');
    },
    240_000,
  );

  it('of one server are those of all, asked of that server', async () => {
    const rule = prometheusRule({ name: 'head', namespace: 'office', uid: 'u' }, usualRunbooks);
    const groups = (rule as unknown as { spec: { groups: AlertGroup[] } }).spec.groups;
    const file = join(await mkdtemp(join(tmpdir(), 'licence-rules-')), 'rules.yaml');
    await writeFile(file, stringify({ groups }));
    expect(await run(tools.promtool, ['check', 'rules', file])).toContain('SUCCESS');
    const all = alertGroups(usualRunbooks).flatMap((group) => group.rules);
    for (const { expr, ...own } of groups.flatMap((group) => group.rules)) {
      expect(all.map(({ expr: _, ...rest }) => rest)).toContainEqual(own);
      const series = expr.match(/\b(?:licence_\w+|up|ALERTS)\b(?:\{[^}]*\})?/g) ?? [];
      for (const one of series) expect(one).toMatch(/namespace="office",(service|server)="head"/);
    }
  });
});

describe('the dashboards', () => {
  it('count the servers of all operators', async () => {
    const { panels } = JSON.parse(dashboards()['fleet.json'] ?? '');
    const of = (title: string) => panels.find((panel: { title: string }) => panel.title === title).targets[0].expr;
    const servers = (namespace: string, pod: string, ready: string, count: number) => ({
      series: `licence_operator_licence_servers{namespace="${namespace}",job="x",pod="${pod}",ready="${ready}"}`,
      values: `${count}x10`,
    });
    const says = (expr: string, value: number) => ({ expr, eval_time: '5m', exp_samples: [{ labels: '{}', value }] });
    const test = {
      input_series: [
        ...['a', 'b'].map((pod) => servers('one', pod, 'True', 3)),
        servers('two', 'a', 'True', 5),
        servers('one', 'a', 'False', 1),
        servers('two', 'a', 'False', 1),
        servers('two', 'a', 'Unknown', 1),
      ],
      promql_expr_test: [says(of('Ready'), 8), says(of('Not ready'), 3)],
    };
    const file = join(await mkdtemp(join(tmpdir(), 'licence-dashboard-')), 'test.yaml');
    await writeFile(file, stringify({ rule_files: [], tests: [{ interval: '1m', ...test }] }));
    expect(await run(tools.promtool, ['test', 'rules', file])).toContain('SUCCESS');
  });

  it('fix no name of a job', () => {
    for (const text of Object.values(dashboards())) expect(text).not.toMatch(/job *=/);
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ControlPlane, startControlPlane } from '../../../cluster/controlPlane.ts';
import { ensureEarlierSources, upgradedFrom } from '../../../cluster/earlier.ts';
import { CommandFailed, run, until } from '../../../cluster/process.ts';
import { ensureTools } from '../../../cluster/tools.ts';
import { type Kubectl, kubectlFor } from '../../../demo/kubectl.ts';
import { chartPath, lenientDefinition, type Rendered } from '../../support/chart.ts';
import { orSkipped } from '../../support/orSkipped.ts';
import { repository } from '../../support/sources.ts';

// A control plane of its own: the definition of LicenceServer is cluster-wide, and here it belongs to Helm.
let plane: ControlPlane;
const tools = await ensureTools(['helm', 'helm3', 'kubectl'], 'to test the charts');
const kubectlWith = (helm: string): Kubectl =>
  kubectlFor({ kubectl: tools.kubectl, helm }, { kubeconfig: plane.kubeconfig });

beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane?.stop());

const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' };
const namespace = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: restricted } });
const licenceServer = (at: string, annotations = {}) => ({
  apiVersion: 'licensing.softonit.ru/v1beta1',
  kind: 'LicenceServer',
  metadata: { name: 'head-office', namespace: at, annotations },
  spec: {},
});
const refused = async (command: Promise<string>): Promise<string> =>
  command.then(
    () => 'it was not refused',
    (error: unknown) => (error instanceof CommandFailed ? error.output : Promise.reject(error)),
  );
/** Waits until a Deployment has its pod, which it cannot have where the pod breaks the namespace's rules. */
const untilPod = (kubectl: Kubectl, at: string, component: string) =>
  until(`a pod of the ${component} in ${at}`, 30_000, async () => {
    const pods = await kubectl([
      '-n',
      at,
      'get',
      'pods',
      '-l',
      `app.kubernetes.io/component=${component}`,
      '-o',
      'name',
    ]);
    return pods.trim() !== '';
  });

const earlier = await orSkipped(ensureEarlierSources(upgradedFrom));
/** As docs/upgrading.md has people do it. */
const howToUpgrade =
  /^ *helm upgrade licence-operator charts\/licence-operator -n licence-system (--\S+)$/m.exec(
    readFileSync(join(repository, 'docs/upgrading.md'), 'utf8'),
  )?.[1] ?? 'there is no command';

describe.each([
  ['Helm 4', 'helm' as const, 'four'],
  ['Helm 3', 'helm3' as const, 'three'],
])('%s', (_name, helm, at) => {
  it.skipIf(earlier === undefined)('upgrades the charts of an earlier build by the documented command', async () => {
    const kubectl = kubectlWith(tools[helm]);
    const [system, vendor] = [`${at}-upgrade`, `${at}-upgrade-vendor`];
    await kubectl.apply([namespace(system), namespace(vendor)]);
    const charts = join(earlier ?? '', 'charts');
    const yours = ['--set', 'crds.enabled=false,operator.workers=3'];
    await kubectl.helm(['install', 'operator', join(charts, 'licence-operator'), '-n', system, ...yours]);
    await kubectl.helm([
      'install',
      'authority',
      join(charts, 'licence-authority'),
      '-n',
      vendor,
      '--set',
      'clones=refuse',
    ]);
    const tokens = await kubectl.secret(vendor, 'authority-licence-authority-tokens');
    await kubectl.helm(['upgrade', 'operator', chartPath('licence-operator'), '-n', system, howToUpgrade]);
    await kubectl.helm(['upgrade', 'authority', chartPath('licence-authority'), '-n', vendor, howToUpgrade]);
    const env = async (of: string, name: string) =>
      (await kubectl.get<Rendered>(of, 'deployment', name))?.spec.template.spec.containers[0].env;
    expect(await env(system, 'operator-licence-operator')).toContainEqual({ name: 'OPERATOR_WORKERS', value: '3' });
    expect(await env(vendor, 'authority-licence-authority')).toContainEqual({
      name: 'AUTHORITY_CLONES',
      value: 'refuse',
    });
    expect(await kubectl.secret(vendor, 'authority-licence-authority-tokens')).toMatchObject(tokens);
    for (const [release, of] of [
      ['operator', system],
      ['authority', vendor],
    ])
      await kubectl.helm(['uninstall', release ?? '', '-n', of ?? '']);
  });

  it('installs, upgrades and uninstalls the operator; definition and resources stay', async () => {
    const kubectl = kubectlWith(tools[helm]);
    const watched = `${at}-accounting`;
    await kubectl.apply([namespace(at), namespace(watched)]);
    const values = ['-n', at, '--set', `watch.namespaces={${watched}}`];
    await kubectl.helm(['install', 'operator', chartPath('licence-operator'), ...values]);
    await untilPod(kubectl, at, 'operator');

    await kubectl(['wait', 'crd/licenceservers.licensing.softonit.ru', '--for=condition=Established', '--timeout=30s']);
    await kubectl.apply([licenceServer(watched)]);
    await kubectl.helm([
      'upgrade',
      'operator',
      chartPath('licence-operator'),
      ...values,
      '--set',
      'operator.workers=8',
    ]);
    const deployment = await kubectl.get<Rendered>(at, 'deployment', 'operator-licence-operator');
    expect(JSON.stringify(deployment?.spec)).toContain('{"name":"OPERATOR_WORKERS","value":"8"}');

    await kubectl.helm(['uninstall', 'operator', '-n', at]);
    expect(await kubectl.get(at, 'deployment', 'operator-licence-operator')).toBeUndefined();
    expect(await kubectl.get(watched, 'licenceserver', 'head-office')).toBeDefined();
    // The next Helm takes the definition over only from a release of its own name and namespace.
    await kubectl(['delete', 'crd', 'licenceservers.licensing.softonit.ru']);
  });

  it('installs the authority with tokens that an upgrade keeps', async () => {
    const kubectl = kubectlWith(tools[helm]);
    const vendor = `${at}-vendor`;
    await kubectl.apply([namespace(vendor)]);
    await kubectl.helm(['install', 'licence-authority', chartPath('licence-authority'), '-n', vendor]);
    await untilPod(kubectl, vendor, 'authority');
    const tokens = await kubectl.secret(vendor, 'licence-authority-tokens');
    expect(tokens.vendor).toMatch(/^[A-Za-z0-9]{43}$/);
    await kubectl.helm(['upgrade', 'licence-authority', chartPath('licence-authority'), '-n', vendor]);
    expect(await kubectl.secret(vendor, 'licence-authority-tokens')).toEqual(tokens);
    await kubectl.helm(['uninstall', 'licence-authority', '-n', vendor]);
    expect(await kubectl.get(vendor, 'pvc', 'licence-authority-data')).toBeDefined();
  });
});

describe('an operator that is installed', () => {
  let kubectl: Kubectl;
  const account = ['--as', 'system:serviceaccount:system:operator-licence-operator'];
  const can = (at: string, verb: string, what: string) =>
    kubectl(['auth', 'can-i', verb, what, '-n', at, ...account]).then(
      () => true,
      () => false,
    );

  beforeAll(async () => {
    kubectl = kubectlWith(tools.helm);
    await kubectl.apply([namespace('system'), namespace('accounting')]);
    const values = ['--set', 'watch.namespaces={accounting}', '--set', 'deleteProtection.enabled=true'];
    await kubectl.helm(['install', 'operator', chartPath('licence-operator'), '-n', 'system', ...values]);
    await kubectl(['wait', 'crd/licenceservers.licensing.softonit.ru', '--for=condition=Established', '--timeout=30s']);
  });

  it('has its rights where it works, and nowhere else', async () => {
    expect(await can('accounting', 'patch', 'deployments.apps')).toBe(true);
    expect(await can('accounting', 'patch', 'licenceservers.licensing.softonit.ru/status')).toBe(true);
    expect(await can('system', 'update', 'leases.coordination.k8s.io')).toBe(true);
    expect(await can('default', 'get', 'secrets')).toBe(false);
    expect(await can('system', 'get', 'secrets')).toBe(false);
    expect(await can('accounting', 'create', 'pods')).toBe(false);
    // It makes Roles for servers that know their clients by their pods, only ever of rights that it has itself.
    expect(await can('accounting', 'create', 'rolebindings.rbac.authorization.k8s.io')).toBe(true);
    expect(await can('system', 'create', 'rolebindings.rbac.authorization.k8s.io')).toBe(false);
    for (const verb of ['bind', 'escalate'])
      expect(await can('accounting', verb, 'roles.rbac.authorization.k8s.io')).toBe(false);
    expect(await can('accounting', 'create', 'clusterrolebindings.rbac.authorization.k8s.io')).toBe(false);
  });

  it('makes no ServiceMonitor while the kind is unknown, and makes one after it has come', async () => {
    expect(await kubectl(['api-resources', '--api-group=monitoring.coreos.com', '-o', 'name'])).toBe('');
    await kubectl.apply(['ServiceMonitor', 'PrometheusRule'].map((kind) => lenientDefinition(kind)));
    for (const plural of ['servicemonitors', 'prometheusrules']) {
      await kubectl(['wait', `crd/${plural}.monitoring.coreos.com`, '--for=condition=Established', '--timeout=30s']);
    }
    await kubectl.helm([
      'upgrade',
      'operator',
      chartPath('licence-operator'),
      '-n',
      'system',
      '--reset-then-reuse-values',
    ]);
    const rule = await kubectl.get<Rendered>('system', 'prometheusrule', 'operator-licence-operator');
    expect(rule?.spec.groups.length).toBeGreaterThan(2);
    expect(await kubectl.get('system', 'servicemonitor', 'operator-licence-operator')).toBeDefined();
  });

  it('protects LicenceServers from deletion until they are marked for it', async () => {
    await kubectl.apply([licenceServer('accounting')]);
    const remove = () => kubectl(['-n', 'accounting', 'delete', 'licenceserver', 'head-office', '--wait=false']);
    // A policy takes effect a moment after it was made; a dry run shows when.
    await until('the policy to take effect', 30_000, async () =>
      (
        await refused(kubectl(['-n', 'accounting', 'delete', 'licenceserver', 'head-office', '--dry-run=server']))
      ).includes('protected'),
    );
    expect(await refused(remove())).toContain('licensing.softonit.ru/allow-delete=true');
    await kubectl([
      '-n',
      'accounting',
      'annotate',
      'licenceserver',
      'head-office',
      'licensing.softonit.ru/allow-delete=true',
    ]);
    expect(await remove()).toContain('deleted');
  });

  it('protects identities and volumes from everybody but itself', async () => {
    const labels = { 'app.kubernetes.io/managed-by': 'licence-operator' };
    const secret = (name: string, of: Record<string, string>) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace: 'accounting', labels: of },
    });
    await kubectl.apply([
      secret('head-office-identity', labels),
      secret('old-keys', labels),
      secret('own-identity', {}),
    ]);
    const remove = (name: string, as: readonly string[] = []) =>
      refused(kubectl(['-n', 'accounting', 'delete', 'secret', name, ...as]));
    expect(await remove('head-office-identity')).toContain('protected');
    expect(await remove('old-keys')).toBe('it was not refused');
    expect(await remove('own-identity')).toBe('it was not refused');
    expect(await remove('head-office-identity', account)).toBe('it was not refused');
  });

  it('is looked into with the commands of the documentation', async () => {
    await kubectl.apply([licenceServer('accounting')]);
    const patch = JSON.stringify({ status: sampleStatus });
    await kubectl([
      '-n',
      'accounting',
      'patch',
      'lics',
      'head-office',
      '--subresource=status',
      '--type=merge',
      '-p',
      patch,
    ]);
    const commands = documentedCommands();
    expect(commands.length).toBeGreaterThan(10);
    for (const [page, command] of commands) {
      const script = command.replaceAll('NAMESPACE', 'accounting').replaceAll('NAME', 'head-office');
      const env = { KUBECONFIG: plane.kubeconfig, PATH: `${dirname(tools.kubectl)}:${process.env.PATH}` };
      const output = await run('bash', ['-o', 'pipefail', '-ec', script], { env }).catch((error) => error.message);
      expect(output, `${page}: ${script}`).toMatch(/head-office|erp|Ready|Idle|Exhausted|Rolling|RolledBack/);
    }
  });

  it('has manifests without Helm that the API server takes', async () => {
    await kubectl.apply([namespace('licence-system')]);
    const manifests = await run(process.execPath, ['charts/manifests.ts']);
    const applied = await kubectl(['apply', '--dry-run=server', '-f', '-', '-o', 'name'], { input: manifests });
    expect(applied).toContain('deployment.apps/licence-operator');
    expect(manifests).not.toContain('helm.sh/hook');
    expect(readFileSync('crds/licenceservers.yaml', 'utf8')).toContain('licenceservers.licensing.softonit.ru');
  });
});

const at = '2026-03-01T00:00:00Z';
const sampleStatus = {
  conditions: [
    { type: 'Ready', status: 'False', reason: 'KeyUnknown', message: 'key erp', lastTransitionTime: at },
    { type: 'SeatsFresh', status: 'True', reason: 'Fresh', message: 'none', lastTransitionTime: at },
  ],
  products: [{ product: 'erp', seatLimit: 5, seatsInUse: 4, seatsStale: 1 }],
  keys: [{ name: 'erp', keyId: '0123456789ab', state: 'Refused', reason: 'KeyUnknown', message: 'no', product: 'erp' }],
  regeneration: { request: `erp@${at}`, key: 'erp', phase: 'Allowed', phaseAt: at, attempts: 1, regenerationsLeft: 2 },
  rotation: {
    copy: 'c',
    key: 'erp',
    phase: 'RolledBack',
    startedAt: at,
    phaseAt: at,
    attempts: 1,
    reason: 'KeyUnknown',
  },
  staleSeats: { lastClearing: { at, by: 'Roll', before: 3, after: 0 } },
  backup: { archive: 'head-office-1.tar.gz', lastSuccessAt: at, nextAt: at, sizeBytes: 4_711 },
  nextDisruption: { reasons: ['StaleSeats'], message: 'Idle: 3 seats are in real use' },
};

/** Every `kubectl get lics` of the documentation that reads a status: page and command. */
function documentedCommands(): [string, string][] {
  const pages = readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' }).filter((page) =>
    page.endsWith('.md'),
  );
  return pages.flatMap((page) =>
    [...readFileSync(join(repository, 'docs', page), 'utf8').matchAll(/^kubectl .*get lics.*jsonpath=.*$/gm)].map(
      ([command]): [string, string] => [page, command],
    ),
  );
}

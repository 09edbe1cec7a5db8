import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import { PrerequisiteMissing } from '../cluster/prerequisite.ts';
import { run } from '../cluster/process.ts';
import { ensureTools } from '../cluster/tools.ts';
import { folderOf, type Part, type Release, repository } from './release.ts';

/** As much of a rendered object as the bundle needs. */
interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  // biome-ignore lint/suspicious/noExplicitAny: a rendered object may be of any kind
  readonly [field: string]: any;
}

const name = 'licence-operator';

/**
 * The operator as OperatorHub takes it: rights and Deployment are those of the chart, and the namespaces to watch come from Operator
 * Lifecycle Manager, in whose words they are a list as ours is. Checked by the validator of Operator Framework.
 */
export const operatorHub: Part = async (release) => {
  const { version, out } = release;
  const { helm } = await ensureTools(['helm'], 'to render the chart');
  const chart = join(repository, 'charts', name);
  const tags = ['--set', `image.tag=${version},serverImage.tag=${version}`];
  const text = await run(helm, ['template', name, chart, '-n', 'operators', '--set', 'rbac.clusterWide=true', ...tags]);
  const rendered = parseAllDocuments(text)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null);
  const crd = readFileSync(join(repository, 'crds/licenceservers.yaml'), 'utf8');
  const at = `operatorhub/${name}/${version}`;
  const manifests = folderOf(release, `${at}/manifests`);
  writeFileSync(
    join(manifests, `${name}.clusterserviceversion.yaml`),
    stringify(serviceVersion(release, rendered), { lineWidth: 0 }),
  );
  writeFileSync(join(manifests, 'licenceservers.licensing.softonit.ru.crd.yaml'), crd);
  writeFileSync(join(folderOf(release, `${at}/metadata`), 'annotations.yaml'), stringify(annotations));
  try {
    const { 'operator-verify': verify } = await ensureTools(['operator-verify'], 'to check the bundle');
    release.say((await run(verify, [join(out, at)])).trim() || 'the bundle is valid');
    return [];
  } catch (error) {
    if (error instanceof PrerequisiteMissing) return [{ what: 'a check of the bundle', why: error.message }];
    throw error;
  }
};

const annotations = {
  annotations: {
    'operators.operatorframework.io.bundle.mediatype.v1': 'registry+v1',
    'operators.operatorframework.io.bundle.manifests.v1': 'manifests/',
    'operators.operatorframework.io.bundle.metadata.v1': 'metadata/',
    'operators.operatorframework.io.bundle.package.v1': name,
    'operators.operatorframework.io.bundle.channels.v1': 'stable',
    'operators.operatorframework.io.bundle.channel.default.v1': 'stable',
  },
};

/** The ClusterServiceVersion. Pure but for the files of the repository that it quotes. */
function serviceVersion({ version, atSeconds, downloads }: Release, rendered: readonly Rendered[]) {
  const one = (kind: string, named: string) => {
    const found = rendered.find((object) => object.kind === kind && object.metadata.name === named);
    if (found === undefined) throw new Error(`the chart renders no ${kind} ${named}`);
    return found;
  };
  const deployment = one('Deployment', name);
  const account: string = deployment.spec.template.spec.serviceAccountName;
  const [container] = deployment.spec.template.spec.containers;
  const env = (container.env as { name: string }[]).filter((variable) => variable.name !== 'OPERATOR_WATCH_NAMESPACES');
  const watched = {
    name: 'OPERATOR_WATCH_NAMESPACES',
    valueFrom: { fieldRef: { fieldPath: "metadata.annotations['olm.targetNamespaces']" } },
  };
  const sample = parseAllDocuments(readFileSync(join(repository, 'crds/samples/minimal.yaml'), 'utf8'))
    .map((document) => document.toJS() as Rendered)
    .find(({ kind }) => kind === 'LicenceServer');
  const icon = readFileSync(join(repository, 'web/shared/icon.svg')).toString('base64');
  return {
    apiVersion: 'operators.coreos.com/v1alpha1',
    kind: 'ClusterServiceVersion',
    metadata: {
      name: `${name}.v${version}`,
      namespace: 'placeholder',
      annotations: {
        'alm-examples': JSON.stringify([sample]),
        capabilities: 'Deep Insights',
        categories: 'Integration & Delivery',
        containerImage: container.image,
        createdAt: new Date(atSeconds * 1_000).toISOString(),
        description: 'Runs floating-seat licence servers: keys rotated with proof, stale seats cleared, seats watched',
        repository: downloads,
        support: 'Softonit',
      },
    },
    spec: {
      displayName: 'Licence Operator',
      description: [
        'Runs floating-seat licence servers.',
        'It installs keys and rotates them with a proof and a way back, keeps the identity of a computer over every restart, clears seats that nobody gives back, and tells Prometheus what is scarce.',
      ].join('\n\n'),
      version,
      maturity: 'beta',
      minKubeVersion: '1.31.0',
      provider: { name: 'Softonit' },
      maintainers: [{ name: 'Softonit', email: 'support@softonit.ru' }],
      keywords: ['licence', 'license', 'floating', 'seats', '1c'],
      links: [{ name: 'Files of the release', url: downloads }],
      icon: [{ base64data: icon, mediatype: 'image/svg+xml' }],
      installModes: ['OwnNamespace', 'SingleNamespace', 'MultiNamespace', 'AllNamespaces'].map((type) => ({
        type,
        supported: true,
      })),
      customresourcedefinitions: {
        owned: [
          {
            kind: 'LicenceServer',
            name: 'licenceservers.licensing.softonit.ru',
            version: 'v1beta1',
            displayName: 'Licence server',
            description: 'A floating-seat licence server: its keys, storage, seats, and how it is looked after',
          },
        ],
      },
      install: {
        strategy: 'deployment',
        spec: {
          permissions: [{ serviceAccountName: account, rules: one('Role', `${name}-leader`).rules }],
          clusterPermissions: [{ serviceAccountName: account, rules: one('ClusterRole', `operators-${name}`).rules }],
          deployments: [
            {
              name,
              label: deployment.metadata.labels,
              spec: {
                ...deployment.spec,
                template: {
                  ...deployment.spec.template,
                  spec: { ...deployment.spec.template.spec, containers: [{ ...container, env: [...env, watched] }] },
                },
              },
            },
          ],
        },
      },
    },
  };
}

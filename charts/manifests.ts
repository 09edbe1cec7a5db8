import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import { run } from '../cluster/process.ts';
import { ensureTools } from '../cluster/tools.ts';

const help = `npm run --silent manifests: the operator's chart as plain manifests, for those without Helm

  npm run --silent manifests                                 into the namespace licence-system, which it watches
  npm run --silent manifests -- --namespace ops              into another namespace
  npm run --silent manifests -- --set watch.namespaces={a,b} with values as for helm; also -f FILE

HELM=path uses a Helm of your own; without it one is fetched.
`;

/** What only Helm acts on. */
const isHook = (object: Manifest) => object.metadata.annotations?.['helm.sh/hook'] !== undefined;

interface Manifest {
  readonly metadata: { labels?: Record<string, string>; annotations?: Record<string, string> };
}

function withoutHelm(object: Manifest): Manifest {
  const { labels, annotations } = object.metadata;
  if (labels !== undefined) {
    delete labels['helm.sh/chart'];
    labels['app.kubernetes.io/managed-by'] = 'manifests';
  }
  if (annotations !== undefined) delete annotations['helm.sh/resource-policy'];
  return object;
}

const { values } = parseArgs({
  options: {
    namespace: { type: 'string', default: 'licence-system' },
    set: { type: 'string', multiple: true, default: [] },
    values: { type: 'string', short: 'f', multiple: true, default: [] },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  process.stdout.write(help);
} else {
  const helm = process.env.HELM ?? (await ensureTools(['helm'], 'to render the chart')).helm;
  const chart = fileURLToPath(new URL('licence-operator', import.meta.url));
  const text = await run(helm, [
    ...['template', 'licence-operator', chart, '--namespace', values.namespace],
    ...values.set.flatMap((value) => ['--set', value]),
    ...values.values.flatMap((file) => ['--values', file]),
  ]);
  const objects = parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((object) => object !== null)
    .filter((object) => !isHook(object))
    .map(withoutHelm);
  process.stdout.write(objects.map((object) => stringify(object, { aliasDuplicateObjects: false })).join('---\n'));
}

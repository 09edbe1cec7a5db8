import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { rights } from '../operator/licenceServer/api/rights.ts';
import { alertGroups, usualRunbooks } from '../operator/licenceServer/build/alerts.ts';
import { dashboards } from './dashboards.ts';

const chart = fileURLToPath(new URL('licence-operator/', import.meta.url));
const crds = fileURLToPath(new URL('../crds/licenceservers.yaml', import.meta.url));

const rightsYaml = (): string =>
  `# Made by "npm run charts" from operator/licenceServer/api/rights.ts; do not edit.\n${stringify(rights, { lineWidth: 0, aliasDuplicateObjects: false })}`;

const alertsYaml = (): string =>
  `# Made by "npm run charts" from operator/licenceServer/build/alerts.ts; do not edit. Prometheus takes this file as it is
# (rule_files; replace the address before the runbooks by yours); the chart makes a PrometheusRule of it.
# tests/alerts.test.yaml proves each alert with promtool. keep_firing_for needs Prometheus 2.42 or newer.
${stringify({ groups: alertGroups(usualRunbooks) }, { lineWidth: 0, aliasDuplicateObjects: false })}`;

/** Files of the chart that are made from elsewhere in the project: path below the chart → text. Helm reads no other folder. */
export const generatedFiles = (): Readonly<Record<string, string>> => ({
  'files/licenceservers.yaml': readFileSync(crds, 'utf8'),
  'files/rights.yaml': rightsYaml(),
  'files/alerts.yaml': alertsYaml(),
  ...Object.fromEntries(Object.entries(dashboards()).map(([name, text]) => [`files/dashboards/${name}`, text])),
});

if (import.meta.main) {
  for (const [path, text] of Object.entries(generatedFiles())) writeFileSync(`${chart}${path}`, text);
}

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { alertGroups } from '../../operator/licenceServer/build/alerts.ts';
import { cell, repository } from './page.ts';

export interface Metric {
  readonly program: string;
  readonly kind: string;
  readonly name: string;
  readonly help: string;
}

const declared = /\.(gauge|counter|histogram)\(\s*'([a-z_]+)',\s*(?:'((?:[^'\\]|\\.)*)'|"([^"]*)")/g;

/** Every metric that a program declares, found where it does. */
export function declaredMetrics(): Metric[] {
  return ['server', 'operator', 'authority'].flatMap((program) =>
    readdirSync(join(repository, program), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .sort()
      .flatMap((file) =>
        [...readFileSync(join(repository, program, file), 'utf8').matchAll(declared)].map(
          ([, kind = '', name = '', single, double]) => ({
            program,
            kind,
            name,
            help: (single ?? double ?? '').replaceAll(/\\(.)/g, '$1'),
          }),
        ),
      ),
  );
}

const titles: Readonly<Record<string, string>> = {
  server: 'The licence server',
  operator: 'The operator',
  authority: 'The authority',
};

/** Metrics and alerts. */
export function metricsPage(): string {
  const metrics = declaredMetrics();
  const sections = Object.entries(titles).flatMap(([program, title]) => {
    const rows = metrics.filter((metric) => metric.program === program);
    if (rows.length === 0) return [];
    const table = rows.map(({ kind, name, help }) => `| \`${name}\` | ${kind} | ${cell(help)} |`).join('\n');
    return [`## ${title}\n\n| Metric | Kind | Means |\n|---|---|---|\n${table}`];
  });
  const alerts = alertGroups('').flatMap(({ rules }) =>
    rules.map(({ alert, labels, annotations, for: wait }) => {
      const says = cell(annotations.description.replaceAll(/\{\{[^}]*\}\}/g, '…'));
      return `| [${alert}](../docs/runbooks/${alert}.md) | ${labels.severity} | ${wait ?? ''} | ${says} |`;
    }),
  );
  return `# Metrics and alerts
Which question each of them answers: [monitoring](../docs/monitoring.md). Names of a process (\`process_…\`, \`nodejs_…\`) are those of Prometheus' client libraries.

${sections.join('\n\n')}

## Alerts
Each leads to its runbook.

| Alert | Severity | After | Says |
|---|---|---|---|
${alerts.join('\n')}
`;
}

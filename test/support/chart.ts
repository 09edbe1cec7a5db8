import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { CommandFailed, run } from '../../cluster/process.ts';
import { repository } from './sources.ts';

/** As much of a rendered object as tests look at. */
export interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: a rendered object may be of any kind
  readonly [field: string]: any;
}

export const chartPath = (chart: string): string => join(repository, 'charts', chart);

/** Flags that make helm believe the cluster knows Prometheus's kinds. */
export const withMonitoring = ['ServiceMonitor', 'PrometheusRule'].flatMap((kind) => [
  '--api-versions',
  `monitoring.coreos.com/v1/${kind}`,
]);

/** The objects that `helm template` renders. */
export async function render(helm: string, chart: string, args: readonly string[] = []): Promise<Rendered[]> {
  const text = await run(helm, ['template', 'release', chartPath(chart), '-n', 'apart', ...args]);
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null);
}

/** What helm says when it refuses to render. */
export async function refusal(helm: string, chart: string, args: readonly string[]): Promise<string> {
  try {
    await render(helm, chart, args);
  } catch (error) {
    if (error instanceof CommandFailed) return error.output;
    throw error;
  }
  return 'it was not refused';
}

/** A definition that takes anything, in the place of Prometheus Operator's. */
export function lenientDefinition(kind: string, group = 'monitoring.coreos.com') {
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      // without it the API server takes no definition of the project's own domains
      annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes/enhancements' },
    },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  };
}

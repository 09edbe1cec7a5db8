import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import { counted } from '../licence/counted.ts';
import { aligned } from '../runtime/aligned.ts';
import { systemClock } from '../runtime/clock.ts';
import { type Config, readConfig } from '../runtime/config.ts';
import { createLog } from '../runtime/log.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { defaultsOf } from './defaultsOf.ts';
import { ApiError, isForbidden } from './kube/apiError.ts';
import type { KubeClient } from './kube/client.ts';
import { createKubeMetrics } from './kube/kubeMetrics.ts';
import { loadKubeClient } from './kube/loadKubeClient.ts';
import type { KubeObject } from './kube/object.ts';
import { kinds } from './kube/resourceKind.ts';
import type { Preview } from './licenceServer/preview/preview.ts';
import { type Previews, previewAll } from './licenceServer/preview/previewWorld.ts';
import { isOpenShift } from './openShift.ts';
import type { settings } from './settings.ts';

/** `licence-operator plan`: what an edited file, or this version of the operator, would do. Nothing is written. */
const help = `licence-operator plan: what would be made, changed and restarted, and why, and when. Writes nothing.

Usage: licence-operator plan [-f FILE]… [-n NAMESPACE] [--image IMAGE] [--max-rollouts N] [--context NAME] [-o table|json|yaml]

  -f, --filename FILE    LicenceServers as they are going to be (and Secrets, ConfigMaps that they refer to); "-" is the
                         standard input. Without it: what this version of the operator does with those in the cluster
  -n, --namespace NAME   only this namespace, and that of objects in a file that name none
      --image IMAGE      image of servers that name none, as the new operator would have it
      --max-rollouts N   servers that may roll at one time
      --context NAME     context of the kubeconfig
  -o, --output FORMAT    table, json or yaml [table]

Settings are those of the operator that runs in the cluster, if it can be seen, then those of the environment.
Exit status: 0 no pod restarts, 2 a pod restarts, 3 something is refused, 1 it could not be told.
`;

export interface PlanIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly settings: typeof settings;
  /** Path of a kubeconfig; without it: as every client finds it. */
  readonly kubeconfig?: string;
  out(text: string): void;
  err(text: string): void;
}

/** Runs `licence-operator plan` with the arguments after it, and answers the exit status. */
export async function runPlan(args: readonly string[], io: PlanIo): Promise<0 | 1 | 2 | 3> {
  try {
    return await tellPlan(args, io);
  } catch (error) {
    io.err(`licence-operator plan: ${messageOf(error)}\n`);
    return 1;
  }
}

/** As `runPlan`. @throws what keeps it from being told */
export async function tellPlan(args: readonly string[], io: Omit<PlanIo, 'err'>): Promise<0 | 2 | 3> {
  const asked = readArguments(args);
  if (asked === 'help') {
    io.out(help);
    return 0;
  }
  const previews = await preview(asked, io);
  io.out(shown(previews, asked.output));
  if (previews.items.some((item) => item.outcome === 'Refused')) return 3;
  return previews.items.some((item) => item.restarts.length > 0) ? 2 : 0;
}

interface Asked {
  readonly files: readonly string[];
  readonly namespace: string | undefined;
  readonly image: string | undefined;
  readonly maxRollouts: string | undefined;
  readonly context: string | undefined;
  readonly output: 'table' | 'json' | 'yaml';
}

function readArguments(args: readonly string[]): Asked | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      filename: { type: 'string', short: 'f', multiple: true },
      namespace: { type: 'string', short: 'n' },
      image: { type: 'string' },
      'max-rollouts': { type: 'string' },
      context: { type: 'string' },
      output: { type: 'string', short: 'o', default: 'table' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return 'help';
  const output = (['table', 'json', 'yaml'] as const).find((format) => format === values.output);
  if (output === undefined) throw new Error(`-o takes table, json or yaml, not "${values.output}"`);
  return {
    files: values.filename ?? [],
    namespace: values.namespace,
    image: values.image,
    maxRollouts: values['max-rollouts'],
    context: values.context,
    output,
  };
}

async function preview(asked: Asked, io: Omit<PlanIo, 'err'>): Promise<Previews> {
  const { client, namespace } = loadKubeClient({
    clock: systemClock,
    metrics: createKubeMetrics(createMetrics()),
    userAgent: `licence-operator-plan/${io.version}`,
    ...(io.kubeconfig === undefined ? {} : { kubeconfig: io.kubeconfig }),
    ...(asked.context === undefined ? {} : { context: asked.context }),
  });
  const signal = AbortSignal.timeout(120_000);
  try {
    const changed = asked.files.flatMap((file) => objectsOf(file, asked.namespace ?? namespace));
    const isInCluster = io.env.KUBERNETES_SERVICE_HOST !== undefined;
    const running = await operatorInCluster(client, signal);
    const image = asked.image ?? io.env.OPERATOR_SERVER_IMAGE ?? serverImageOf(running, io.version);
    const config = readConfig(io.settings, {
      ...running.settings,
      ...io.env,
      ...(image === undefined ? {} : { OPERATOR_SERVER_IMAGE: image }),
      ...(asked.maxRollouts === undefined ? {} : { OPERATOR_MAX_ROLLOUTS: asked.maxRollouts }),
    });
    const ids = config.OPERATOR_FIXED_IDS;
    const fixedIds = ids === 'Auto' ? !(await isOpenShift(client, signal)) : ids === 'Enabled';
    const previews = await previewAll(
      {
        client,
        clock: systemClock,
        log: createLog('licence-operator', 'silent'),
        namespaces:
          asked.namespace !== undefined ? [asked.namespace] : await namespacesOf(client, config, changed, signal),
        defaults: defaultsOf(config, config.OPERATOR_NAMESPACE ?? (isInCluster ? namespace : undefined), fixedIds),
        maxRollouts: config.OPERATOR_MAX_ROLLOUTS,
        changed,
      },
      signal,
    );
    const isNews = asked.image === undefined && running.version !== undefined && running.version !== io.version;
    const note = `servers that name no image get ${config.OPERATOR_SERVER_IMAGE}; --image tells another one`;
    return isNews ? { ...previews, notes: [...previews.notes, note] } : previews;
  } finally {
    await client.close();
  }
}

/** The objects of a file of YAML or JSON; those that name no namespace get `namespace`. */
function objectsOf(file: string, namespace: string): KubeObject[] {
  const documents = parseAllDocuments(textOf(file));
  return [...documents].flatMap((document) => {
    if (document.errors[0] !== undefined) throw new Error(`${file}: ${document.errors[0].message}`);
    const object = document.toJS() as (KubeObject & { readonly items?: readonly KubeObject[] }) | null;
    if (object === null) return [];
    return (object.items ?? [object]).map((item) => {
      if (typeof item.kind !== 'string' || typeof item.metadata?.name !== 'string') {
        throw new Error(`${file}: every object needs kind and metadata.name`);
      }
      return { ...item, metadata: { ...item.metadata, namespace: item.metadata.namespace ?? namespace } };
    });
  });
}

function textOf(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}); name a file with -f, or "-"`);
  }
}

/** The operator that runs in the cluster. */
export interface RunningOperator {
  readonly version?: string | undefined;
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * The image of servers that name none, as this version of the operator brings it: that of the running one, unless that follows
 * its version, as the chart has it when nobody chose another; undefined: the default of this program.
 */
export function serverImageOf({ version, settings }: RunningOperator, own: string): string | undefined {
  const image = settings.OPERATOR_SERVER_IMAGE;
  if (image === undefined || version === undefined || !image.endsWith(`:${version}`)) return image;
  return `${image.slice(0, -version.length)}${own}`;
}

/** Nothing is known of it if there is none, or several, or none to be seen. */
async function operatorInCluster(client: KubeClient, signal: AbortSignal): Promise<RunningOperator> {
  try {
    const labelSelector = 'app.kubernetes.io/name=licence-operator';
    const { items } = await client.list(kinds.Deployment, { labelSelector, signal });
    const [operator, other] = items;
    if (operator === undefined || other !== undefined) return { settings: {} };
    const { template } = operator.spec as {
      template: { spec: { containers: readonly { env?: readonly { name: string; value?: string }[] }[] } };
    };
    const env = template.spec.containers.flatMap((container) => container.env ?? []);
    const known = env.flatMap(({ name, value }) =>
      name.startsWith('OPERATOR_') && value !== undefined ? [[name, value]] : [],
    );
    return {
      version: operator.metadata.labels?.['app.kubernetes.io/version'],
      settings: { OPERATOR_NAMESPACE: operator.metadata.namespace ?? '', ...Object.fromEntries(known) },
    };
  } catch (error) {
    if (isForbidden(error)) return { settings: {} };
    throw error;
  }
}

/** A file needs only its own namespaces; the whole fleet is that of the operator. */
async function namespacesOf(
  client: KubeClient,
  config: Config<typeof settings>,
  changed: readonly KubeObject[],
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  if (changed.length > 0) return [...new Set(changed.map(({ metadata }) => metadata.namespace ?? ''))];
  const { OPERATOR_WATCH_NAMESPACES: names, OPERATOR_NAMESPACE_SELECTOR: labelSelector } = config;
  if (names !== undefined) return names.split(',').map((name) => name.trim());
  if (labelSelector === undefined) return undefined;
  const { items } = await client.list(kinds.Namespace, { labelSelector, signal });
  return items.map(({ metadata }) => metadata.name);
}

function messageOf(error: unknown): string {
  if (isForbidden(error) && error instanceof ApiError) {
    return `${error.message}; name a namespace with -n, or ask for the right to list licenceservers and deployments`;
  }
  return error instanceof Error ? error.message : String(error);
}

function shown(previews: Previews, output: Asked['output']): string {
  if (output === 'json') return `${JSON.stringify(previews, undefined, 2)}\n`;
  if (output === 'yaml') return stringify(previews);
  const rows = previews.items.map((item) => [
    item.namespace,
    item.name,
    item.outcome,
    item.restarts.map(({ reasons }) => reasons.join(',')).join(' · ') || '-',
    item.seats.map(({ product, inUse, limit }) => `${product} ${inUse}/${limit}`).join(' ') || '-',
  ]);
  const table = aligned([['NAMESPACE', 'NAME', 'OUTCOME', 'RESTARTS FOR', 'SEATS IN USE'], ...rows]);
  const details = previews.items.map(detailsOf).filter((text) => text !== '');
  const notes = previews.notes.map((note) => `note: ${note}`);
  return `${[table, ...details, ...notes].join('\n')}\n${summaryOf(previews)}\n`;
}

function detailsOf(item: Preview): string {
  const sign = { create: '+', change: '~', remove: '-' } as const;
  const lines = [
    ...(item.refusal === undefined ? [] : [`refused: ${item.refusal.reason}: ${item.refusal.message}`]),
    ...item.restarts.map(
      ({ reasons, when, at }) => `restarts ${when}${at === undefined ? '' : ` (${at})`}: ${reasons.join(', ')}`,
    ),
    ...item.children.map(
      ({ kind, name, action, fields }) =>
        `${sign[action]} ${kind} ${name}${fields.length === 0 ? '' : `: ${fields.join(', ')}`}`,
    ),
    ...(item.nextDisruption === undefined
      ? []
      : [
          `next disruption: ${item.nextDisruption.reasons.join(', ')}${item.nextDisruption.at === undefined ? '' : ` at ${item.nextDisruption.at}`}: ${item.nextDisruption.message ?? ''}`,
        ]),
    ...item.notes.map((note) => `note: ${note}`),
  ];
  if (lines.length === 0) return '';
  return `\n${item.namespace}/${item.name}\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

/** The last line of a plan: how many LicenceServers, and what becomes of them. Pure. */
export function summaryOf({ items }: Previews): string {
  const count = (outcome: Preview['outcome']) => items.filter((item) => item.outcome === outcome).length;
  const said = [
    [count('Restarts'), 'restarts', 'restart'],
    [count('Created'), 'is created', 'are created'],
    [count('Changes'), 'changes without a restart', 'change without a restart'],
    [count('Refused'), 'is refused', 'are refused'],
    [count('Unchanged'), 'stays as it is', 'stay as they are'],
  ] as const;
  const parts = said.flatMap(([n, one, several]) => (n === 0 ? [] : [`${n} ${n === 1 ? one : several}`]));
  return `\n${counted(items.length, 'LicenceServer')}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
}

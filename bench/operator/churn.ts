import { setTimeout as delay } from 'node:timers/promises';
import type { KubeApi } from '../../cluster/kubeApi.ts';
import type { Running } from './contestant.ts';
import { createServers, keyOf, pathOf, type Server } from './fixture.ts';
import { useOf } from './sampleUse.ts';

/** Memory of an operator while its fleet never comes to rest. */
export interface ChurnMeasures {
  readonly minutes: number;
  readonly edits: number;
  readonly replacements: number;
  /** Resident memory each minute, MiB. */
  readonly rssMib: readonly number[];
  /**
   * The least of V8's old generation in each minute, MiB: what is left after a collection, without the garbage that the
   * resident memory holds as well. None of a program that does not tell it.
   */
  readonly heapMib: readonly number[];
  /** Growth of both by a line through the second half, MiB an hour. */
  readonly growthMibPerHour: number;
  readonly heapGrowthMibPerHour: number;
}

const pauseMs = 100;

/**
 * Edits one server after the other, ten a second at most, and puts a new one in the place of every tenth, for so many
 * minutes.
 */
export async function churn(
  api: KubeApi,
  fleet: readonly Server[],
  port: number,
  { daemon, metricsUrl }: Running,
  minutes: number,
  onStep: (step: string) => void,
): Promise<ChurnMeasures> {
  const startedAt = Date.now();
  const endsAt = startedAt + minutes * 60_000;
  const rssMib: number[] = [];
  const heapMib: number[] = [];
  let edits = 0;
  let replacements = 0;
  for (let step = 0; Date.now() < endsAt; step++) {
    const server = fleet[(step * 7919) % fleet.length];
    if (server === undefined) break;
    if (step % 10 === 9) {
      await replace(api, server, port);
      replacements++;
    } else {
      const spec = {
        service: { annotations: { 'example.org/edit': String(step) } },
        seats: { leaseSeconds: 60 + (step % 120) },
      };
      const answer = await api.request('PATCH', pathOf(server), { spec }, 'application/merge-patch+json');
      if (answer.status !== 200) throw new Error(`edit of ${keyOf(server)}: ${answer.status}`);
      edits++;
    }
    if (Date.now() - startedAt >= rssMib.length * 60_000) {
      const heap = heapMib.at(-1);
      rssMib.push(useOf(daemon.pid).rssMib);
      onStep(
        `churn: RSS ${rssMib.at(-1)?.toFixed(0)} MiB${heap === undefined ? '' : `, live heap ${heap.toFixed(1)} MiB`}`,
      );
    }
    if (step % 10 === 0) {
      const minute = Math.floor((Date.now() - startedAt) / 60_000);
      const heap = await oldGenerationMib(metricsUrl);
      if (heap !== undefined) heapMib[minute] = Math.min(heapMib[minute] ?? Number.POSITIVE_INFINITY, heap);
    }
    await delay(pauseMs);
  }
  return {
    minutes,
    edits,
    replacements,
    rssMib,
    heapMib,
    growthMibPerHour: growth(rssMib),
    heapGrowthMibPerHour: growth(heapMib),
  };
}

const growth = (eachMinute: readonly number[]): number => slope(eachMinute.slice(eachMinute.length >> 1)) * 60;

async function oldGenerationMib(metricsUrl: string): Promise<number | undefined> {
  const text = await (await fetch(metricsUrl, { signal: AbortSignal.timeout(5_000) })).text();
  const [, bytes] = /^nodejs_heap_space_size_used_bytes\{space="old"\} (\S+)$/m.exec(text) ?? [];
  return bytes === undefined ? undefined : Number(bytes) / 1_048_576;
}

const collections = (namespace: string): readonly string[] => [
  ...['secrets', 'configmaps', 'serviceaccounts', 'persistentvolumeclaims', 'services'].map(
    (resource) => `/api/v1/namespaces/${namespace}/${resource}`,
  ),
  `/apis/apps/v1/namespaces/${namespace}/deployments`,
  `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`,
];

/** Deletes a server, and its children as the garbage collector would, and creates one of the same name. */
async function replace(api: KubeApi, server: Server, port: number): Promise<void> {
  const selector = encodeURIComponent(`app.kubernetes.io/instance=${server.name}`);
  const paths = [pathOf(server), ...collections(server.namespace).map((path) => `${path}?labelSelector=${selector}`)];
  for (const path of paths) {
    const answer = await api.request('DELETE', path);
    if (answer.status !== 200) throw new Error(`delete of ${path}: ${answer.status}`);
  }
  await createServers(api, [server], port);
}

/** Slope of the line of least squares through values one apart. */
export function slope(values: readonly number[]): number {
  const mean = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
  const [x, y] = [(values.length - 1) / 2, mean(values)];
  const above = values.reduce((sum, value, i) => sum + (i - x) * (value - y), 0);
  const below = values.reduce((sum, _, i) => sum + (i - x) ** 2, 0);
  return below === 0 ? 0 : above / below;
}

import { setTimeout as delay } from 'node:timers/promises';
import type { KubeApi } from '../../cluster/kubeApi.ts';
import { createServers, keyOf, pathOf, type Server } from './fixture.ts';
import { useOf } from './sampleUse.ts';

/** Memory of an operator while its fleet never comes to rest. */
export interface ChurnMeasures {
  readonly minutes: number;
  readonly edits: number;
  readonly replacements: number;
  /** Resident memory each minute, MiB. */
  readonly rssMib: readonly number[];
  /** Growth by a line through the second half, MiB an hour. */
  readonly growthMibPerHour: number;
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
  pid: number,
  minutes: number,
): Promise<ChurnMeasures> {
  const startedAt = Date.now();
  const endsAt = startedAt + minutes * 60_000;
  const rssMib: number[] = [];
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
    if (Date.now() - startedAt >= rssMib.length * 60_000) rssMib.push(useOf(pid).rssMib);
    await delay(pauseMs);
  }
  return { minutes, edits, replacements, rssMib, growthMibPerHour: slope(rssMib.slice(rssMib.length >> 1)) * 60 };
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

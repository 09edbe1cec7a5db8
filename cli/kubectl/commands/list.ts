import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { licenceServers } from '../cluster.ts';
import type { Context } from '../context.ts';
import { type ExitStatus, exitStatus } from '../exitStatus.ts';
import { type Answer, ageOf } from '../output.ts';

/** How much a server wants somebody, from its status alone: the larger, the worse. Pure. */
export function badness({ metadata, status }: LicenceServer): number {
  const is = (type: string) => status?.conditions?.find((condition) => condition.type === type)?.status;
  if (is('Stalled') === 'True') return 6;
  if ((status?.observedGeneration ?? -1) < (metadata.generation ?? 0)) return 5;
  if (is('Ready') !== 'True') return 4;
  if (is('SeatsAvailable') === 'False') return 3;
  if (is('SeatsFresh') === 'False' || status?.trouble !== undefined) return 2;
  return is('Suspended') === 'True' ? 1 : 0;
}

const stateOf = ({ status }: LicenceServer): { state: string; message: string } => {
  const ready = status?.conditions?.find((condition) => condition.type === 'Ready');
  if (ready === undefined) return { state: 'NotSeenYet', message: 'no operator has looked at it yet' };
  return { state: ready.status === 'True' ? ready.reason : `Not ready: ${ready.reason}`, message: ready.message };
};

/** The table of `list`, the worst first. Pure. */
export function listAnswer(all: readonly LicenceServer[], allNamespaces: boolean, nowMs: number): Answer {
  const keyOf = ({ metadata }: LicenceServer) => `${metadata.namespace}/${metadata.name}`;
  const sorted = [...all].sort((a, b) => badness(b) - badness(a) || keyOf(a).localeCompare(keyOf(b)));
  return {
    data: sorted.map((server) => ({
      namespace: server.metadata.namespace,
      name: server.metadata.name,
      ...stateOf(server),
      ...server.status,
    })),
    columns: [
      ...(allNamespaces ? [{ title: 'NAMESPACE' }] : []),
      { title: 'NAME' },
      { title: 'STATE' },
      { title: 'SEATS' },
      { title: 'STALE' },
      { title: 'KEYS' },
      { title: 'SUPPORT UNTIL' },
      { title: 'AGE' },
      { title: 'VERSION', wide: true },
      { title: 'MESSAGE', wide: true },
    ],
    rows: sorted.map((server) => {
      const { metadata, status } = server;
      const { state, message } = stateOf(server);
      const keys = status?.keys ?? [];
      const active = keys.filter((key) => key.state === 'Active').length;
      return [
        ...(allNamespaces ? [metadata.namespace] : []),
        metadata.name,
        state,
        status?.seats ?? '',
        status?.seatsStale === undefined ? '' : String(status.seatsStale),
        keys.length === 0 ? '' : `${active} of ${keys.length}`,
        status?.supportUntil?.slice(0, 10) ?? '',
        ageOf(metadata.creationTimestamp, nowMs),
        status?.version ?? '',
        message,
      ];
    }),
    names: sorted.map(({ metadata }) => `licenceserver.licensing.softonit.ru/${metadata.name}`),
    empty: 'There are no LicenceServers here; -A shows those of all namespaces.',
  };
}

/** `list`: every LicenceServer; its exit status says whether one of them wants somebody. */
export async function list(context: Context): Promise<ExitStatus> {
  const all = await licenceServers(context.cluster, context.allNamespaces ? undefined : context.cluster.namespace);
  context.print(listAnswer(all, context.allNamespaces, Date.now()));
  return all.some((server) => badness(server) >= 4) ? exitStatus.unwell : exitStatus.ok;
}

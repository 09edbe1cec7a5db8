import { keyOf } from '../../kube/object.ts';
import { isPaused } from '../api/requests.ts';
import { msOf } from '../api/times.ts';
import type { LicenceServer } from '../api/types.ts';
import { viewOfDeployment } from './deploymentView.ts';
import { instanceOf, type Stores } from './stores.ts';

/** A server that holds one of the fleet's places: the operator itself decided that its pod rolls, and it has not come up yet. */
export interface Rolling {
  readonly key: string;
  /** Since when; undefined: it was decided just now. */
  readonly since?: string | undefined;
  /** Its time is over: all others wait until a person acts. */
  readonly failed: boolean;
}

/** A clearing that was not proven after this time has ended, and did not help; also where no pass comes so far as to say so. */
export const clearingTimeoutMs = 10 * 60_000;

/**
 * Who holds the fleet's places, read from the cluster, so that a new leader knows it as well as the old one did. A server that
 * a person has paused, suspended, deleted, or whose rollout a person has stopped, holds none; nor does one of a namespace that
 * is not heard any more: nobody would ever see the end of its roll.
 */
export function rollingIn(
  { deployments, licenceServers }: Pick<Stores, 'deployments' | 'licenceServers'>,
  nowMs: number,
  isHeard: (namespace: string) => boolean = () => true,
): Rolling[] {
  const counts = (server: LicenceServer) => isActedOn(server) && isHeard(server.metadata.namespace);
  const rolling = new Map<string, Rolling>();
  for (const server of licenceServers.byIndex('clearing', 'Roll')) {
    if (!counts(server)) continue;
    const key = keyOf(server);
    const since = server.status?.staleSeats?.clearing?.startedAt;
    // One that is refused, or whose passes fail, would keep its place for ever; or until a clock that was ahead is right.
    if (Math.abs(nowMs - (msOf(since) ?? nowMs)) < clearingTimeoutMs) rolling.set(key, { key, since, failed: false });
  }
  for (const deployment of deployments.byIndex('paced', 'paced')) {
    const key = instanceOf(deployment) ?? '';
    const server = licenceServers.get(key);
    const view = viewOfDeployment(deployment);
    if (server === undefined || !counts(server) || view.settled || view.stopped) continue;
    rolling.set(key, { key, since: view.pacedAt, failed: view.failure !== undefined });
  }
  return [...rolling.values()];
}

const isActedOn = (server: LicenceServer): boolean =>
  server.metadata.deletionTimestamp === undefined &&
  !isPaused(server) &&
  (server.spec as { readonly suspend?: boolean } | undefined)?.suspend !== true;

import { type Clock, sleep } from '../runtime/clock.ts';
import type { Logger } from '../runtime/log.ts';
import { isForbidden, isNotFound } from './kube/apiError.ts';
import type { KubeClient } from './kube/client.ts';

/** Whether the cluster is OpenShift, which gives each namespace ids of its own. Whoever may not ask is told no. */
export async function isOpenShift(client: Pick<KubeClient, 'request'>, signal?: AbortSignal): Promise<boolean> {
  try {
    await client.request({ method: 'GET', path: '/apis/security.openshift.io/v1', signal });
    return true;
  } catch (error) {
    if (isNotFound(error) || isForbidden(error)) return false;
    throw error;
  }
}

export interface FixedIdsOptions {
  readonly client: Pick<KubeClient, 'request'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Whether pods are to name their ids, once that is known: a guess would roll every server of a cluster. */
export async function fixedIdsOf(
  choice: 'Auto' | 'Enabled' | 'Disabled',
  { client, clock, log }: FixedIdsOptions,
  signal: AbortSignal,
): Promise<boolean> {
  if (choice !== 'Auto') return choice === 'Enabled';
  for (;;) {
    try {
      return !(await isOpenShift(client, signal));
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ err: error }, 'it is not known yet whether the cluster is OpenShift');
      await sleep(clock, 2_000, signal);
    }
  }
}

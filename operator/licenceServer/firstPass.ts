import type { Reconcile } from '../kube/controller.ts';

/**
 * Tells when each of the LicenceServers that were there at the start has been reconciled once: from then on the cluster is
 * as this process would have it.
 * @param keys those that were there
 * @param onEnd told once, with how many there were; at once if there was none
 */
export function firstPassOver(
  keys: Iterable<string>,
  onEnd: (servers: number) => void,
): (work: Reconcile) => Reconcile {
  const left = new Set(keys);
  const servers = left.size;
  if (servers === 0) onEnd(0);
  return (work) => async (key, context) => {
    const result = await work(key, context);
    if (left.delete(key) && left.size === 0) onEnd(servers);
    return result;
  };
}

import type { Reconcile } from '../kube/controller.ts';

/** How far the first pass is over the LicenceServers that were there at the start. */
export interface FirstPass {
  /** Each has been tried, well or badly. */
  readonly onTried: () => void;
  /** Each has been reconciled: from now on the cluster is as this process would have it. `servers`: how many there were. */
  readonly onEnd: (servers: number) => void;
}

/**
 * Follows the first pass. Either is told once, and at once if there was nothing to look at.
 * @param keys those that were there
 */
export function firstPassOver(keys: Iterable<string>, { onTried, onEnd }: FirstPass): (work: Reconcile) => Reconcile {
  const left = new Set(keys);
  const untried = new Set(left);
  const servers = left.size;
  if (servers === 0) {
    onTried();
    onEnd(0);
  }
  return (work) => async (key, context) => {
    try {
      const result = await work(key, context);
      if (left.delete(key) && left.size === 0) onEnd(servers);
      return result;
    } finally {
      if (untried.delete(key) && untried.size === 0) onTried();
    }
  };
}

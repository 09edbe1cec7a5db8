import { setImmediate as turn } from 'node:timers/promises';
import { createKubeMetrics } from '../../operator/kube/kubeMetrics.ts';
import { loadKubeClient } from '../../operator/kube/loadKubeClient.ts';
import { collectionPath, kinds } from '../../operator/kube/resourceKind.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createMetrics } from '../../runtime/metrics.ts';

// A program of its own, since the fault that it looks for blocks a process for good: writes that are aborted at every moment of
// their way, as a lost leader lease does. Prints how many were, and ends.
const { client } = loadKubeClient({
  kubeconfig: process.argv[2] ?? '',
  clock: systemClock,
  metrics: createKubeMetrics(createMetrics()),
  userAgent: 'test',
  qps: 0,
});
const write = (signal: AbortSignal) =>
  client.request({
    method: 'POST',
    path: collectionPath(kinds.Lease, 'default'),
    query: { dryRun: 'All' },
    body: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { generateName: 'x-' }, spec: {} },
    signal,
  });
/** What happens between the beginning of the writes and their abortion. */
const waits: readonly (() => Promise<unknown> | undefined)[] = [
  () => undefined,
  () => Promise.resolve(),
  () => new Promise((resolve) => process.nextTick(resolve)),
  () => turn(),
  () => {
    // A busy process: answers and timers have come, and nobody has looked at them.
    for (const until = performance.now() + 5; performance.now() < until; );
    return turn();
  },
];

await write(AbortSignal.timeout(10_000));
let aborted = 0;
for (let round = 0; round < 300; round++) {
  const stop = new AbortController();
  const writes = Array.from({ length: [1, 8, 32][round % 3] ?? 1 }, () => write(stop.signal).catch(() => aborted++));
  await waits[round % waits.length]?.();
  stop.abort();
  await Promise.all(writes);
}
await client.close();
console.log(`${aborted} aborted`);

/**
 * A process that takes part in an election and, while it leads, writes its name into a ConfigMap as fast as it can, through
 * the guarded client. Prints `ready`, then `leading` and `over <outcome>`.
 * Arguments: kubeconfig, namespace, identity, lease duration, renew deadline, retry period, skew of the clock and pause
 * after each write (ms).
 */
import { createKubeMetrics } from '../../operator/kube/kubeMetrics.ts';
import { LeaderElector } from '../../operator/kube/leaderElector.ts';
import { loadKubeClient } from '../../operator/kube/loadKubeClient.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { createLog } from '../../runtime/log.ts';
import { createMetrics } from '../../runtime/metrics.ts';

const [kubeconfig = '', namespace = '', identity = '', ...numbers] = process.argv.slice(2);
const [leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2_000, skewMs = 0, pauseMs = 0] =
  numbers.map(Number);
const clock: Clock = { ...systemClock, now: () => Date.now() + skewMs };
const metrics = createKubeMetrics(createMetrics());
const { client } = loadKubeClient({ kubeconfig, clock, metrics, userAgent: identity, qps: 0 });
const elector = new LeaderElector({
  client,
  namespace,
  name: 'election',
  identity,
  clock,
  log: createLog(identity, 'silent'),
  metrics,
  leaseDurationMs,
  renewDeadlineMs,
  retryPeriodMs,
});

const stop = new AbortController();
process.on('SIGTERM', () => stop.abort(new Error('SIGTERM')));
console.log('ready');
while (!stop.signal.aborted) {
  const outcome = await elector.run(stop.signal, async (guard) => {
    console.log('leading');
    const writer = client.guarded(guard);
    for (let n = 0; !guard.signal.aborted && !stop.signal.aborted; n++) {
      const data = { writer: identity, n: String(n) };
      const object = { metadata: { namespace, name: 'written' }, data };
      await writer.apply(kinds.ConfigMap, object, { fieldManager: 'elected' }).catch(() => {});
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  });
  console.log(`over ${outcome}`);
}
await client.close();

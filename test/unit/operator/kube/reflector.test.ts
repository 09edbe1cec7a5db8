import { afterEach, expect, it } from 'vitest';
import { createKubeMetrics } from '../../../../operator/kube/kubeMetrics.ts';
import { loadKubeClient } from '../../../../operator/kube/loadKubeClient.ts';
import { Reflector } from '../../../../operator/kube/reflector.ts';
import { kinds } from '../../../../operator/kube/resourceKind.ts';
import { Store } from '../../../../operator/kube/store.ts';
import { createLog } from '../../../../runtime/log.ts';
import { createMetrics } from '../../../../runtime/metrics.ts';
import { FakeClock } from '../../../support/fakeClock.ts';
import { type StubApi, startStubApi } from '../../../support/stubApi.ts';

let api: StubApi | undefined;
afterEach(() => api?.[Symbol.asyncDispose]());

it('counts its silence from its start, and by a clock that nobody sets', async () => {
  let says = false;
  api = await startStubApi((request, response) => {
    if (!says) return;
    response.setHeader('content-type', 'application/json');
    if (request.url?.includes('watch=')) response.flushHeaders();
    else response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items: [] }));
  });
  const clock = new FakeClock();
  const metrics = createKubeMetrics(createMetrics());
  const { client } = loadKubeClient({ kubeconfig: api.kubeconfig, clock, metrics, userAgent: 'test', qps: 0 });
  const store = new Store();
  const reflector = new Reflector({
    client,
    kind: kinds.ConfigMap,
    store,
    clock,
    metrics,
    log: createLog('t', 'silent'),
  });
  expect(reflector.silentMs).toBe(0);
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await expect.poll(() => api?.requests.length).toBe(1);
  clock.set(clock.now() + 3_600_000);
  expect(reflector.silentMs).toBe(0);
  await clock.advance(20_000);
  expect(reflector.silentMs).toBe(20_000);
  says = true;
  // The request that was never answered is given up after 30 s, and made again after the back-off.
  await clock.advance(11_000);
  await expect
    .poll(async () => {
      await clock.advance(1_000);
      return reflector.synced;
    })
    .toBe(true);
  expect(reflector.silentMs).toBeLessThanOrEqual(1_000);
  stop.abort();
  await running;
  await client.close();
});

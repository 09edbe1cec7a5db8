import { expect, inject, it } from 'vitest';
import { readAudit, writeVerbs } from '../../../cluster/auditLog.ts';
import { eventually, useProduct } from '../../support/product.ts';

const windowMs = 5 * 60_000;
/** Time for what readiness sets off: the counts in status, the last of the conditions. */
const calmAfterMs = 15_000;

it('a settled licence server causes no write in five minutes', async () => {
  const { namespace, sinceMs } = inject('settled');
  const fromMs = sinceMs + calmAfterMs;
  // Other tests have been running meanwhile, so most of the time is over already.
  await eventually('five quiet minutes', windowMs + calmAfterMs + 30_000, async () => Date.now() > fromMs + windowMs);
  const entries = readAudit(inject('cluster').auditLog).filter((e) => Date.parse(e.at) > fromMs);
  // The kubelet tells of its own probes, and on a busy machine one of them may come late; nobody else has a reason to write.
  const writes = entries.filter(
    (e) => e.namespace === namespace && writeVerbs.has(e.verb) && !e.user.startsWith('system:node:'),
  );
  expect(entries.length).toBeGreaterThan(100); // the log is alive
  // What the kubelet has seen tells why.
  const why =
    writes.length === 0 ? '' : await (await useProduct()).kubectl(['-n', namespace, 'get', 'events', '-o', 'wide']);
  expect(
    writes.map((e) => `${e.at} ${e.user} ${e.verb} ${e.resource} ${e.name}`),
    why,
  ).toEqual([]);
}, 400_000);

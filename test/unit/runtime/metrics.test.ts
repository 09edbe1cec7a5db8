import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createProgramMetrics } from '../../../runtime/metrics.ts';

test('a program shows the metrics of its process that the documentation names', async () => {
  const page = readFileSync(new URL('../../../docs/monitoring.md', import.meta.url), 'utf8');
  const section = /## Metrics of every process\n(.*?)\n## /s.exec(page)?.[1] ?? '';
  const documented = [...section.matchAll(/`((?:process|nodejs)_[a-z0-9_]*[a-z0-9])`/g)].map(([, name]) => name);
  expect(documented.length).toBeGreaterThan(7);
  const { registry } = createProgramMetrics();
  const shown = (await registry.getMetricsAsJSON()).map(({ name }) => name);
  expect(shown).toEqual(expect.arrayContaining(documented));
  // What would list every open connection.
  expect(shown.filter((name) => name.startsWith('nodejs_active'))).toEqual([]);
  const busyUntil = performance.now() + 50;
  while (performance.now() < busyUntil);
  expect(await registry.getSingleMetricAsString('nodejs_eventloop_utilization')).toMatch(
    /^nodejs_eventloop_utilization (0\.[1-9]|1)/m,
  );
});

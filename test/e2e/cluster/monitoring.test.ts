import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { until } from '../../../cluster/process.ts';
import { startMonitoring } from '../../support/prometheus.ts';

it('a scraped value fires an alert in Alertmanager and resolves it', async () => {
  let warmth = 90;
  const server = createServer((_, response) => response.end(`warmth_degrees ${warmth}\n`)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const monitoring = await startMonitoring({
    scrapeConfigs: [{ job_name: 'oven', static_configs: [{ targets: [target] }] }],
    rules: [{ groups: [{ name: 'oven', rules: [{ alert: 'OvenHot', expr: 'warmth_degrees > 80' }] }] }],
  });
  try {
    await until('the alert', 20_000, async () => (await monitoring.firing()).some((a) => a.name === 'OvenHot'));
    expect(await monitoring.query('warmth_degrees')).toMatchObject([{ value: 90, labels: { job: 'oven' } }]);
    warmth = 20;
    await until('its end', 20_000, async () => (await monitoring.firing()).length === 0);
    expect(await monitoring.states()).toEqual({});
  } finally {
    await monitoring.stop();
    server.close();
  }
});

import { afterEach, expect, it } from 'vitest';
import { usualRunbooks } from '../../../operator/licenceServer/build/alerts.ts';
import { operatorHttp } from '../../../operator/operatorHttp.ts';
import { createHttp, type Http } from '../../../runtime/httpShell.ts';
import { createLog } from '../../../runtime/log.ts';
import { createMetrics } from '../../../runtime/metrics.ts';

let http: Http | undefined;
afterEach(() => http?.close());

/** What the operator answers while its watches are so many seconds old. */
async function get(path: string, ages: Record<string, number>, synced = true) {
  const metrics = createMetrics();
  const gauge = metrics.gauge('things', 'Counted at a scrape');
  http = operatorHttp(createHttp(createLog('test', 'silent')), {
    metrics,
    watch: { eventAges: () => ages, synced },
    refresh: () => gauge.set(7),
  });
  const { statusCode, body } = await http.inject(path);
  return { statusCode, body };
}

it('is alive while every watch hears something within ten minutes', async () => {
  expect(await get('/healthz/live', { LicenceServer: 599, Secret: 0 })).toEqual({
    statusCode: 200,
    body: '{"silent":{}}',
  });
});

it('is not alive when one watch has been silent for longer, and names it', async () => {
  const { statusCode, body } = await get('/healthz/live', { LicenceServer: 3, Secret: 601 });
  expect([statusCode, JSON.parse(body)]).toEqual([503, { silent: { Secret: 601 } }]);
});

it.each([
  [true, 200],
  [false, 503],
])('is ready when everything was listed once (%s)', async (synced, status) => {
  expect(await get('/healthz/ready', {}, synced)).toEqual({ statusCode: status, body: `{"synced":${synced}}` });
});

it('brings gauges up to date before they are read', async () => {
  expect((await get('/metrics', {})).body).toContain('things 7');
});

it('serves the runbook that an alert links to', async () => {
  const path = new URL(`${usualRunbooks}/LicenceServerDown.md`).pathname;
  const { statusCode, body } = await get(path, {});
  expect([statusCode, body.slice(0, 20)]).toEqual([200, '# LicenceServerDown\n']);
  expect((await get('/runbooks/None.md', {})).statusCode).toBe(404);
});

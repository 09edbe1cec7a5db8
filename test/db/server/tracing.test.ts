import { expect, it } from 'vitest';
import { startOtlpReceiver } from '../../support/otlpReceiver.ts';
import { createTestDatabase } from '../../support/testDatabase.ts';
import { createComputer, ServerProcess } from './support/serverProcess.ts';

it('sends a span for each request to the collector, below the span of the caller, and the last ones at its end', async () => {
  await using collector = await startOtlpReceiver();
  await using database = await createTestDatabase();
  const computer = await createComputer(1);
  try {
    const env = { ...computer.env, DATABASE_URL: database.url, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    const server = await ServerProcess.start(env);
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const parent = 'b7ad6b7169203331';
    const response = await fetch(`${server.address}/v1/checkouts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-${parent}-01` },
      body: JSON.stringify({ product: 'erp', holder: { base: 'b', user: 'anna', host: 'h' } }),
    });
    const { leaseId } = (await response.json()) as { leaseId: string };
    expect((await server.checkOut('boris')).status).toBe(409);
    await server.call('POST', `/v1/leases/${leaseId}/heartbeat`);
    await server.call('GET', '/healthz/ready');
    expect(await server.stop()).toBe(0);

    const spans = collector.spans.map(({ name, status, attributes }) => [
      name,
      attributes['http.response.status_code'],
      status,
    ]);
    expect(spans).toEqual([
      ['POST /v1/checkouts', 201, 0],
      ['POST /v1/checkouts', 409, 0],
      ['POST /v1/leases/:leaseId/heartbeat', 200, 0],
    ]);
    expect(collector.spans[0]).toMatchObject({ service: 'licence-server', traceId, parentSpanId: parent, kind: 2 });
    expect(collector.spans[1]?.traceId).not.toBe(traceId);
    const said = JSON.stringify(collector.spans);
    for (const word of [leaseId, 'anna', 'boris']) expect(said).not.toContain(word);
  } finally {
    computer.remove();
  }
});

it('runs and ends as ever while the collector is away', async () => {
  await using database = await createTestDatabase();
  const computer = await createComputer(1);
  try {
    const env = {
      ...computer.env,
      DATABASE_URL: database.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    };
    const server = await ServerProcess.start(env);
    expect((await server.checkOut('anna')).status).toBe(201);
    expect(await server.stop()).toBe(0);
  } finally {
    computer.remove();
  }
});

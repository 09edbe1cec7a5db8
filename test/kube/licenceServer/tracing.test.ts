import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { startTracing } from '../../../runtime/tracing.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../../support/otlpReceiver.ts';
import { freshKey, isReady, Stage, specWithKey } from './operator.ts';

let stage: Stage;
let collector: OtlpReceiver;
beforeEach(async () => {
  collector = await startOtlpReceiver();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url);
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(async () => {
  await stage.close();
  vi.unstubAllEnvs();
  await collector[Symbol.asyncDispose]();
});

test('a reconcile is a trace with a span for each of its steps, and nothing of a Secret in it', async () => {
  const stop = await startTracing('licence-operator', process.env);
  const key = freshKey();
  try {
    await stage.start();
    await stage.putKeys('keys', { erp: key });
    await stage.create('office', specWithKey());
    await stage.until('office', 'is ready', isReady);
  } finally {
    await stop();
  }
  const reconciles = collector.spans.filter((s) => s.name === 'reconcile');
  const whole = reconciles.map((reconcile) => ({
    reconcile,
    steps: collector.spans.filter((s) => s.parentSpanId === reconcile.spanId).map((s) => s.name),
  }));
  const first = whole.find(({ steps }) => steps.includes('apply'));
  expect(first?.steps).toEqual(['keep', 'observe', 'validate', 'checkKeys', 'plan', 'build', 'apply', 'status']);
  expect(first?.reconcile.attributes).toMatchObject({
    controller: 'licenceserver',
    key: `${stage.namespace}/office`,
    reconcileID: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect(JSON.stringify(collector.spans)).not.toContain(key);
});

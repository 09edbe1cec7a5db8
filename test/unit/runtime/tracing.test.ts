import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Controller } from '../../../operator/kube/controller.ts';
import { createKubeMetrics } from '../../../operator/kube/kubeMetrics.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLog } from '../../../runtime/log.ts';
import { createMetrics } from '../../../runtime/metrics.ts';
import { startTracing, trace } from '../../../runtime/tracing.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../../support/otlpReceiver.ts';
import { repository } from '../../support/sources.ts';

let collector: OtlpReceiver;
beforeEach(async () => {
  collector = await startOtlpReceiver();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await collector[Symbol.asyncDispose]();
});

const named = (name: string) => {
  const span = collector.spans.find((s) => s.name === name);
  if (span === undefined) throw new Error(`no span ${name} among ${collector.spans.map((s) => s.name)}`);
  return span;
};

it('puts a span below the one that it began in, also across waiting, and notes what is thrown', async () => {
  const stop = await startTracing('a-program', process.env);
  const answer = await trace('outer', { key: 'a/b' }, async () => {
    await trace('first', {}, async () => {});
    expect(() =>
      trace('second', {}, () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    await expect(trace('third', {}, () => Promise.reject(new Error('late')))).rejects.toThrow('late');
    return 7;
  });
  expect(answer).toBe(7);
  await stop();
  const outer = named('outer');
  expect(outer).toMatchObject({ service: 'a-program', parentSpanId: '', attributes: { key: 'a/b' }, status: 0 });
  const below = ['first', 'second', 'third'].map(named);
  expect(below.map((s) => s.parentSpanId)).toEqual([outer.spanId, outer.spanId, outer.spanId]);
  expect(below.map((s) => s.status)).toEqual([0, 2, 2]);
});

it('makes each reconcile a trace with its id, and a failed one an error', async () => {
  const stop = await startTracing('an-operator', process.env);
  const end = new AbortController();
  const ids: string[] = [];
  const controller = new Controller({
    name: 'things',
    clock: systemClock,
    log: createLog('test', 'silent'),
    metrics: createKubeMetrics(createMetrics()),
    reconcile: async (key, { reconcileID }) => {
      ids.push(reconcileID);
      trace('plan', {}, () => {});
      if (ids.length === 2) end.abort();
      if (key === 'ns/bad') throw new Error('broken');
      return undefined;
    },
  });
  controller.enqueue('ns/good');
  controller.enqueue('ns/bad');
  await controller.run(end.signal);
  await stop();
  const reconciles = collector.spans.filter((s) => s.name === 'reconcile');
  const byKey = Object.fromEntries(reconciles.map((s) => [s.attributes.key, s.status]));
  expect(byKey).toEqual({ 'ns/good': 0, 'ns/bad': 2 });
  expect(reconciles.map((s) => s.attributes.reconcileID).sort()).toEqual(ids.sort());
  const plans = collector.spans.filter((s) => s.name === 'plan');
  expect(plans.map((s) => s.parentSpanId).sort()).toEqual(reconciles.map((s) => s.spanId).sort());
});

it('loads nothing of OpenTelemetry and sends nothing while the environment does not ask for it', async () => {
  const stop = await startTracing('a-program', {});
  expect(trace('quiet', {}, () => 1)).toBe(1);
  await stop();
  expect(collector.spans).toEqual([]);

  const probe = `const { registerHooks } = await import('node:module');
    registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) });
    const { runProgram } = await import('./runtime/program.ts');
    await runProgram({ name: 'p', purpose: '', settings: {}, prefixes: [], run: async () => 0 });`;
  const run = (env: Record<string, string>) =>
    spawnSync(process.execPath, ['--input-type=module', '-e', probe], {
      cwd: repository,
      env: { PATH: process.env.PATH ?? '', ...env },
      encoding: 'utf8',
    });
  expect(run({}).stdout).toContain('runtime/tracing.ts');
  expect(run({}).stdout).not.toContain('@opentelemetry');
  expect(run({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }).stdout).toContain('@opentelemetry');
});

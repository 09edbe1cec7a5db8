import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { ApiError, readStatus } from '../../../../operator/kube/apiError.ts';
import type { KubeClient } from '../../../../operator/kube/client.ts';
import { type EventInput, EventRecorder } from '../../../../operator/kube/events.ts';
import { createKubeMetrics } from '../../../../operator/kube/kubeMetrics.ts';
import type { KubeObject } from '../../../../operator/kube/object.ts';
import { createMetrics } from '../../../../runtime/metrics.ts';
import { FakeClock } from '../../../support/fakeClock.ts';

let clock: FakeClock;
let created: KubeObject[];
let patches: { name: string; count: number }[];
let fail: () => unknown;
let recorder: EventRecorder;
let lines: Record<string, unknown>[];
beforeEach(() => {
  clock = new FakeClock();
  created = [];
  patches = [];
  lines = [];
  fail = () => undefined;
  const client: Pick<KubeClient, 'create' | 'mergePatch'> = {
    create: async <T extends KubeObject>(_: unknown, object: KubeObject) => {
      const error = fail();
      if (error !== undefined) throw error;
      created.push(object);
      return object as T;
    },
    mergePatch: async <T extends KubeObject>(_: unknown, __: unknown, name: string, patch: unknown) => {
      patches.push({ name, count: (patch as { series: { count: number } }).series.count });
      return { metadata: { name } } as unknown as T;
    },
  };
  recorder = new EventRecorder({
    client,
    controller: 'example.org/operator',
    instance: 'pod-1',
    clock,
    log: pino({}, { write: (line: string) => lines.push(JSON.parse(line)) }),
    metrics: createKubeMetrics(createMetrics()),
  });
});

const event = (fields: Partial<EventInput> = {}): EventInput => ({
  regarding: { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'ns', name: 'p', uid: 'u' } },
  type: 'Normal',
  reason: 'Rolled',
  action: 'Roll',
  note: 'the pod was rolled',
  ...fields,
});

describe('the event recorder', () => {
  it('writes what the API demands', async () => {
    recorder.record(event());
    await recorder.flush();
    expect(created).toMatchObject([
      {
        metadata: { namespace: 'ns', name: expect.stringMatching(/^p\.[0-9a-f]+$/) },
        eventTime: '2026-01-02T03:04:05.000000Z',
        reportingController: 'example.org/operator',
        reportingInstance: 'pod-1',
        regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'ns', name: 'p', uid: 'u' },
      },
    ]);
  });

  it('counts the same event again instead of writing it: the second at once, more of them once a minute', async () => {
    for (let i = 0; i < 2; i++) recorder.record(event());
    await clock.advance(0);
    expect([created.length, patches.map((p) => p.count)]).toEqual([1, [2]]);
    for (let i = 0; i < 100; i++) recorder.record(event());
    await clock.advance(59_999);
    expect(patches).toHaveLength(1);
    await clock.advance(1);
    expect(patches.map((p) => p.count)).toEqual([2, 102]);
  });

  it('begins a new one after six quiet minutes', async () => {
    recorder.record(event());
    await clock.advance(360_000);
    recorder.record(event());
    await recorder.flush();
    expect(created).toHaveLength(2);
  });

  it('keeps events apart that differ', async () => {
    recorder.record(event());
    recorder.record(event({ reason: 'Other' }));
    recorder.record(event({ note: 'another note' }));
    recorder.record(event({ type: 'Warning' }));
    await recorder.flush();
    expect(new Set(created.map((e) => e.metadata.name)).size).toBe(4);
  });

  it('bounds what one object may cause: 25 at once, then one in five minutes', async () => {
    for (let i = 0; i < 40; i++) recorder.record(event({ note: `note ${i}` }));
    recorder.record(event({ regarding: { kind: 'Pod', metadata: { namespace: 'ns', name: 'q', uid: 'v' } } }));
    await recorder.flush();
    expect(created).toHaveLength(26);
    await clock.advance(300_000);
    for (let i = 0; i < 5; i++) recorder.record(event({ note: `later ${i}` }));
    await recorder.flush();
    expect(created).toHaveLength(27);
  });

  it('tries again where the server is at fault, and lets it be where the event is', async () => {
    let failures = 0;
    fail = () => (failures++ < 2 ? new Error('connection cut') : undefined);
    recorder.record(event());
    await clock.advance(3_000);
    expect(created).toHaveLength(1);
    fail = () => {
      failures++;
      return new ApiError('POST', readStatus(403, { reason: 'Forbidden' }));
    };
    failures = 0;
    recorder.record(event({ note: 'other' }));
    await clock.advance(60_000);
    await recorder.flush();
    expect([created.length, failures]).toEqual([1, 1]);
  });

  it('says once in ten seconds that events cannot be written, with the reason and without a stack', async () => {
    fail = () => new ApiError('POST', readStatus(401, { reason: 'Unauthorized', message: 'expired' }));
    for (const note of ['a', 'b', 'c']) recorder.record(event({ note }));
    await recorder.flush();
    await clock.advance(10_000);
    recorder.record(event({ note: 'd' }));
    await recorder.flush();
    expect(lines.map(({ namespace, error, err }) => ({ namespace, error, err }))).toEqual(
      Array(2).fill({ namespace: 'ns', error: 'POST: 401 Unauthorized: expired' }),
    );
  });

  it('shortens a note to what the API takes, whatever it is written in', async () => {
    recorder.record(event({ note: 'ж'.repeat(2_000) }));
    recorder.record(event({ note: '🦆'.repeat(600) }));
    await recorder.flush();
    for (const { note } of created) expect(Buffer.byteLength(String(note))).toBeLessThanOrEqual(1_024);
  });

  it('writes the count that is still owed when asked to flush', async () => {
    for (let i = 0; i < 5; i++) recorder.record(event());
    await clock.advance(0);
    recorder.record(event());
    await recorder.flush();
    expect(patches.at(-1)?.count).toBe(6);
  });
});

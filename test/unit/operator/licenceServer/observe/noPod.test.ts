import { describe, expect, test } from 'vitest';
import type { ClaimView } from '../../../../../operator/licenceServer/observe/claimView.ts';
import { type PodLike, whyNoPod } from '../../../../../operator/licenceServer/observe/noPod.ts';

const nowMs = Date.parse('2030-01-01T12:00:00Z');
const ago = (seconds: number) => new Date(nowMs - seconds * 1000).toISOString();
const pod = (status: PodLike['status'] & object, more: Partial<PodLike['metadata']> = {}): PodLike => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'office-1', namespace: 'a', creationTimestamp: ago(30), ...more },
  spec: { nodeName: 'n1' },
  status,
});
const claim = (phase: string, storageClassName?: string) =>
  ({ name: 'office-data', phase, storageClassName }) as unknown as ClaimView;
const waiting = (reason: string, message?: string) =>
  pod({ containerStatuses: [{ name: 'server', image: 'r/x:1', state: { waiting: { reason, message } } }] } as never);
const ended = (waits: string | undefined, terminated: Record<string, unknown>) =>
  pod({
    containerStatuses: [
      { name: 'server', state: waits === undefined ? {} : { waiting: { reason: waits } }, lastState: { terminated } },
    ],
  });
const unscheduled = (message: string) =>
  pod({ conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] });
const why = (pods: readonly PodLike[], of?: ClaimView, refused?: string) =>
  whyNoPod({ refused }, pods, of ?? claim('Bound'), nowMs);

describe('why there is no pod', () => {
  const cases: readonly [string, ReturnType<typeof why>, string, RegExp][] = [
    ['a quota', why([], undefined, 'pods "x" is forbidden: exceeded quota: q'), 'PodRefused', /exceeded quota: q/],
    [
      'no node',
      why([unscheduled('0/3 nodes are available: 3 Insufficient memory.')]),
      'PodUnschedulable',
      /3 Insufficient memory/,
    ],
    [
      'a storage class that makes no volume',
      why([unscheduled('pod has unbound immediate PersistentVolumeClaims')], claim('Pending', 'fast')),
      'VolumeUnbound',
      /office-data gets no volume from storage class fast/,
    ],
    [
      'an image',
      why([waiting('ImagePullBackOff', 'Back-off pulling image')]),
      'ImageNotPulled',
      /image r\/x:1 .*Back-off/,
    ],
    [
      'a missing Secret',
      why([waiting('CreateContainerConfigError', 'secret "db" not found')]),
      'ContainerRefused',
      /"db" not found/,
    ],
    [
      'a crash',
      why([ended('CrashLoopBackOff', { exitCode: 1, message: 'first\nDATABASE_URL is no URI\n' })]),
      'PodCrashing',
      /exit code 1, "DATABASE_URL is no URI"/,
    ],
    [
      'a crash without last words',
      why([ended('CrashLoopBackOff', { exitCode: 139 })]),
      'PodCrashing',
      /139, its log says why/,
    ],
    [
      'too little memory',
      why([ended(undefined, { exitCode: 137, reason: 'OOMKilled' })]),
      'PodCrashing',
      /limits.memory/,
    ],
    [
      'an eviction',
      why([pod({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' })]),
      'PodFailed',
      /Evicted.*low on resource/,
    ],
    [
      'a lost node',
      why([pod({ phase: 'Running' }, { deletionTimestamp: ago(300) })]),
      'NodeLost',
      /office-1 does not end on node n1.*out-of-service/,
    ],
    [
      'a lost node that keeps the volume from the next pod',
      why([
        pod({ phase: 'Running' }, { deletionTimestamp: ago(300), creationTimestamp: ago(9000) }),
        {
          ...waiting('ContainerCreating'),
          metadata: { name: 'office-2', namespace: 'a', creationTimestamp: ago(200) },
        },
      ]),
      'NodeLost',
      /keeps the volume/,
    ],
  ];
  test.each(cases)('is told for %s', (_, fault, reason, message) => {
    expect(fault?.reason).toBe(reason);
    expect(fault?.message).toMatch(message);
  });

  test('is nothing while it only starts, or ends', () => {
    expect(why([])).toBeUndefined();
    expect(why([waiting('ContainerCreating')])).toBeUndefined();
    expect(why([pod({ phase: 'Running' })])).toBeUndefined();
    expect(why([pod({ phase: 'Running' }, { deletionTimestamp: ago(20) })])).toBeUndefined();
  });

  test('is told of the newest pod, and a wait only after a minute', () => {
    const old = {
      ...waiting('ContainerCreating'),
      metadata: { name: 'x', namespace: 'a', creationTimestamp: ago(90) },
    };
    expect(why([old])?.reason).toBe('PodStarting');
    expect(why([old, waiting('ImagePullBackOff')])?.reason).toBe('ImageNotPulled');
  });
});

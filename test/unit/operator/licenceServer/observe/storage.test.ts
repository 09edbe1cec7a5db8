import { describe, expect, it } from 'vitest';
import { childrenOf } from '../../../../../operator/licenceServer/build/children.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import { viewOfClaim } from '../../../../../operator/licenceServer/observe/claimView.ts';
import { storageBound } from '../../../../../operator/licenceServer/tell/conditions.ts';
import { defaults, licenceServer, observed, valid } from '../world.ts';

/** What is said of the storage of a server that asks for 2Gi. */
function said(status: Record<string, unknown>, requested = '2Gi', asked = '2Gi') {
  const claim = viewOfClaim({
    metadata: { name: 'office-data', namespace: 'accounting' },
    spec: { resources: { requests: { storage: requested } } },
    status: { phase: 'Bound', capacity: { storage: '1Gi' }, ...status },
  });
  const server = licenceServer({ storage: { size: asked } });
  const seen = observed({ claim });
  const judged = valid(server, seen);
  const decided = plan(judged, {}, seen, defaults);
  return storageBound({ valid: judged, observed: seen, plan: decided, before: {}, refusals: [] });
}
const condition = (type: string, message?: string) => ({
  conditions: [{ type, status: 'True', ...(message === undefined ? {} : { message }) }],
});

describe('the storage of a server', () => {
  it.each([
    ['Resizing', condition('Resizing'), 'Resizing'],
    ['FileSystemResizePending', condition('FileSystemResizePending', 'waiting for a pod'), 'FileSystemResizePending'],
    ['a refusal of the controller', condition('ControllerResizeError', 'no space left'), 'ResizeFailed'],
    ['a refusal of the node', condition('NodeResizeError', 'resize2fs failed'), 'ResizeFailed'],
    [
      'what can never be done',
      { allocatedResourceStatuses: { storage: 'ControllerResizeInfeasible' } },
      'ResizeFailed',
    ],
    ['nothing yet', {}, 'Resizing'],
  ])('tells of its growing: %s', (_, status, reason) => {
    expect(said(status)).toMatchObject({
      status: 'True',
      reason,
      message: expect.stringContaining('is to grow to 2Gi'),
    });
  });

  it('says in the words of the cluster what went wrong', () => {
    expect(said(condition('ControllerResizeError', 'no space left')).message).toContain('no space left');
  });

  it('stays as large as it is, and says so', () => {
    const storage = { capacity: { storage: '4Gi' } };
    expect(said(storage, '4Gi')).toMatchObject({
      status: 'True',
      reason: 'CannotShrink',
      message: 'PersistentVolumeClaim office-data stays at 4Gi: a volume cannot shrink to 2Gi',
    });
  });

  it.each([
    ['1Ei', '2Pi'],
    ['5e9', '1Gi'],
    ['1500000000000m', '1Gi'],
  ])('counts as the API server does: %s is more than %s', (has, asked) => {
    expect(said({ capacity: { storage: has } }, has, asked).reason).toBe('CannotShrink');
    const seen = observed({
      claim: { name: 'office-data', phase: 'Bound', deleting: false, capacity: has, size: has },
    });
    const judged = valid(licenceServer({ storage: { size: asked } }), seen);
    const { claim } = childrenOf(judged, plan(judged, {}, seen, defaults), seen, defaults);
    expect(claim?.spec).toMatchObject({ resources: { requests: { storage: has } } });
  });

  it('is bound when it has what was asked for, or more than that', () => {
    expect(said({ capacity: { storage: '2Gi' } }).reason).toBe('Bound');
    expect(said({ capacity: { storage: '3Gi' } }).reason).toBe('Bound');
  });
});

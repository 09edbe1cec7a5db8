import { describe, expect, test } from 'vitest';
import type { Defaults } from '../../../../../operator/licenceServer/api/defaults.ts';
import type { SpecInput, Status } from '../../../../../operator/licenceServer/api/types.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import type { Observed } from '../../../../../operator/licenceServer/observe/observed.ts';
import { paceOf, previewOf, type Unpaced } from '../../../../../operator/licenceServer/preview/preview.ts';
import { answer, defaults, deployed, licenceServer, observed, valid } from '../world.ts';

const busy = { product: 'erp', seatLimit: 9, seatsInUse: 5, seatsStale: 2, holdersWaiting: 0 };

/** A preview of a settled server, edited to `spec`. */
function preview(
  spec: SpecInput,
  more: Partial<Observed> = {},
  status: Status = {},
  set: Partial<Defaults> = {},
): Unpaced {
  const first = licenceServer();
  const fresh = observed({ copies: {}, server: { kind: 'none' } });
  const { pod } = plan(valid(first, fresh), {}, fresh, defaults);
  if (pod === undefined) throw new Error('nothing to run');
  const rotation = { copy: pod.keys, key: 'erp', phase: 'Active', startedAt: '', phaseAt: '', attempts: 0 } as const;
  const seen = observed({ copies: { [pod.keys]: { erp: 'd1' } }, deployment: deployed(first, pod), ...more });
  const server = licenceServer(spec, { generation: 2 });
  return previewOf({
    valid: valid(server, seen),
    status: { observedGeneration: 1, keysCopy: pod.keys, rotation, ...status },
    observed: seen,
    defaults: { ...defaults, ...set },
    live: () => 'unseen',
  });
}

describe('a preview', () => {
  test.each<[string, SpecInput['staleSeats'], object[]]>([
    ['always', { when: 'Always' }, [{ reasons: ['StaleSeats'], when: 'at once' }]],
    ['below the threshold', { when: 'Always', threshold: 3 }, []],
    ['that are ignored', { when: 'Always', policy: 'Ignore' }, []],
    ['that are released in place', { when: 'Always', policy: 'Release' }, []],
    ['when nobody works', { when: 'Idle' }, []],
    [
      'in a window',
      { when: 'Window', windows: [{ schedule: '0 3 * * *', duration: '1h' }] },
      [{ reasons: ['StaleSeats'], at: '2030-01-02T03:00:00Z' }],
    ],
  ])('of stale seats that are cleared %s', (_, staleSeats, restarts) => {
    const told = preview({ staleSeats }, { server: answer({ products: [busy] }) });
    expect(told.restarts).toMatchObject(restarts);
    expect(told.restarts).toHaveLength(restarts.length);
    expect(told.outcome === 'Restarts').toBe(restarts.length > 0);
  });

  test('of an edit that restarts tells the restart for stale seats that follows it', () => {
    const edited = { seats: { leaseSeconds: 60 }, staleSeats: { when: 'Always' } } as const;
    const told = preview(edited, { server: answer({ products: [busy] }) });
    expect(told.restarts.map(({ reasons, when }) => [reasons, when])).toEqual([
      [['ConfigChanged'], 'at once'],
      [['StaleSeats'], 'after that'],
    ]);
  });

  describe('of keys that failed before', () => {
    const keySources = [{ name: 'erp', kind: 'found', digest: 'd2', keyId: 'id-2' }] as const;
    const again = '2030-01-01T17:00:00Z';
    const failed = (reason: string): Status => {
      const desired = valid(licenceServer(), observed({ keySources })).desiredKeys;
      const copy = desired.ok ? desired.copy : '';
      const rotation = { copy, key: 'erp', phase: 'Staged', startedAt: '', phaseAt: '', attempts: 4 } as const;
      return { rotation: { ...rotation, reason, message: 'key erp: m', nextAttemptAt: again } };
    };
    test('is no restart where they were refused, and says so', () => {
      const told = preview({}, { keySources }, failed('KeyRevoked'));
      expect(told.restarts).toEqual([]);
      expect(told.notes).toEqual([expect.stringContaining(`refused 4 times (KeyRevoked: key erp: m)`)]);
      expect(told.notes[0]).toContain(again);
    });
    test('is one with its time where the authority was away', () => {
      const told = preview({}, { keySources }, failed('AuthorityUnreachable'));
      expect(told.restarts).toMatchObject([{ reasons: ['KeysChanged'], at: again }]);
    });
  });

  test('counts who rolls now, and says of a pod that is not up why it rolled', () => {
    const image = { image: 'licence-server:2' };
    const items = ['a', 'b'].map((name) => ({ ...preview({}, {}, {}, image), namespace: 'n', name }));
    const turns = (rolling: string[]) =>
      paceOf(items, { maxRollouts: 1, rolling, failed: undefined }).map(({ restarts }) => restarts[0]?.turn);
    expect(turns([])).toEqual([1, 2]);
    expect(turns(['n/other'])).toEqual([2, 3]);
    // Whoever rolls now and is to roll again has its place.
    expect(turns(['n/a'])).toEqual([1, 2]);
    const unchanged = { ...preview({}), namespace: 'n', name: 'c' };
    const beside = paceOf([unchanged, ...items], { maxRollouts: 1, rolling: ['n/c'], failed: undefined });
    expect(beside.map(({ restarts }) => restarts[0]?.turn)).toEqual([undefined, 2, 3]);
  });
});

import { describe, expect, test } from 'vitest';
import type { Defaults } from '../../../../../operator/licenceServer/api/defaults.ts';
import type { SpecInput, Status } from '../../../../../operator/licenceServer/api/types.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import type { Observed } from '../../../../../operator/licenceServer/observe/observed.ts';
import { paceOf, previewOf, type Unpaced } from '../../../../../operator/licenceServer/preview/preview.ts';
import { doubtsBrought } from '../../../../../operator/licenceServer/preview/rulesBrought.ts';
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
    rules: {
      before: { spec: valid(first, seen).spec, groups: new Set() },
      after: { spec: valid(server, seen).spec, groups: new Set(['chiefs']) },
    },
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

  describe('of seat rules', () => {
    const erp = { product: 'erp', seatLimit: 9, seatsInUse: 0, seatsStale: 0 };
    const ofRules = (rules: NonNullable<SpecInput['seats']>['rules'], status: Status = { products: [erp] }) =>
      preview({ seats: { ...(rules === undefined ? {} : { rules }) } }, {}, status).notes;
    test('tells what the server is going to doubt of them, held against the seats that the keys grant', () => {
      expect(
        ofRules([
          { name: 'many', product: 'erp', match: { users: ['anna'] }, max: 9 },
          { name: 'elsewhere', product: 'crm', match: { bases: ['x'] }, max: 1 },
          { name: 'nobody', product: 'erp', match: { groups: ['chefs'] }, reserve: 1 },
        ]),
      ).toEqual([
        'seat rules: rule many can never matter: max 9 is no less than the 9 seats of erp',
        expect.stringMatching(/^seat rules: rule nobody names the group chefs, which is not there/),
        expect.stringMatching(/^seat rules: the rules name the product crm, of which no key is active/),
      ]);
      expect(ofRules([{ name: 'ok', product: 'erp', match: { groups: ['chiefs'] }, max: 3 }])).toEqual([]);
    });
    test('holds nothing against seats that are not known', () => {
      const rules = [
        { name: 'many', product: 'crm', match: { users: ['anna'] }, max: 9 },
        { name: 'out', product: 'crm', allow: false as const },
      ];
      expect(ofRules(rules, {})).toEqual(['seat rules: rule out lets nobody have a seat of crm']);
    });
    test('keeps to what the change brings', () => {
      const spec = (rules: object[]) => ({
        spec: valid(licenceServer({ seats: { rules } } as SpecInput), observed({})).spec,
        groups: undefined,
      });
      const old = { name: 'old', product: 'erp', max: 20 };
      const brought = { name: 'new', product: 'erp', maxEach: 30 };
      expect(doubtsBrought(spec([old]), spec([old, brought]), [erp] as never)).toEqual([
        'rule new can never matter: maxEach 30 is no less than the 9 seats of erp',
      ]);
      expect(doubtsBrought(spec([old]), spec([old]), [erp] as never)).toEqual([]);
      expect(doubtsBrought(undefined, spec([old]), undefined)).toEqual([]);
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

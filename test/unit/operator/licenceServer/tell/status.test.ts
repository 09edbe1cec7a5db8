import { describe, expect, test } from 'vitest';
import { licenceServerStatus } from '../../../../../operator/licenceServer/api/schema/status.ts';
import type { SpecInput, Status } from '../../../../../operator/licenceServer/api/types.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import type { Observed } from '../../../../../operator/licenceServer/observe/observed.ts';
import { eventsOf } from '../../../../../operator/licenceServer/tell/events.ts';
import { refusedStatus, statusOf } from '../../../../../operator/licenceServer/tell/status.ts';
import { answer, defaults, deployed, licenceServer, nowMs, observed, type serverStatus, valid } from '../world.ts';

const products = (seatsInUse: number, seatsStale = 0) => [
  { product: 'erp', seatLimit: 10, seatsInUse, seatsStale, holdersWaiting: 0 },
];
const at = (ms: number, seen: Observed): Observed => ({ ...seen, atMs: ms });

/** Status of a server that has run for a while. */
function pass(
  before: Status,
  seen: Observed,
  spec: SpecInput = {},
  refusals: { reason: string; message: string }[] = [],
) {
  const server = licenceServer(spec, { status: before });
  const judged = valid(server, seen);
  const decided = plan(judged, before, seen, defaults);
  return statusOf(server, { valid: judged, observed: seen, plan: decided, before, refusals });
}
function running(more: Partial<Observed> = {}): Observed {
  const fresh = observed({ copies: {}, server: { kind: 'none' } });
  const pod = plan(valid(licenceServer(), fresh), {}, fresh, defaults).pod;
  if (pod === undefined) throw new Error('nothing to run');
  return observed({ copies: { [pod.keys]: { erp: 'd1' } }, deployment: deployed(licenceServer(), pod), ...more });
}
const settled = (seen = running()): Status => pass(pass({}, seen).status, seen).status;
const is = (status: Status, type: string) => status.conditions?.find((c) => c.type === type);

describe('status', () => {
  test('of a server that runs as asked is Ready, and says the same again and again', () => {
    const status = settled();
    expect(status.conditions?.map((c) => `${c.type}=${c.status}`)).toEqual([
      'Ready=True',
      'Reconciling=False',
      'Stalled=False',
      'Available=True',
      'KeysActive=True',
      'SeatsAvailable=True',
      'SeatsFresh=True',
      'StorageBound=True',
      'Suspended=False',
    ]);
    expect(status).toMatchObject({ seats: '4/10', seatsStale: 0, observedGeneration: 1, version: '1.0.0' });
    expect(pass(status, at(nowMs + 3_600_000, running())).status).toBe(status);
  });

  test('tells counts alone once a minute, and at once when a condition turns', () => {
    const status = settled();
    const busier = running({ server: answer({ products: products(5) }) });
    expect(pass(status, at(nowMs + 59_000, busier))).toEqual({ status, dueAtMs: nowMs + 60_000 });
    expect(pass(status, at(nowMs + 60_000, busier)).status).toMatchObject({ seats: '5/10' });
    const full = running({ server: answer({ products: products(10) }) });
    const turned = pass(status, at(nowMs + 1_000, full)).status;
    expect(turned).toMatchObject({ seats: '10/10' });
    expect(is(turned, 'SeatsAvailable')).toMatchObject({ status: 'False', reason: 'SeatsExhausted' });
    expect(is(turned, 'Ready')?.status).toBe('True');
  });

  test('does not change because the operator was started anew and has not asked yet', () => {
    const status = settled();
    expect(pass(status, running({ server: { kind: 'none' } })).status).toBe(status);
  });

  test('is unknown where a server does not answer', () => {
    const status = pass(
      settled(),
      running({ server: { kind: 'unreachable', atMs: nowMs, message: 'refused' } }),
    ).status;
    for (const type of ['KeysActive', 'SeatsAvailable', 'SeatsFresh', 'Ready']) {
      expect(is(status, type)).toMatchObject({ status: 'Unknown', reason: 'ServerUnreachable' });
    }
    expect(is(status, 'Available')?.status).toBe('True');
    expect(status.seats).toBe('4/10');
  });

  test('tells what the server says is wrong, and keeps it when the server cannot be reached any more', () => {
    const trouble = 'the volume of /data is nearly full; make it larger';
    const before = settled();
    const said = pass(before, running({ server: answer({ trouble }) })).status;
    expect(said.trouble).toBe(trouble);
    expect(is(said, 'Available')).toMatchObject({ status: 'True', reason: 'ServerTroubled' });
    expect(is(said, 'Ready')?.status).toBe('True');
    for (const type of ['Available', 'Ready']) expect(is(said, type)?.message).toContain(trouble);
    expect(eventsOf(before, said, undefined)).toMatchObject([
      { type: 'Warning', reason: 'ServerTroubled', note: trouble },
    ]);
    expect(eventsOf(said, said, undefined)).toEqual([]);

    const up = running();
    const deployment = up.deployment && { ...up.deployment, settled: false, available: 0 };
    const down = pass(said, running({ deployment, server: { kind: 'none' } })).status;
    expect(is(down, 'Available')).toMatchObject({ status: 'False', reason: 'ServerTroubled' });
    for (const type of ['Available', 'Ready']) expect(is(down, type)?.message).toContain(trouble);
    const well = pass(down, running()).status;
    expect(well.trouble).toBeUndefined();
    expect(is(well, 'Available')).toMatchObject({ status: 'True', reason: 'PodReady' });
  });

  test('changes at most once a minute for other words of the same trouble, and at once when it ends', () => {
    const clock = (at: string) => running({ server: answer({ trouble: `the clock was set back: it says ${at}` }) });
    const status = pass(settled(), clock('12:00')).status;
    expect(pass(status, at(nowMs + 15_000, clock('12:15'))).status).toBe(status);
    expect(pass(status, at(nowMs + 60_000, clock('12:59'))).status.trouble).toContain('12:59');
    expect(pass(status, at(nowMs + 15_000, running())).status.trouble).toBeUndefined();
  });

  test('is what the API server takes, however much there is to say', () => {
    const many = Array.from({ length: 256 }, (_, i) => ({
      ...{ product: `p${i}`.padEnd(253, 'x'), seatLimit: 1, seatsInUse: 1, seatsStale: 1, holdersWaiting: 0 },
    }));
    const long = 'w'.repeat(2_048);
    const refusals = Array.from({ length: 40 }, () => ({ reason: 'ServiceRefused', message: long.repeat(20) }));
    const { status } = pass(settled(), running({ server: answer({ products: many, trouble: long }) }), {}, refusals);
    expect(licenceServerStatus.safeParse(status).error).toBeUndefined();
    expect(is(status, 'SeatsAvailable')?.message).toMatch(/ and 246 more$/);
  });

  test('names the key that is not active, and why', () => {
    const fault = { reason: 'KeyRevoked', message: 'ask the vendor' } as const;
    const keys = [{ name: 'erp', keyId: 'id-erp', state: 'Refused', fault, source: 'configuration' }] as const;
    const status = pass(settled(), running({ server: answer({ keys }) })).status;
    expect(is(status, 'KeysActive')).toMatchObject({
      status: 'False',
      reason: 'KeyRevoked',
      message: 'key erp: ask the vendor',
    });
    expect(is(status, 'Ready')).toMatchObject({ status: 'False', reason: 'KeyRevoked' });
    expect(status.keys).toEqual([
      {
        name: 'erp',
        keyId: 'id-erp',
        state: 'Refused',
        source: 'configuration',
        reason: 'KeyRevoked',
        message: 'ask the vendor',
      },
    ]);
  });

  test('keeps names in its list of keys unique, whatever the server says', () => {
    const key = { name: 'erp', state: 'Active', source: 'configuration' } as const;
    const keys = [{ ...key, keyId: 'a' }, { ...key, keyId: 'b' }, { ...key, keyId: 'b' }, key];
    const names = pass(settled(), running({ server: answer({ keys }) })).status.keys?.map((k) => k.name);
    expect(names).toEqual(['erp', 'b', 'erp-active']);
  });

  test('is Stalled while a person has to act, and not Reconciling then', () => {
    const refusal = { reason: 'DeploymentRefused', message: 'quota' };
    const status = pass(settled(), running(), {}, [refusal]).status;
    expect(is(status, 'Stalled')).toMatchObject({ status: 'True', ...refusal });
    expect(is(status, 'Reconciling')?.status).toBe('False');
    expect(is(status, 'Ready')).toMatchObject({ status: 'False', ...refusal });
  });

  test('is Stalled, not Reconciling, when both could be said', () => {
    const unsettled = running();
    const deployment = unsettled.deployment && { ...unsettled.deployment, settled: false };
    const status = pass(settled(), { ...unsettled, deployment }, {}, [
      { reason: 'ServiceRefused', message: 'x' },
    ]).status;
    expect([is(status, 'Stalled')?.status, is(status, 'Reconciling')?.status]).toEqual(['True', 'False']);
  });

  test('is Reconciling, not Stalled, while a new key waits for the authority', () => {
    const away = { reason: 'AuthorityUnreachable', message: 'away' } as const;
    const keySources = [{ name: 'erp', kind: 'found', digest: 'd2', keyId: 'id-2' }] as const;
    const check = (
      fault: { reason: 'AuthorityUnreachable' | 'KeyRevoked'; message: string },
      kind: 'passing' | 'refused',
    ) => pass(settled(), running({ keySources, check: { kind, key: 'erp', fault } })).status;
    const waits = check(away, 'passing');
    expect([is(waits, 'Stalled')?.status, is(waits, 'Reconciling')?.status]).toEqual(['False', 'True']);
    expect(is(waits, 'KeysActive')?.status).toBe('True');
    const refused = check({ reason: 'KeyRevoked', message: 'ask' }, 'refused');
    expect([is(refused, 'Stalled')?.reason, is(refused, 'KeysActive')?.reason]).toEqual(['KeyRevoked', 'KeyRevoked']);
  });

  test('moves the time of a condition only when its status turns', () => {
    const status = settled();
    const later = pass(status, at(nowMs + 120_000, running({ server: answer({ products: products(10) }) }))).status;
    expect(is(later, 'SeatsAvailable')?.lastTransitionTime).toBe('2030-01-01T12:02:00Z');
    expect(is(later, 'Available')?.lastTransitionTime).toBe('2030-01-01T12:00:00Z');
  });

  test('of a refused server keeps what was seen last', () => {
    const before = settled();
    const refused = refusedStatus(
      licenceServer({}, { status: before }),
      { reason: 'ClaimInUse', message: 'by x' },
      nowMs,
    );
    expect(is(refused, 'Stalled')).toEqual({
      type: 'Stalled',
      status: 'True',
      reason: 'ClaimInUse',
      message: 'by x',
      observedGeneration: 1,
      lastTransitionTime: '2030-01-01T12:00:00Z',
    });
    expect(refused.fingerprint).toBe(before.fingerprint);
  });

  test('shows the earliest end of support', () => {
    const more = [
      { ...products(1)[0], product: 'erp', supportUntil: '2031-01-01T00:00:00Z' },
      { ...products(1)[0], product: 'zup', supportUntil: '2030-06-01T00:00:00Z' },
    ] as ReturnType<typeof serverStatus>['products'];
    expect(pass(settled(), running({ server: answer({ products: more }) })).status).toMatchObject({
      supportUntil: '2030-06-01T00:00:00Z',
      seats: '2/20',
    });
  });
});

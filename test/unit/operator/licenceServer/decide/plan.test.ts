import { describe, expect, test } from 'vitest';
import type { LicenceServer, SpecInput, Status } from '../../../../../operator/licenceServer/api/types.ts';
import type { PodParts } from '../../../../../operator/licenceServer/build/deployment.ts';
import { type Defaults, type Plan, plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import type { Observed } from '../../../../../operator/licenceServer/observe/observed.ts';
import { answer, defaults, deployed, keysCopy, licenceServer, nowMs, observed, valid } from '../world.ts';

const decide = (server: LicenceServer, seen: Observed, more: Partial<Defaults> = {}): Plan =>
  plan(valid(server, seen), server.status ?? {}, seen, { ...defaults, ...more });

const first = (spec: SpecInput = {}) => decide(licenceServer(spec), observed({ copies: {}, server: { kind: 'none' } }));

/** A server that runs what `spec` asks for, and what it runs with. */
function settled(spec: SpecInput = {}): { parts: PodParts; seen: Observed; status: Status } {
  const { pod } = first(spec);
  if (pod === undefined) throw new Error('nothing to run');
  const rotation = { copy: pod.keys, key: 'erp', phase: 'Active', startedAt: '', phaseAt: '', attempts: 0 } as const;
  return {
    parts: pod,
    seen: observed({ copies: { [pod.keys]: { erp: 'd1' } }, deployment: deployed(licenceServer(spec), pod) }),
    status: { observedGeneration: 1, keysCopy: pod.keys, rotation },
  };
}

describe('a plan', () => {
  test('for a new server makes the pod, for no reason to restart', () => {
    expect(first()).toMatchObject({ reasons: [], pod: { image: 'licence-server:1', claim: 'office-data' } });
    expect(first().pod?.marks).toEqual({});
  });

  test('for a settled server changes nothing', () => {
    const { parts, seen, status } = settled();
    const again = decide(licenceServer({}, { status }), seen);
    expect(again.reasons).toEqual([]);
    expect(again.pod).toEqual(parts);
    expect(again.wakeAtMs).toBeUndefined();
    expect(again.nextDisruption).toBeUndefined();
  });

  test.each<[string, SpecInput, Partial<LicenceServer['metadata']>, string[]]>([
    ['image', { image: 'licence-server:2' }, {}, ['ImageChanged']],
    ['setting of the server', { seats: { leaseSeconds: 60 } }, {}, ['ConfigChanged']],
    ['resource', { resources: { limits: { memory: '1Gi' } } }, {}, ['TemplateChanged']],
    ['label of the pod', { podTemplate: { metadata: { labels: { team: 'a' } } } }, {}, ['TemplateChanged']],
    ['port of the Service', { service: { port: 80 } }, {}, []],
    ['request to restart', {}, { annotations: { 'licensing.softonit.ru/roll-at': '1' } }, ['RestartRequested']],
    [
      'request to activate again',
      {},
      { annotations: { 'licensing.softonit.ru/reactivate-at': '1' } },
      ['Reactivation'],
    ],
  ])('rolls for a changed %s with just that reason', (_, spec, metadata, reasons) => {
    const { seen, status } = settled();
    const next = decide(licenceServer(spec, { ...metadata, generation: 2, status }), seen);
    expect(next.reasons).toEqual(reasons);
    expect(next.pod?.marks.restartReason).toBe(reasons.length === 0 ? undefined : reasons.join(','));
  });

  test('carries marks over when their request is taken away', () => {
    const asked = { annotations: { 'licensing.softonit.ru/roll-at': '1' } };
    const { seen, status } = settled();
    const pod = decide(licenceServer({}, { ...asked, status }), seen).pod as PodParts;
    const later = { ...seen, deployment: deployed(licenceServer(), pod) };
    expect(decide(licenceServer({}, { status }), later)).toMatchObject({ reasons: [], pod });
  });

  test('rolls for keys only after that was written', () => {
    const { seen, status } = settled();
    const changed = {
      ...seen,
      keySources: [{ name: 'erp', kind: 'found', digest: 'd2', keyId: 'id-2' }] as const,
      check: { kind: 'usable' } as const,
    };
    const now = decide(licenceServer({}, { status }), changed);
    expect(now).toMatchObject({ reasons: [], wakeAtMs: nowMs, rotation: { rotation: { phase: 'Rolling' } } });
    const written = { ...status, rotation: now.rotation.rotation, keysCopy: now.rotation.proven } as Status;
    expect(decide(licenceServer({}, { status: written }), changed).reasons).toEqual(['KeysChanged']);
  });

  test('rolls for stale seats only after that was written, with the mark that the server clears by', () => {
    const { seen, status } = settled();
    const stale = {
      ...seen,
      server: answer({ products: [{ product: 'erp', seatLimit: 9, seatsInUse: 1, seatsStale: 1, holdersWaiting: 0 }] }),
    };
    const now = decide(licenceServer({}, { status }), stale);
    expect(now).toMatchObject({ reasons: [], countsInFleet: true });
    const next = decide(
      licenceServer({}, { status: { ...status, staleSeats: now.staleSeats.status } as Status }),
      stale,
    );
    expect(next.reasons).toEqual(['StaleSeats']);
    expect(next.pod?.marks.clearing).toBe(now.staleSeats.status?.clearing?.id);
  });

  test('of another operator version waits for its place in the fleet; what a person asks for does not', () => {
    const { seen, status } = settled();
    const busy = { ...seen, fleet: { budget: false, message: 'no more than 1' } };
    const upgraded = decide(licenceServer({}, { status }), busy, { image: 'licence-server:2' });
    expect(upgraded).toMatchObject({ pod: undefined, reasons: [], pending: ['ImageChanged'], waitsForFleet: true });
    expect(upgraded.nextDisruption).toEqual({ reasons: ['ImageChanged'], message: 'no more than 1' });
    const free = decide(licenceServer({}, { status }), seen, { image: 'licence-server:2' });
    expect(free).toMatchObject({ reasons: ['ImageChanged'], countsInFleet: true });
    const edited = decide(licenceServer({ image: 'licence-server:2' }, { generation: 2, status }), busy);
    expect(edited).toMatchObject({ reasons: ['ImageChanged'], countsInFleet: false });
  });

  test('makes no pod that could not start, and leaves one that runs as it is', () => {
    const spec = { database: { secretRef: { name: 'db' } } } as const;
    const gone = { kind: 'missing', message: 'Secret db does not exist; create it' } as const;
    expect(decide(licenceServer(spec), observed({ copies: {}, database: gone })).pod).toBeUndefined();
    const there = { kind: 'found', digest: 'v1' } as const;
    const pod = decide(licenceServer(spec), observed({ copies: {}, database: there })).pod as PodParts;
    const status = {
      observedGeneration: 1,
      keysCopy,
      rotation: { ...settled().status.rotation, copy: pod.keys },
    } as Status;
    const runs = observed({ copies: { [pod.keys]: { erp: 'd1' } }, deployment: deployed(licenceServer(spec), pod) });
    const kept = decide(licenceServer(spec, { status }), { ...runs, database: gone });
    expect(kept).toMatchObject({ reasons: [], pod: { databaseDigest: 'v1' } });
    const changed = decide(licenceServer(spec, { status }), { ...runs, database: { kind: 'found', digest: 'v2' } });
    expect(changed.reasons).toEqual(['ConfigChanged']);
  });

  test('of another operator version holds nothing back from a server that is suspended: no pod rolls', () => {
    const { seen, status } = settled({ suspend: true });
    const busy = { ...seen, fleet: { budget: false, message: 'no more than 1' } };
    const upgraded = decide(licenceServer({ suspend: true }, { status }), busy, { image: 'licence-server:2' });
    expect(upgraded).toMatchObject({ pending: [], pod: { image: 'licence-server:2' } });
  });

  test('keeps the mark of the last clearing, so that a later pass does not roll again', () => {
    const { parts, seen, status } = settled();
    const marks = { clearing: 'c1', restartReason: 'StaleSeats' };
    const after = { ...seen, deployment: deployed(licenceServer(), { ...parts, marks }) };
    expect(decide(licenceServer({}, { status }), after)).toMatchObject({ reasons: [], pod: { marks } });
  });

  test('does nothing while paused, and says what it would do', () => {
    const { seen, status } = settled();
    const paused = { annotations: { 'licensing.softonit.ru/pause': 'true' }, generation: 2, status };
    expect(decide(licenceServer({ image: 'licence-server:2' }, paused), seen)).toMatchObject({
      paused: true,
      pod: undefined,
      reasons: [],
      pending: ['ImageChanged'],
    });
    const not = { annotations: { 'licensing.softonit.ru/pause': 'false' }, status };
    expect(decide(licenceServer({}, not), seen).paused).toBe(false);
  });

  test('keeps an image that the overlay names, and rolls once for it', () => {
    const spec = { podTemplate: { spec: { containers: [{ name: 'server', image: 'private/server:7' }] } } };
    const { seen, status } = settled(spec);
    expect(seen.deployment?.facts.image).toBe('private/server:7');
    expect(decide(licenceServer(spec, { status }), seen).reasons).toEqual([]);
  });
});

import { describe, expect, test } from 'vitest';
import type { Defaults } from '../../../../../operator/licenceServer/api/defaults.ts';
import type { LicenceServer, SpecInput, Status } from '../../../../../operator/licenceServer/api/types.ts';
import { deployment } from '../../../../../operator/licenceServer/build/deployment.ts';
import { type Plan, plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import { viewOfDeployment } from '../../../../../operator/licenceServer/observe/deploymentView.ts';
import type { Observed } from '../../../../../operator/licenceServer/observe/observed.ts';
import type { PodParts } from '../../../../../operator/licenceServer/pod/template.ts';
import { answer, defaults, deployed, keysCopy, licenceServer, nowMs, observed, owner, valid } from '../world.ts';

const decide = (server: LicenceServer, seen: Observed, more: Partial<Defaults> = {}): Plan =>
  plan(valid(server, seen), server.status ?? {}, seen, { ...defaults, ...more });

const first = (spec: SpecInput = {}, more: Partial<Observed> = {}) =>
  decide(licenceServer(spec), observed({ copies: {}, server: { kind: 'none' }, ...more }));

/** A server that runs what `spec` asks for, and what it runs with. */
function settled(
  spec: SpecInput = {},
  more: Partial<Observed> = {},
): { parts: PodParts; seen: Observed; status: Status } {
  const { pod } = first(spec, more);
  if (pod === undefined) throw new Error('nothing to run');
  const rotation = { copy: pod.keys, key: 'erp', phase: 'Active', startedAt: '', phaseAt: '', attempts: 0 } as const;
  return {
    parts: pod,
    seen: observed({ ...more, copies: { [pod.keys]: { erp: 'd1' } }, deployment: deployed(licenceServer(spec), pod) }),
    status: { observedGeneration: 1, keysCopy: pod.keys, rotation },
  };
}

const busy = (seen: Observed): Observed => ({ ...seen, fleet: { budget: false, message: 'no more than 1' } });
const stale = { product: 'erp', seatLimit: 9, seatsInUse: 3, seatsStale: 1, holdersWaiting: 0 };
const scalable = {
  database: { secretRef: { name: 'db' } },
  storage: { accessModes: ['ReadWriteMany'] },
} satisfies SpecInput;
interface Built {
  readonly metadata: object;
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: object };
      readonly spec: { readonly containers: readonly object[] };
    };
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
    const seenStale = {
      ...seen,
      server: answer({ products: [{ ...stale, seatsInUse: 1 }] }),
    };
    const now = decide(licenceServer({}, { status }), seenStale);
    expect(now).toMatchObject({ reasons: [], countsInFleet: true });
    const next = decide(
      licenceServer({}, { status: { ...status, staleSeats: now.staleSeats.status } as Status }),
      seenStale,
    );
    expect(next.reasons).toEqual(['StaleSeats']);
    expect(next.pod?.marks.clearing).toBe(now.staleSeats.status?.clearing?.id);
  });

  test('of another operator version waits for its place in the fleet; what a person asks for does not', () => {
    const { parts, seen, status } = settled();
    const upgraded = decide(licenceServer({}, { status }), busy(seen), { image: 'licence-server:2' });
    expect(upgraded).toMatchObject({ pod: parts, reasons: [], pending: ['ImageChanged'], waitsForFleet: true });
    expect(upgraded.nextDisruption).toEqual({ reasons: ['ImageChanged'], message: 'no more than 1' });
    expect(upgraded.wakeAtMs).toBeUndefined();
    const free = decide(licenceServer({}, { status }), seen, { image: 'licence-server:2' });
    expect(free).toMatchObject({ reasons: ['ImageChanged'], countsInFleet: true });
    expect(free.pod?.pacedAt).toBe('2030-01-01T12:00:00Z');
    const edited = decide(licenceServer({ image: 'licence-server:2' }, { generation: 2, status }), busy(seen));
    expect(edited).toMatchObject({ reasons: ['ImageChanged'], countsInFleet: false, pod: { pacedAt: undefined } });
  });

  describe('while another operator version waits for its place', () => {
    const next = { image: 'licence-server:2' };
    test.each<[string, SpecInput, Partial<LicenceServer['metadata']>, string[]]>([
      ['annotation of the Service', { service: { annotations: { team: 'a' } } }, {}, []],
      ['threshold', { staleSeats: { threshold: 7 } }, {}, []],
      ['resource', { resources: { limits: { memory: '1Gi' } } }, {}, ['TemplateChanged']],
      ['setting', { seats: { leaseSeconds: 60 } }, {}, ['ConfigChanged']],
      ['request to restart', {}, { annotations: { 'licensing.softonit.ru/roll-at': '1' } }, ['RestartRequested']],
    ])('takes an edit of a %s for no consent to its image', (_, spec, metadata, reasons) => {
      const { seen, status } = settled();
      const server = licenceServer(spec, { ...metadata, generation: 2, status });
      const now = decide(server, busy(seen), next);
      expect(now).toMatchObject({ reasons, pending: ['ImageChanged'], countsInFleet: false });
      expect(now.pod).toMatchObject({ image: 'licence-server:1', pacedAt: undefined });
      // Nor later, when the edit is an old one.
      const after = { ...busy(seen), deployment: deployed(server, now.pod as PodParts) };
      const then = licenceServer(spec, { ...metadata, generation: 2, status: { ...status, observedGeneration: 2 } });
      expect(decide(then, after, next)).toMatchObject({ reasons: [], pending: ['ImageChanged'] });
    });

    test('applies another number of replicas at once', () => {
      const spec = { ...scalable, replicas: 2 };
      const { seen, status } = settled(scalable);
      const now = decide(licenceServer(spec, { generation: 2, status }), busy(seen), next);
      expect(now).toMatchObject({ reasons: [], pending: ['ImageChanged'], pod: { image: 'licence-server:1' } });
    });

    test('leaves alone a pod that it would render otherwise, and lets that come along with what a person asks for', () => {
      const { seen, status } = settled();
      const old = { ...seen.deployment, facts: { ...seen.deployment?.facts, rest: 'of before' } } as never;
      const rendered = { ...busy(seen), deployment: old };
      expect(decide(licenceServer({}, { status }), rendered)).toMatchObject({
        pod: undefined,
        pending: ['TemplateChanged'],
      });
      const asked = licenceServer({ image: 'licence-server:9' }, { generation: 2, status });
      expect(decide(asked, rendered)).toMatchObject({
        reasons: ['ImageChanged', 'TemplateChanged'],
        countsInFleet: false,
      });
    });

    test.each<[string, Partial<Observed>]>([
      ['database', { database: { kind: 'found', digest: 'v2' } }],
      ['trusted keys', { trust: { kind: 'found', digest: 't2', text: '{}' } }],
    ])('takes changed credentials of the %s at once, without the settings that wait', (_, changed) => {
      const spec = {
        database: { secretRef: { name: 'db' } },
        activation: { authority: { trustedKeys: { configMapRef: { name: 'vendor' } } } },
      };
      const found = { database: { kind: 'found', digest: 'v1' }, trust: { kind: 'found', digest: 't1' } } as const;
      const { seen, status } = settled(spec, found);
      const { facts } = seen.deployment as { facts: { config: string } };
      const deployment = { ...seen.deployment, facts: { ...facts, config: 'office-config-of-before' } } as never;
      const now = decide(licenceServer(spec, { status }), { ...busy(seen), deployment, ...changed }, next);
      expect(now).toMatchObject({ reasons: ['ConfigChanged'], countsInFleet: false, pending: ['ImageChanged'] });
      expect(now.pod).toMatchObject({ config: 'office-config-of-before', image: 'licence-server:1' });
    });

    test('clears stale seats in its turn, and releases them at once', () => {
      const { seen, status } = settled();
      const held = { ...busy(seen), server: answer({ products: [stale] }) };
      expect(decide(licenceServer({ staleSeats: { when: 'Always' } }, { status }), held, next)).toMatchObject({
        waitsForFleet: true,
        nextDisruption: { reasons: ['StaleSeats', 'ImageChanged'], message: 'no more than 1' },
      });
      const release = { staleSeats: { when: 'Always', policy: 'Release' } } as const;
      const releases = decide(licenceServer(release, { status }), held, next);
      expect(releases.staleSeats.status?.clearing).toMatchObject({ by: 'Release' });
    });
  });

  test.each<[string, SpecInput, string[]]>([
    ['image', { image: 'licence-server:2' }, ['ImageChanged']],
    ['setting', { seats: { leaseSeconds: 60 } }, ['ConfigChanged']],
    ['resource', { resources: { limits: { memory: '1Gi' } } }, ['TemplateChanged']],
  ])('takes an edit of the %s for a person’s however long ago it was seen', (_, spec, reasons) => {
    const { seen, status } = settled();
    // A pass of a paused or a refused server has noted the generation already.
    const noted = { ...status, observedGeneration: 2 };
    const now = decide(licenceServer(spec, { generation: 2, status: noted }), busy(seen));
    expect(now).toMatchObject({ reasons, pending: [], countsInFleet: false });
  });

  test('keeps the moment of its own decision until the pod is up, or a person’s roll takes its place', () => {
    const { parts, seen, status } = settled();
    const pacedAt = '2030-01-01T11:00:00Z';
    const rolling = (settledNow: boolean) => ({
      ...seen,
      deployment: deployed(licenceServer(), { ...parts, pacedAt }, { settled: settledNow }),
    });
    expect(decide(licenceServer({}, { status }), rolling(false)).pod?.pacedAt).toBe(pacedAt);
    expect(decide(licenceServer({}, { status }), rolling(true)).pod?.pacedAt).toBeUndefined();
    const typo = licenceServer({ image: 'licence-sever:2' }, { generation: 2, status });
    expect(decide(typo, rolling(false)).pod?.pacedAt).toBeUndefined();
  });

  test('decides no roll of its own while the claim is being deleted: the volume would go with the pod', () => {
    const { seen, status } = settled();
    const claim = { name: 'office-data', phase: 'Bound', deleting: true, capacity: '1Gi' };
    const going = { ...seen, claim, server: answer({ products: [stale] }) };
    const always = { staleSeats: { when: 'Always' } } as const;
    const now = decide(licenceServer(always, { status }), going, { image: 'licence-server:2' });
    expect(now).toMatchObject({ reasons: [], pending: ['ImageChanged'], waitsForFleet: false });
    expect(now.staleSeats.status?.clearing).toBeUndefined();
    expect(now.nextDisruption?.message).toContain('the volume is lost as soon as no pod uses it');
    const keySources = [{ name: 'erp', kind: 'found', digest: 'd2', keyId: 'id-2' }] as const;
    const rotated = decide(licenceServer({}, { status }), { ...going, keySources, check: { kind: 'usable' } });
    expect(rotated.rotation.rotation).toMatchObject({ phase: 'Checked', reason: 'WaitingForClaim' });
    const asked = { annotations: { 'licensing.softonit.ru/roll-at': '1' }, status };
    expect(decide(licenceServer({}, asked), going).reasons).toEqual(['RestartRequested']);
    // Somebody else's change of what it refers to is no consent either.
    const database = { secretRef: { name: 'database', key: 'uri' } };
    const told = (digest: string) => ({ database: { kind: 'found', digest } as const });
    const external = settled({ database }, told('d1'));
    const changed = { ...external.seen, claim, ...told('d2') };
    const waits = decide(licenceServer({ database }, { status: external.status }), changed);
    expect(waits).toMatchObject({ reasons: [], pending: ['ConfigChanged'], pod: { databaseDigest: 'd1' } });
    const here = { ...changed, claim: { ...claim, deleting: false } };
    expect(decide(licenceServer({ database }, { status: external.status }), here).reasons).toEqual(['ConfigChanged']);
  });

  test('takes what the cluster made of a template for no change: images, containers and labels that were put in', () => {
    const { parts, seen, status } = settled();
    const built = deployment(owner, valid(licenceServer(), seen).spec, parts) as unknown as Built;
    const { template } = built.spec;
    const server = { ...template.spec.containers[0], image: 'registry.corp.example/licence-server:1' };
    const mutated = {
      ...built,
      spec: {
        ...built.spec,
        template: {
          metadata: { ...template.metadata, labels: { ...template.metadata.labels, injected: 'yes' } },
          spec: { ...template.spec, containers: [server, { name: 'proxy', image: 'proxy:1' }] },
        },
      },
    };
    const live = { ...viewOfDeployment(mutated as never), settled: true, replicas: 1, available: 1 };
    expect(decide(licenceServer({}, { status }), { ...seen, deployment: live }).reasons).toEqual([]);
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
    const upgraded = decide(licenceServer({ suspend: true }, { status }), busy(seen), { image: 'licence-server:2' });
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

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Applied, Applier, type Desired } from '../../operator/kube/apply.ts';
import { controllerReference, type KubeObject, keyFor } from '../../operator/kube/object.ts';
import { kinds, type ResourceKind } from '../../operator/kube/resourceKind.ts';
import { Store } from '../../operator/kube/store.ts';
import { createMechanicsWorld, type MechanicsWorld } from '../support/mechanicsWorld.ts';

let world: MechanicsWorld;
let owner: KubeObject;
beforeEach(async () => {
  world = await createMechanicsWorld();
  owner = await world.setMap('owner', {});
});
afterEach(() => world[Symbol.asyncDispose]());

const createApplier = (storeOf: (kind: ResourceKind) => Store | undefined = () => undefined) =>
  new Applier({
    client: world.client,
    fieldManager: 'operator',
    hashAnnotation: 'example.org/applied',
    metrics: world.kubeMetrics,
    storeOf,
  });
/** What the real objects are now, straight from the API server, without what stores leave out. */
async function look({ kind, object }: Desired): Promise<KubeObject | undefined> {
  const found = await world.others.get(kind, world.namespace, object.metadata.name);
  const store = new Store();
  if (found !== undefined) store.put(found);
  return store.list()[0];
}
async function applyAll(applier: Applier, desired: readonly Desired[]): Promise<Applied[]> {
  const seen = new Map<string, KubeObject | undefined>();
  for (const each of desired) seen.set(`${each.kind.kind}/${each.object.metadata.name}`, await look(each));
  return applier.applyAll(desired, (kind, _, name) => seen.get(`${kind.kind}/${name}`));
}
const outcomes = (applied: readonly Applied[]) => applied.map((a) => a.outcome);
const metadata = (name: string): KubeObject['metadata'] => ({
  namespace: world.namespace,
  name,
  labels: { app: name },
  ownerReferences: [controllerReference(owner)],
});
const map = (data: Record<string, string>, annotations?: Record<string, string>): Desired => ({
  kind: kinds.ConfigMap,
  object: { metadata: { ...metadata('m'), ...(annotations ? { annotations } : {}) }, data },
});
const patch = (kind: ResourceKind, name: string, body: unknown) =>
  world.others.mergePatch(kind, world.namespace, name, body);

/** One of each kind that controllers commonly own, with quantities, defaults and shared lists in them. */
const children = (): Desired[] => [
  { kind: kinds.ServiceAccount, object: { metadata: metadata('s'), automountServiceAccountToken: false } },
  { kind: kinds.Secret, object: { metadata: metadata('s'), immutable: true, type: 'Opaque', data: { a: 'YQ==' } } },
  map({ a: 'b' }),
  {
    kind: kinds.PersistentVolumeClaim,
    object: {
      metadata: metadata('p'),
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1024Mi' } } },
    },
  },
  {
    kind: kinds.Deployment,
    object: {
      metadata: metadata('d'),
      spec: {
        replicas: 1,
        strategy: { type: 'Recreate' },
        selector: { matchLabels: { app: 'd' } },
        template: {
          metadata: { labels: { app: 'd' }, annotations: { note: 'x' } },
          spec: {
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, runAsUser: 10001, fsGroup: 10001 },
            volumes: [
              { name: 'tmp', emptyDir: { sizeLimit: '1024Mi' } },
              { name: 'keys', secret: { secretName: 's', defaultMode: 0o440 } },
            ],
            containers: [
              {
                name: 'app',
                image: 'example.org/app:1',
                env: [
                  { name: 'A', value: 'b' },
                  { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1' } } },
                ],
                ports: [{ name: 'http', containerPort: 8080 }],
                resources: { requests: { cpu: '1000m', memory: '1024Mi' }, limits: { memory: '2048Mi' } },
                readinessProbe: { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 5 },
                securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
                volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
              },
            ],
            topologySpreadConstraints: [
              {
                maxSkew: 1,
                topologyKey: 'kubernetes.io/hostname',
                whenUnsatisfiable: 'ScheduleAnyway',
                labelSelector: { matchLabels: { app: 'd' } },
              },
            ],
          },
        },
      },
    },
  },
  {
    kind: kinds.Service,
    object: {
      metadata: metadata('s'),
      spec: { selector: { app: 'd' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
    },
  },
  {
    kind: kinds.NetworkPolicy,
    object: {
      metadata: metadata('n'),
      spec: {
        podSelector: { matchLabels: { app: 'd' } },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 8080, protocol: 'TCP' }] }],
      },
    },
  },
  {
    kind: kinds.Ingress,
    object: {
      metadata: metadata('i'),
      spec: {
        rules: [
          {
            host: 'a.example.org',
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { name: 'http' } } } }],
            },
          },
        ],
      },
    },
  },
  {
    kind: kinds.PodDisruptionBudget,
    object: { metadata: metadata('b'), spec: { maxUnavailable: 1, selector: { matchLabels: { app: 'd' } } } },
  },
];

describe('applying', () => {
  it('creates what is missing, and writes nothing any more, not even after a restart', async () => {
    const applier = createApplier();
    expect(outcomes(await applyAll(applier, children()))).toEqual(children().map(() => 'created'));
    const written = world.proxy.writes();
    expect(written).toBe(children().length);
    expect(outcomes(await applyAll(applier, children()))).toEqual(children().map(() => 'unchanged'));
    expect(outcomes(await applyAll(createApplier(), children()))).toEqual(children().map(() => 'unchanged'));
    expect(world.proxy.writes()).toBe(written);
  });

  it('puts back what others changed or removed of ours, and leaves alone what is theirs', async () => {
    const applier = createApplier();
    await applyAll(applier, children());
    await patch(kinds.Deployment, 'd', {
      spec: { replicas: 5, paused: true },
      metadata: { annotations: { theirs: 'x' } },
    });
    await patch(kinds.ServiceAccount, 's', { automountServiceAccountToken: null });
    await patch(kinds.Service, 's', { spec: { selector: { app: 'other' }, sessionAffinity: 'ClientIP' } });
    await world.others.delete(kinds.Ingress, world.namespace, 'i');
    const applied = await applyAll(applier, children());
    const of = (kind: ResourceKind) => applied.find((a) => a.kind === kind);
    expect(of(kinds.Deployment)).toMatchObject({
      outcome: 'updated',
      changed: ['spec.replicas'],
      object: { metadata: { annotations: { theirs: 'x' } }, spec: { replicas: 1, paused: true } },
    });
    expect(of(kinds.ServiceAccount)).toMatchObject({
      outcome: 'updated',
      object: { automountServiceAccountToken: false },
    });
    expect(of(kinds.Service)?.object).toMatchObject({ spec: { selector: { app: 'd' }, sessionAffinity: 'ClientIP' } });
    expect(of(kinds.Ingress)?.outcome).toBe('created');
    expect(applied.filter((a) => a.outcome !== 'unchanged')).toHaveLength(4);
  });

  it('keeps a sidecar that somebody else put in, and takes back a rule of ours that grew', async () => {
    const applier = createApplier();
    await applyAll(applier, children());
    const theirs = { fieldManager: 'injector' };
    await world.others.apply(
      kinds.Deployment,
      {
        metadata: { namespace: world.namespace, name: 'd' },
        spec: { template: { spec: { containers: [{ name: 'sidecar', image: 'example.org/sidecar' }] } } },
      },
      theirs,
    );
    expect((await applyAll(applier, children())).every((a) => a.outcome === 'unchanged')).toBe(true);
    await patch(kinds.NetworkPolicy, 'n', { spec: { ingress: [{}] } });
    const applied = await applyAll(applier, children());
    expect(applied.filter((a) => a.outcome === 'updated').map((a) => a.kind.kind)).toEqual(['NetworkPolicy']);
    const [deployment] = applied.filter((a) => a.kind === kinds.Deployment);
    expect(JSON.stringify(deployment?.object.spec)).toContain('example.org/sidecar');
  });

  it('takes away what is no longer wanted', async () => {
    const applier = createApplier();
    await applyAll(applier, [map({ a: '1', b: '2' }, { note: 'x' })]);
    await patch(kinds.ConfigMap, 'm', { data: { theirs: '3' } });
    const [applied] = await applyAll(applier, [map({ a: '1' })]);
    expect(applied).toMatchObject({ outcome: 'updated', object: { data: { a: '1', theirs: '3' } } });
    expect(applied?.object.metadata.annotations).not.toHaveProperty('note');
    expect(applied?.object.data).not.toHaveProperty('b');
  });

  it('does not write for ever what the API server stores otherwise', async () => {
    const applier = createApplier();
    const odd: Desired = {
      kind: kinds.Service,
      object: {
        metadata: { ...metadata('o'), annotations: {} },
        spec: { ports: [{ port: 80 }], selector: {}, externalIPs: [], publishNotReadyAddresses: false },
      },
    };
    expect(outcomes(await applyAll(applier, [odd]))).toEqual(['created']);
    const written = world.proxy.writes();
    for (let i = 0; i < 5; i++) expect(outcomes(await applyAll(applier, [odd]))).toEqual(['unchanged']);
    expect(world.proxy.writes() - written).toBeLessThanOrEqual(1);
    await patch(kinds.Service, 'o', { spec: { publishNotReadyAddresses: true } });
    expect(outcomes(await applyAll(applier, [odd]))).toEqual(['updated']);
  });

  it('takes over nothing by force that it was told is not there', async () => {
    await world.others.apply(
      kinds.ConfigMap,
      { metadata: { namespace: world.namespace, name: 'm' }, data: { a: 'theirs' } },
      { fieldManager: 'person' },
    );
    const error = await createApplier()
      .apply(map({ a: 'ours' }), undefined)
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ status: 409 });
    expect(await look(map({}))).toMatchObject({ data: { a: 'theirs' } });
  });

  it('takes over what it was shown', async () => {
    await world.setMap('m', { a: 'theirs' });
    const [applied] = await applyAll(createApplier(), [map({ a: 'ours' })]);
    expect(applied).toMatchObject({ outcome: 'updated', object: { data: { a: 'ours' } } });
  });

  it('in a dry run changes nothing, and says what would change', async () => {
    const store = new Store();
    const applier = createApplier(() => store).dryRun();
    const [applied] = await applyAll(applier, [map({ a: 'b' })]);
    expect([applied?.outcome, await look(map({})), store.size]).toEqual(['created', undefined, 0]);
  });

  it('does not trust a store that lags behind own writes: the second pass sees the first', async () => {
    const { store, reflector } = world.follow({ labelSelector: 'app=m' });
    await reflector.whenSynced();
    await expect.poll(() => world.proxy.requests.some((r) => r.isWatch)).toBe(true);
    world.proxy.silence();
    const applier = createApplier((kind) => (kind === kinds.ConfigMap ? store : undefined));
    const pass = () => applier.applyAll([map({ a: 'b' })], (_, ns, name) => store.get(keyFor(ns, name)));
    expect(outcomes(await pass())).toEqual(['created']);
    expect(outcomes(await pass())).toEqual(['unchanged']);
    const object = store.get(`${world.namespace}/m`);
    if (object) await applier.delete(kinds.ConfigMap, object);
    expect(store.size).toBe(0);
    expect(outcomes(await pass())).toEqual(['created']);
    expect(world.proxy.writes()).toBe(3);
  });

  it('deletes exactly the object that it saw', async () => {
    const applier = createApplier();
    const [applied] = await applyAll(applier, [map({ a: 'b' })]);
    await world.others.delete(kinds.ConfigMap, world.namespace, 'm');
    await world.setMap('m', { successor: 'yes' });
    const error = await applier.delete(kinds.ConfigMap, applied?.object ?? owner).catch((e: unknown) => e);
    expect(error).toMatchObject({ status: 409 });
    expect(await look(map({}))).toBeDefined();
  });

  it('retries nothing itself: a cut write throws, and the next pass settles it', async () => {
    const applier = createApplier();
    world.proxy.fault = ({ isWrite }) => (isWrite ? { cut: 'after' } : undefined);
    await expect(applyAll(applier, [map({ a: 'b' })])).rejects.toThrow();
    world.proxy.fault = () => undefined;
    expect(outcomes(await applyAll(applier, [map({ a: 'b' })]))).toEqual(['unchanged']);
  });
});

describe('applying a status', () => {
  /** A kind that no controller of the cluster touches. */
  const widget = (): ResourceKind => ({
    group: `${world.namespace}.example.org`,
    version: 'v1',
    kind: 'Widget',
    plural: 'widgets',
    namespaced: true,
  });
  const look = async (): Promise<KubeObject> => {
    const found = await world.others.get(widget(), world.namespace, 'w');
    if (found === undefined) throw new Error('the widget is gone');
    return found;
  };
  const create = () => world.others.create(widget(), { metadata: { namespace: world.namespace, name: 'w' } });
  beforeEach(async () => {
    const { group, kind, plural } = widget();
    const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    await world.others.create(kinds.CustomResourceDefinition, {
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { kind, plural },
        versions: [
          { name: 'v1', served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema } },
        ],
      },
    });
    await expect.poll(() => create().catch(() => undefined), { timeout: 15_000 }).toBeDefined();
  });
  afterEach(async () => {
    const { group, plural } = widget();
    await world.others.delete(kinds.CustomResourceDefinition, undefined, `${plural}.${group}`);
  });

  it('writes it once, and takes away what is left out, however deep', async () => {
    const applier = createApplier();
    const first = await applier.applyStatus(widget(), await look(), { a: 1, b: { c: 2, d: 3 } });
    expect(first).toMatchObject({ outcome: 'updated', object: { status: { a: 1, b: { c: 2, d: 3 } } } });
    const again = await applier.applyStatus(widget(), await look(), { b: { d: 3, c: 2 }, a: 1 });
    expect([again.outcome, world.proxy.writes()]).toEqual(['unchanged', 1]);
    const less = await applier.applyStatus(widget(), await look(), { a: undefined, b: { c: 2 } });
    expect([less.outcome, less.object.status]).toEqual(['updated', { b: { c: 2 } }]);
  });

  it('puts back what others changed, and does not fight for what they added', async () => {
    const applier = createApplier();
    await applier.applyStatus(widget(), await look(), { a: 1 });
    await world.others.mergePatch(widget(), world.namespace, 'w', { status: { a: 2, theirs: 3 } }, 'status');
    const back = await applier.applyStatus(widget(), await look(), { a: 1 });
    expect([back.outcome, back.object.status]).toEqual(['updated', { a: 1, theirs: 3 }]);
    const writes = world.proxy.writes();
    expect((await applier.applyStatus(widget(), await look(), { a: 1 })).outcome).toBe('unchanged');
    expect(world.proxy.writes()).toBe(writes);
  });

  it('does not mind what happened to the rest of the object, but writes nothing over a status that it did not see', async () => {
    const applier = createApplier();
    const seen = await look();
    await world.others.mergePatch(widget(), world.namespace, 'w', { spec: { a: 1 } });
    expect(await applier.applyStatus(widget(), seen, { a: 1 })).toMatchObject({
      outcome: 'updated',
      object: { spec: { a: 1 }, status: { a: 1 } },
    });
    const error = await applier.applyStatus(widget(), seen, { a: 2 }).catch((e: unknown) => e);
    expect(error).toMatchObject({ status: 409 });
    expect((await look()).status).toEqual({ a: 1 });
  });

  it('reaches no successor of the same name', async () => {
    const stale = await look();
    await world.others.delete(widget(), world.namespace, 'w');
    await create();
    const error = await createApplier()
      .applyStatus(widget(), stale, { a: 1 })
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ status: 409 });
    expect((await look()).status).toBeUndefined();
  });
});

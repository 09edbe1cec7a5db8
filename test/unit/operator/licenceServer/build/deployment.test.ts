import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { licenceServerSpec } from '../../../../../operator/licenceServer/api/schema/spec.ts';
import type { SpecInput } from '../../../../../operator/licenceServer/api/types.ts';
import { deployment } from '../../../../../operator/licenceServer/build/deployment.ts';
import { factsOf, factsOfDeployment } from '../../../../../operator/licenceServer/pod/facts.ts';
import { type PodParts, restOf } from '../../../../../operator/licenceServer/pod/template.ts';

const owner = { name: 'office', namespace: 'accounting', uid: 'u1' };
const parts: PodParts = {
  image: 'licence-server:1',
  keys: 'office-keys-1',
  config: 'office-config-1',
  claim: 'office-data',
  marks: {},
  rest: '',
};
const spec = (more: SpecInput = {}) => licenceServerSpec.parse(more);
const partsOf = (more: SpecInput, other: Partial<PodParts>): PodParts => {
  const all = { ...parts, ...other };
  return { ...all, rest: restOf(owner, spec(more), all) };
};
const built = (more: SpecInput = {}, other: Partial<PodParts> = {}) =>
  deployment(owner, spec(more), partsOf(more, other));

const warning =
  'this rolls every licence server at the next upgrade of the operator: see golden.test.ts for how to accept it';

describe('the Deployment', () => {
  // A change of this file restarts every licence server when the operator is upgraded: that must be meant.
  test('is the one that is written down, so that an upgrade rolls no pod by accident', async () => {
    await expect(stringify(built()), warning).toMatchFileSnapshot('golden/minimal.yaml');
    const full = built(
      {
        image: 'private/server:2',
        imagePullPolicy: 'Always',
        imagePullSecrets: [{ name: 'registry' }],
        replicas: 2,
        storage: { accessModes: ['ReadWriteMany'] },
        database: { secretRef: { name: 'db' } },
        activation: {
          authority: {
            url: 'https://authority.example',
            trustedKeys: { configMapRef: { name: 'vendor' } },
            caRef: { configMap: { name: 'ca' } },
          },
        },
        access: { clients: 'ServiceAccount' },
        tls: { secretName: 'office-tls' },
        resources: { requests: { cpu: '100m' } },
        podTemplate: {
          metadata: { labels: { team: 'a' }, annotations: { note: 'b' } },
          spec: {
            tolerations: [{ key: 'office', operator: 'Exists' }],
            containers: [
              { name: 'server', env: [{ name: 'LOG_LEVEL', value: 'debug' }] },
              { name: 'sidecar', image: 'sidecar:1' },
            ],
          },
        },
      },
      {
        trust: 'office-trust-1',
        databaseDigest: 'd1',
        marks: { clearing: 'c1', rolledAt: '2030-01-01T00:00:00Z', reactivation: 'r1', restartReason: 'StaleSeats' },
      },
    );
    await expect(stringify(full), warning).toMatchFileSnapshot('golden/full.yaml');
  });

  test.each<[string, SpecInput, Partial<PodParts>]>([
    [
      'nothing but marks',
      {},
      { marks: { clearing: 'c', rolledAt: 'r', reactivation: 'a', restartReason: 'StaleSeats' } },
    ],
    ['copies', {}, { keys: 'k', config: 'c', trust: 't', databaseDigest: 'd' }],
    ['an overlay of everything', { podTemplate: { spec: { containers: [{ name: 'server', image: 'x' }] } } }, {}],
  ])('with %s tells its facts again when it is read', (_, more, other) => {
    const all = partsOf(more, other);
    expect(factsOfDeployment(deployment(owner, spec(more), all))).toEqual(factsOf(owner, spec(more), all));
  });

  test('gives the pod nothing that the restricted Pod Security Standard forbids', () => {
    const pod = (built().spec as { template: { spec: Record<string, never> } }).template.spec as unknown as {
      securityContext: object;
      containers: { securityContext: object }[];
      volumes: object[];
    };
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(pod.containers.map((c) => c.securityContext)).toEqual([
      { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    ]);
    expect(pod.volumes.every((v) => !('hostPath' in v))).toBe(true);
  });

  test('has no replica while suspended', () => {
    expect(built({ suspend: true }).spec).toMatchObject({ replicas: 0 });
  });

  test('is recreated at one replica, since two pods cannot mount its volume', () => {
    expect(built().spec).toMatchObject({ strategy: { type: 'Recreate' } });
    expect(built({ replicas: 2 }).spec).toMatchObject({ strategy: { type: 'RollingUpdate' } });
  });

  test('clears stale seats at a start only for a mark, and once for each', () => {
    const value = (marks: PodParts['marks']) => {
      const { template } = built({}, { marks }).spec as {
        template: { spec: { containers: { env: { name: string; value: string }[] }[] } };
      };
      return template.spec.containers[0]?.env.find((e) => e.name === 'LICENCE_CLEAR_STALE')?.value;
    };
    expect(value({})).toBe('never');
    expect(value({ clearing: 'c1' })).toBe('once:c1');
    expect(value({ clearing: 'c1', rolledAt: '2030-01-01T00:00:00Z' })).toBe('once:c1.2030-01-01T00-00-00Z');
  });
});

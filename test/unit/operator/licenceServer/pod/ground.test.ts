import { describe, expect, test } from 'vitest';
import type { PodDefaults } from '../../../../../operator/licenceServer/api/defaults.ts';
import type { SpecInput } from '../../../../../operator/licenceServer/api/types.ts';
import { deployment } from '../../../../../operator/licenceServer/build/deployment.ts';
import { restoreJob } from '../../../../../operator/licenceServer/build/restoreJob.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import type { PodParts } from '../../../../../operator/licenceServer/pod/template.ts';
import { podSettings } from '../../../../../operator/podSettings.ts';
import { readConfig } from '../../../../../runtime/config.ts';
import { defaults, deployed, licenceServer, observed, owner, valid } from '../world.ts';

interface Pod {
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly imagePullSecrets?: unknown;
  readonly containers: readonly { readonly resources?: unknown }[];
}
const seen = observed();
function partsOf(spec: SpecInput, pods: PodDefaults | undefined): PodParts {
  const all = pods === undefined ? defaults : { ...defaults, pods };
  const { pod } = plan(valid(licenceServer(spec), seen), {}, seen, all);
  if (pod === undefined) throw new Error('nothing to run');
  return pod;
}
function podOf(spec: SpecInput, pods?: PodDefaults): Pod {
  const child = deployment(owner, valid(licenceServer(spec), seen).spec, partsOf(spec, pods));
  return (child.spec as { template: { spec: Pod } }).template.spec;
}
const ids = { runAsUser: 10_001, runAsGroup: 10_001, fsGroup: 10_001 };
const hardened = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } };

describe('the ids of the pod', () => {
  test.each<[string, SpecInput, PodDefaults | undefined, boolean]>([
    ['are fixed', {}, undefined, true],
    ['are the cluster’s where the operator was told or found so', {}, { fixedIds: false }, false],
    ['are the cluster’s where the resource says so', { fixedIds: 'Disabled' }, { fixedIds: true }, false],
    ['are fixed where the resource says so', { fixedIds: 'Enabled' }, { fixedIds: false }, true],
  ])('%s', (_, spec, pods, areFixed) => {
    const from = { archive: 'latest', destination: { claim: { claimName: 'backups' } } } as never;
    const job = restoreJob(owner, valid(licenceServer(spec), seen).spec, partsOf(spec, pods), from, false);
    const restoring = (job.spec as { template: { spec: Pod } }).template.spec;
    for (const { securityContext } of [podOf(spec, pods), restoring]) {
      expect(securityContext).toMatchObject(areFixed ? { ...ids, ...hardened } : hardened);
      if (!areFixed) for (const id of Object.keys(ids)) expect(securityContext).not.toHaveProperty(id);
    }
  });
});

describe('what the operator was told for the pods of all', () => {
  const pods: PodDefaults = {
    imagePullSecrets: [{ name: 'mirror' }],
    resources: { limits: { memory: '1Gi' } },
  };

  test('stands where the resource says nothing, and gives way where it does', () => {
    expect(podOf({}, pods)).toMatchObject({
      imagePullSecrets: [{ name: 'mirror' }],
      containers: [{ resources: { limits: { memory: '1Gi' } } }],
    });
    const own: SpecInput = { imagePullSecrets: [{ name: 'own' }], resources: { requests: { cpu: '1' } } };
    const pod = podOf(own, pods);
    expect(pod.imagePullSecrets).toEqual([{ name: 'own' }]);
    expect(pod.containers[0]?.resources).toEqual({ requests: { cpu: '1' } });
    expect(podOf({})).not.toHaveProperty('imagePullSecrets');
  });

  test('waits for its turn when it changes, unlike the same in the resource', () => {
    const before = deployed(licenceServer(), partsOf({}, undefined));
    const busy = { budget: false, message: 'another one rolls' };
    const now = observed({ deployment: before, fleet: busy });
    const decide = (spec: SpecInput, of: PodDefaults) =>
      plan(valid(licenceServer(spec), now), {}, now, { ...defaults, pods: of });
    for (const change of [pods, { fixedIds: false }]) {
      expect(decide({}, change)).toMatchObject({ reasons: [], pending: ['TemplateChanged'], waitsForFleet: true });
    }
    expect(decide({}, { fixedIds: true })).toMatchObject({ reasons: [], pending: [] });
    expect(decide({ fixedIds: 'Disabled' }, {})).toMatchObject({ reasons: ['TemplateChanged'], pending: [] });
  });
});

describe('the settings for the pods of all', () => {
  const read = (env: Record<string, string>) => readConfig(podSettings, env);

  test('are read as the chart writes them', () => {
    const resources = { requests: { cpu: '50m' }, limits: { memory: '1Gi', cpu: 2 } };
    expect(
      read({
        OPERATOR_SERVER_PULL_SECRETS: 'mirror, other,mirror',
        OPERATOR_SERVER_RESOURCES: JSON.stringify(resources),
        OPERATOR_FIXED_IDS: 'Disabled',
      }),
    ).toEqual({
      OPERATOR_SERVER_PULL_SECRETS: [{ name: 'mirror' }, { name: 'other' }],
      OPERATOR_SERVER_RESOURCES: resources,
      OPERATOR_FIXED_IDS: 'Disabled',
    });
    expect(read({})).toEqual({ OPERATOR_FIXED_IDS: 'Auto' });
  });

  test.each([
    [{ OPERATOR_SERVER_PULL_SECRETS: 'Mirror' }, '"Mirror" is none'],
    [{ OPERATOR_SERVER_RESOURCES: '{' }, 'must be JSON such as'],
    [{ OPERATOR_SERVER_RESOURCES: '{"limit":{}}' }, 'must be JSON such as'],
    [{ OPERATOR_SERVER_RESOURCES: '{"limits":{"memory":"1 Gi"}}' }, 'limits.memory is "1 Gi", which is no quantity'],
    [{ OPERATOR_FIXED_IDS: 'false' }, 'OPERATOR_FIXED_IDS'],
  ])('refuse %j in a sentence', (env, says) => {
    expect(() => read(env as unknown as Record<string, string>)).toThrow(says);
  });
});

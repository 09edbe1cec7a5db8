import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { fingerprintOf, rawPublicKey } from '../../../licence/fingerprint.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import type { LicenceServer, SpecInput } from '../../../operator/licenceServer/api/types.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

const s3 = { endpoint: 'https://s3.example.org', bucket: 'licences', credentialsSecretRef: { name: 'account' } };
const restoreFrom: NonNullable<SpecInput['restoreFrom']> = {
  destination: { s3 },
  identitySecretRef: { name: 'age' },
};
type Secret = KubeObject & { readonly data?: Record<string, string> };
interface Job extends KubeObject {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly serviceAccountName: string;
        readonly volumes: readonly { readonly name: string }[];
        readonly containers: readonly {
          readonly args: readonly string[];
          readonly env: readonly { readonly name: string; readonly value?: string }[];
          readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
        }[];
      };
    };
  };
}
const jobs = async (name = 'office') => {
  const labelSelector = `app.kubernetes.io/instance=${name}`;
  return (await stage.client.list(kinds.Job, { namespace: stage.namespace, labelSelector })).items as unknown as Job[];
};
const theJob = () => eventually('the Job is there', async () => (await jobs())[0]);
/** What the Job's program does: it has no right but this. */
const report = (told: object, stringData: Record<string, string> = {}) =>
  stage.client.mergePatch(kinds.Secret, stage.namespace, 'office-restored', {
    metadata: { annotations: { 'licensing.softonit.ru/restore': JSON.stringify(told) } },
    stringData,
  });
const stalls = (reason: string) => (server: LicenceServer) => condition(server, 'Stalled')?.reason === reason;
async function begin(spec: Partial<SpecInput> = {}) {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.create('office', specWithKey({ restoreFrom, ...spec }));
  return theJob();
}
const archive = 'licence-server-aaaaaaaaaaaaaaaa-20300101T030000Z.tar.gz.age';

test('a new LicenceServer starts from an archive: the same computer with the same tokens, before anything is served, and once', async () => {
  const job = await begin();
  const { containers, volumes } = job.spec.template.spec;
  expect(containers[0]?.args).toEqual(['restore', 'latest', '--report-secret', 'office-restored']);
  const env = Object.fromEntries((containers[0]?.env ?? []).map(({ name, value }) => [name, value]));
  expect(env).toMatchObject({
    LICENCE_BACKUP_S3_BUCKET: 'licences',
    LICENCE_BACKUP_S3_PREFIX: `${stage.namespace}/office/`,
    LICENCE_BACKUP_AGE_IDENTITY: '/etc/licence/age/identity',
  });
  expect(env).not.toHaveProperty('LICENCE_IDENTITY_FILE');
  expect(volumes.map(({ name }) => name).sort()).toEqual(['age', 'backup-account', 'data', 'sockets', 'temporary']);
  const mounted = new Set(volumes.map(({ name }) => name));
  expect(containers[0]?.volumeMounts.every(({ name }) => mounted.has(name))).toBe(true);
  const role = await stage.get<KubeObject & { rules: unknown }>(kinds.Role, 'office-restore');
  expect(role?.rules).toEqual([
    { apiGroups: [''], resources: ['secrets'], resourceNames: ['office-restored'], verbs: ['get', 'patch'] },
  ]);
  const waiting = await stage.until('office', 'restores', (s) => condition(s, 'Reconciling')?.reason === 'Restoring');
  expect(condition(waiting, 'Stalled')?.status).toBe('False');
  expect(await stage.get(kinds.Deployment, 'office')).toBeUndefined();
  expect(await stage.get(kinds.Secret, 'office-identity')).toBeUndefined();
  expect(await stage.get(kinds.Secret, 'office-tokens')).toBeUndefined();

  await report({ fault: 'the server of it said that it lives' });
  const failing = await stage.until('office', 'tells why not', stalls('RestoreFailing'));
  expect(condition(failing, 'Ready')?.message).toBe('nothing is restored yet: the server of it said that it lives');

  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const fingerprint = fingerprintOf(rawPublicKey(privateKey));
  const restoredAt = '2030-01-02T00:00:00Z';
  await report(
    { archive, fingerprint, restoredAt },
    { 'identity.pem': pem, client: 'c'.repeat(40), admin: 'a'.repeat(40) },
  );
  const ready = await stage.until('office', 'is ready', isReady);
  expect(ready.status).toMatchObject({ fingerprint, restore: { archive, fingerprint, restoredAt } });
  const text = async (name: string, key: string) =>
    Buffer.from((await stage.get<Secret>(kinds.Secret, name))?.data?.[key] ?? '', 'base64').toString();
  expect(await text('office-identity', 'identity.pem')).toBe(pem);
  expect(await text('office-tokens', 'client')).toBe('c'.repeat(40));
  expect((await text('office-tokens', 'metrics')).length).toBeGreaterThan(20);
  await eventually('what was made for it is gone', async () => {
    const left = [
      await stage.get(kinds.Secret, 'office-restored'),
      await stage.get(kinds.Role, 'office-restore'),
      await stage.get(kinds.RoleBinding, 'office-restore'),
      ...(await jobs()),
    ];
    return left.every((one) => one === undefined);
  });

  // Not again, whatever becomes of the Deployment.
  await stage.client.delete(kinds.Deployment, stage.namespace, 'office');
  await stage.until('office', 'is ready again', (s) => isReady(s) && stage.server('office').starts === 2);
  expect(await jobs()).toEqual([]);
}, 180_000);

test('another wish takes the place of the one before, and data that are there stay', async () => {
  const first = await begin();
  await stage.patch('office', { spec: { restoreFrom: { archive } } });
  const next = await eventually('another Job alone', async () => {
    const now = await jobs();
    return now.length === 1 && now[0]?.metadata.name !== first.metadata.name && now[0];
  });
  expect(next.spec.template.spec.containers[0]?.args[1]).toBe(archive);
  await report({ kept: true });
  const ready = await stage.until('office', 'is ready', isReady);
  expect(ready.status?.restore).toEqual({ kept: true });
}, 180_000);

test('waits while another LicenceServer of the cluster is the same computer', async () => {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.create('old', specWithKey());
  const { status } = await stage.until('old', 'is ready', isReady);
  await stage.create('office', specWithKey({ restoreFrom }));
  await theJob();
  const pem = Buffer.from(
    (await stage.get<Secret>(kinds.Secret, 'old-identity'))?.data?.['identity.pem'] ?? '',
    'base64',
  );
  await report(
    { archive, fingerprint: status?.fingerprint, restoredAt: '2030-01-02T00:00:00Z' },
    { 'identity.pem': String(pem) },
  );
  const held = await stage.until('office', 'waits', stalls('RestoreFailing'));
  expect(condition(held, 'Stalled')?.message).toContain(
    `LicenceServer ${stage.namespace}/old is the computer of ${archive}`,
  );
  expect(await stage.get(kinds.Deployment, 'office')).toBeUndefined();
  await stage.patch('old', { spec: { suspend: true } });
  await stage.until('office', 'is ready', (s) => isReady(s) && s.status?.fingerprint === status?.fingerprint);
}, 180_000);

import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import type { SpecInput } from '../../../operator/licenceServer/api/types.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

type Backup = NonNullable<SpecInput['backup']>;
const s3 = { endpoint: 'https://s3.example.org', bucket: 'licences', credentialsSecretRef: { name: 'account' } };
const nightly = (destination: Backup['destination']): Backup => ({ schedule: '0 3 * * *', destination });

interface Template extends KubeObject {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly volumes: readonly Record<string, unknown>[];
        readonly containers: readonly {
          readonly volumeMounts: readonly Record<string, unknown>[];
          readonly envFrom: readonly { readonly configMapRef: { readonly name: string } }[];
        }[];
      };
    };
  };
}
async function podOf(name: string) {
  const { spec } = (await stage.get<Template>(kinds.Deployment, name))?.spec.template ?? {};
  const container = spec?.containers[0];
  const config = container?.envFrom[0]?.configMapRef.name ?? '';
  const settings = await stage.get<KubeObject & { data: Record<string, string> }>(kinds.ConfigMap, config);
  return { volumes: spec?.volumes ?? [], mounts: container?.volumeMounts ?? [], settings: settings?.data ?? {} };
}
const create = async (spec: Partial<SpecInput>) => {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.create('office', specWithKey(spec));
};
const isNotBackedUp = (reason: string) => (server: Parameters<typeof condition>[0]) =>
  isReady(server) && condition(server, 'BackedUp')?.reason === reason;

test('backups into a bucket: the server is told where, and a missing account or a refusing bucket is named while it runs on', async () => {
  await create({ backup: { ...nightly({ s3 }), retention: { keep: 7 }, encryption: { recipients: ['age1xyzxyz'] } } });
  const missing = await stage.until('office', 'misses the account', isNotBackedUp('BackupSecretMissing'));
  expect(condition(missing, 'BackedUp')).toMatchObject({
    status: 'False',
    message: 'Secret account does not exist; create it',
  });
  const { settings, volumes, mounts } = await podOf('office');
  expect(settings).toMatchObject({
    LICENCE_BACKUP_SCHEDULE: '0 3 * * *',
    LICENCE_BACKUP_KEEP: '7',
    LICENCE_BACKUP_RECIPIENTS: 'age1xyzxyz',
    LICENCE_BACKUP_S3_ENDPOINT: s3.endpoint,
    LICENCE_BACKUP_S3_BUCKET: 'licences',
    LICENCE_BACKUP_S3_PREFIX: `${stage.namespace}/office/`,
    LICENCE_BACKUP_S3_PATH_STYLE: 'true',
  });
  expect(volumes).toContainEqual({
    name: 'backup-account',
    secret: { secretName: 'account', defaultMode: 0o440, optional: true },
  });
  expect(mounts).toContainEqual({
    name: 'backup-account',
    mountPath: settings.LICENCE_BACKUP_S3_CREDENTIALS,
    readOnly: true,
  });

  const server = stage.server('office');
  server.backup = { fault: 'bucket licences at https://s3.example.org refuses (AccessDenied)' };
  await stage.putKeys('account', { accessKeyId: 'a', secretAccessKey: 's' });
  const failing = await stage.until('office', 'tells the refusal', isNotBackedUp('BackupFailing'));
  expect(condition(failing, 'BackedUp')?.message).toMatch(
    /^bucket licences .* refuses \(AccessDenied\); there is none yet$/,
  );
  expect(failing.status?.backup).toEqual(server.backup);
  server.backup = {
    lastSuccessAt: '2030-01-01T03:00:00Z',
    archive: 'a.tar.gz',
    sizeBytes: 7,
    nextAt: '2030-01-02T03:00:00Z',
  };
  const done = await stage.until('office', 'is backed up', (s) => condition(s, 'BackedUp')?.status === 'True');
  expect(done.status?.backup).toEqual(server.backup);
  expect(server.starts).toBe(1);
  expect((await stage.events()).filter(({ reason }) => reason === 'BackupFailing')).toHaveLength(1);

  await stage.patch('office', { spec: { backup: null } });
  const without = await stage.until(
    'office',
    'wants none',
    (s) => isReady(s) && condition(s, 'BackedUp') === undefined,
  );
  expect(without.status?.backup).toBeUndefined();
}, 120_000);

test('backups into a claim: the server runs without them until the claim is there', async () => {
  await create({ backup: nightly({ claim: { claimName: 'backups', subPath: 'office' } }) });
  await stage.until('office', 'misses the claim', isNotBackedUp('BackupClaimMissing'));
  expect((await podOf('office')).settings).not.toHaveProperty('LICENCE_BACKUP_SCHEDULE');
  await stage.client.create(kinds.PersistentVolumeClaim, {
    metadata: { name: 'backups', namespace: stage.namespace },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  } as KubeObject);
  await stage.until(
    'office',
    'has the claim',
    (s) => isReady(s) && condition(s, 'BackedUp')?.reason !== 'BackupClaimMissing',
  );
  const { settings, volumes, mounts } = await podOf('office');
  expect(settings).toMatchObject({ LICENCE_BACKUP_DIR: '/backups', LICENCE_BACKUP_SCHEDULE: '0 3 * * *' });
  expect(volumes).toContainEqual({ name: 'backups', persistentVolumeClaim: { claimName: 'backups' } });
  expect(mounts).toContainEqual({ name: 'backups', mountPath: '/backups', subPath: 'office' });
}, 120_000);

test('a schedule that is none, two places or none, and a URL with an account are refused in one sentence each', async () => {
  await create({});
  await stage.until('office', 'is ready', isReady);
  const claim = { claimName: 'backups' };
  const refused = (backup: unknown) => expect(stage.patch('office', { spec: { backup } })).rejects;
  await refused(nightly({} as never)).toThrow('exactly one of claim and s3 must be set');
  await refused(nightly({ claim, s3 })).toThrow('exactly one of claim and s3 must be set');
  await refused(nightly({ s3: { ...s3, endpoint: 'https://me:pw@s3.example.org' } })).toThrow('without an account');
  await refused({ ...nightly({ claim }), retention: {} }).toThrow('retention needs keep, keepDays or both');
  await refused({ ...nightly({ claim }), encryption: { recipients: ['ssh-ed25519 AAAA'] } }).toThrow('recipients');
  await stage.patch('office', { spec: { backup: { ...nightly({ claim }), schedule: '0 25 * * *' } } });
  const wrong = await stage.until('office', 'is refused', (s) => condition(s, 'Stalled')?.status === 'True');
  expect(condition(wrong, 'Stalled')).toMatchObject({
    reason: 'BackupInvalid',
    message: 'spec.backup: schedule "0 25 * * *": hour "25": 25 is not between 0 and 23',
  });
  expect(stage.server('office').starts).toBe(1);
}, 120_000);

import { describe, expect, it } from 'vitest';
import type { BackupStatus } from '../../../../../licence/serverStatus.ts';
import type { SpecInput, Status } from '../../../../../operator/licenceServer/api/types.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import type { Observed } from '../../../../../operator/licenceServer/observe/observed.ts';
import { backedUp, backupStatus } from '../../../../../operator/licenceServer/tell/backedUp.ts';
import { conditionsOf } from '../../../../../operator/licenceServer/tell/conditions.ts';
import { answer, defaults, licenceServer, observed, valid } from '../world.ts';

const backup: NonNullable<SpecInput['backup']> = {
  schedule: '0 3 * * *',
  destination: { claim: { claimName: 'backups' } },
};
function seen(spec: SpecInput, more: Partial<Observed> = {}, before: Status = {}) {
  const server = licenceServer(spec);
  const world = observed({ backup: spec.backup && {}, ...more });
  const judged = valid(server, world);
  return { valid: judged, observed: world, plan: plan(judged, before, world, defaults), before, refusals: [] };
}
const told = (said: BackupStatus | undefined) => ({ server: answer(said === undefined ? {} : { backup: said }) });
const made = {
  archive: 'a.tar.gz',
  lastSuccessAt: '2030-01-01T03:00:00Z',
  sizeBytes: 2 << 20,
  nextAt: '2030-01-02T03:00:00Z',
};

describe('what is told of backups', () => {
  it('is nothing where none are wanted', () => {
    const world = seen({}, told(made));
    expect([backedUp(world), backupStatus(world)]).toEqual([undefined, undefined]);
    expect(conditionsOf(world).map(({ type }) => type)).not.toContain('BackedUp');
  });

  it.each<[string, Partial<Observed>, string, string, RegExp]>([
    ['the last one', told(made), 'True', 'BackedUp', /^a\.tar\.gz \(2\.0 MiB\) was made at 2030-01-01T03:00:00Z$/],
    [
      'a failure',
      told({ fault: 'the bucket refuses' }),
      'False',
      'BackupFailing',
      /^the bucket refuses; there is none/,
    ],
    [
      'a failure after others',
      told({ ...made, fault: 'it is full' }),
      'False',
      'BackupFailing',
      /last one is a\.tar\.gz$/,
    ],
    ['that the first is under way', told({ nextAt: '2030-01-01T00:00:00Z' }), 'Unknown', 'NoBackupYet', /being made/],
    ['that an older server says nothing', told(undefined), 'Unknown', 'NotTold', /nothing of backups/],
    [
      'a Secret that is not there',
      { ...told(made), backup: { secretMissing: 'Secret account does not exist; create it' } },
      'False',
      'BackupSecretMissing',
      /^Secret account/,
    ],
    [
      'a volume that is not there',
      { ...told(made), backup: { claimMissing: 'PersistentVolumeClaim backups does not exist; create it' } },
      'False',
      'BackupClaimMissing',
      /until then no backup is made$/,
    ],
  ])('is %s', (_, more, status, reason, message) => {
    expect(backedUp(seen({ backup }, more))).toMatchObject({ status, reason, message: expect.stringMatching(message) });
  });

  it('stays as it was while the server is not heard of', () => {
    const silent = { server: { kind: 'unreachable', atMs: 0, message: 'gone' } as const };
    const before = { type: 'BackedUp', status: 'False', reason: 'BackupFailing', message: 'it is full' } as const;
    const world = seen({ backup }, silent, {
      conditions: [{ ...before, lastTransitionTime: '' }],
      backup: made,
    } as never);
    expect(backedUp(world)).toEqual(before);
    expect(backupStatus(world)).toEqual(made);
  });

  it('never keeps a server from running: without its volume the pod is made without backups', () => {
    const world = seen({ backup }, { backup: { claimMissing: 'x' } });
    expect(world.plan.pod).toBeDefined();
    expect(world.valid.spec.backup).toBeUndefined();
    expect(world.valid.missing).toEqual([]);
  });
});

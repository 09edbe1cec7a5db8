import { describe, expect, it } from 'vitest';
import { restoreOf } from '../../../../../operator/licenceServer/decide/restore.ts';
import type { Observed } from '../../../../../operator/licenceServer/observe/observed.ts';
import { restoreReportOf } from '../../../../../operator/licenceServer/observe/restoreReport.ts';
import { licenceServer, observed, valid } from '../world.ts';

const from = { destination: { claim: { claimName: 'backups' } } };
const report = { archive: 'a.tar.gz', fingerprint: 'sha256:1', restoredAt: '2030-01-01T00:00:00Z' };
const deployment = {} as Observed['deployment'];
function decided(wanted: boolean, seen: Partial<Observed>, status = {}) {
  const server = licenceServer(wanted ? { restoreFrom: from } : {});
  const { spec } = valid(server, observed());
  return restoreOf(spec, status, observed({ deployment: undefined, ...seen }));
}

describe('a start from a backup', () => {
  it.each<[string, Parameters<typeof decided>, object]>([
    ['is none where none is wanted', [false, {}], { kind: 'none' }],
    ['is none of what runs already', [true, { deployment }], { kind: 'none' }],
    [
      'is none of what was restored before, whatever became of its Deployment',
      [true, {}, { restore: report }],
      { kind: 'none' },
    ],
    ['begins before the first Deployment', [true, {}], { kind: 'running', isFailing: false }],
    [
      'tells what is in its way',
      [true, { restore: { exists: true, report: { fault: 'the bucket refuses' } } }],
      { kind: 'running', isFailing: true, message: 'nothing is restored yet: the bucket refuses' },
    ],
    [
      'waits for another one that is the same computer',
      [true, { restore: { exists: true, report, twin: 'trade/old' } }],
      {
        kind: 'running',
        isFailing: true,
        message: expect.stringMatching(/^LicenceServer trade\/old is the computer of a\.tar\.gz/),
      },
    ],
    ['is over when it is reported', [true, { restore: { exists: true, report } }], { kind: 'over', report }],
    [
      'is over also if its Deployment came before the status told of it',
      [true, { deployment, restore: { exists: true, report } }],
      { kind: 'over', report },
    ],
    [
      'is tidied up once it is told',
      [true, { restore: { exists: true, report } }, { restore: report }],
      { kind: 'tidy' },
    ],
    ['is tidied up when it is not wanted any more', [false, { restore: { exists: true } }], { kind: 'tidy' }],
  ])('%s', (_, args, expected) => expect(decided(...args)).toMatchObject(expected));

  it('makes nothing meanwhile that would be another computer', () => {
    const judged = valid(
      licenceServer({ restoreFrom: from }),
      observed({ identityExists: false, fingerprint: undefined }),
    );
    expect(judged.makesIdentity).toBe(false);
    expect(judged.missing).toMatchObject([{ reason: 'Restoring' }]);
  });

  it.each([undefined, '', 'x', '[]', '{"kept":"yes"}'])('believes no report that makes no sense: %s', (text) => {
    const annotations = text === undefined ? {} : { 'licensing.softonit.ru/restore': text };
    expect(restoreReportOf({ metadata: { name: 'x', annotations } } as never)).toBeUndefined();
  });
});

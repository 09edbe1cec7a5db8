import { describe, expect, it } from 'vitest';
import {
  closingLine,
  countsOf,
  failedFilesOf,
  failureLinesOf,
  noCounts,
  type VitestReport,
  wantedLevels,
} from '../../support/levels.ts';

const report = (over: Partial<VitestReport>): VitestReport => ({
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [],
  ...over,
});

describe('the counts of a run', () => {
  it('are those of its report', () => {
    expect(countsOf(report({ numPendingTests: 1, numTodoTests: 1 }), 0)).toEqual({ passed: 3, failed: 0, skipped: 2 });
  });
  it('count a file that did not load as a failure', () => {
    const testResults = [{ name: '/r/a.test.ts', status: 'failed', assertionResults: [] }];
    expect(countsOf(report({ testResults }), 1).failed).toBe(1);
  });
  it('do not count a file twice whose tests failed', () => {
    const testResults = [
      { name: '/r/a.test.ts', status: 'failed', assertionResults: [{ status: 'failed', fullName: 'a thing' }] },
    ];
    expect(countsOf(report({ numFailedTests: 1, testResults }), 1).failed).toBe(1);
  });
  it('have a failure when the run ended badly although every test passed', () => {
    expect(countsOf(report({}), 1).failed).toBe(1);
  });
});

it('what failed is told in a line each, with the files to run again', () => {
  const testResults = [
    { name: '/r/test/good.test.ts', status: 'passed', assertionResults: [{ status: 'passed', fullName: 'fine' }] },
    { name: '/r/test/broken.test.ts', status: 'failed', message: 'cannot load\nat x', assertionResults: [] },
    {
      name: '/r/test/bad.test.ts',
      status: 'failed',
      assertionResults: [
        { status: 'passed', fullName: 'one' },
        { status: 'failed', fullName: 'two', failureMessages: ['expected 1 to be 0\n at y'] },
      ],
    },
  ];
  expect(failureLinesOf(report({ testResults }), '/r')).toEqual([
    'test/broken.test.ts: cannot load',
    'test/bad.test.ts > two: expected 1 to be 0',
  ]);
  expect(failedFilesOf(report({ testResults }))).toEqual(['/r/test/broken.test.ts', '/r/test/bad.test.ts']);
});

it('the closing line names what was skipped only when something was', () => {
  expect(closingLine({ ...noCounts, passed: 2 })).toBe('2 passed, 0 failed');
  expect(closingLine({ passed: 2, failed: 1, skipped: 3 })).toBe('2 passed, 1 failed, 3 skipped');
});

it('levels are chosen by name and run in their own order', () => {
  expect(wantedLevels(undefined)).toHaveLength(8);
  expect(wantedLevels('kube,unit')).toEqual(['unit', 'kube']);
  expect(wantedLevels('kube,moon')).toBe(
    'there is no level "moon"; choose from lint, types, unit, onec, clients, db, kube, e2e',
  );
});

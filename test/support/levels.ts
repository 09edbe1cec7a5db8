import { relative } from 'node:path';

export const levelNames = ['lint', 'types', 'unit', 'onec', 'clients', 'db', 'kube', 'e2e'] as const;
export type Level = (typeof levelNames)[number];

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}
export const noCounts: Counts = { passed: 0, failed: 0, skipped: 0 };

/** The levels of `--level a,b`, in their own order; all without it; a sentence when one is unknown. */
export function wantedLevels(option: string | undefined): readonly Level[] | string {
  if (option === undefined) return levelNames;
  const words = option.split(',').map((word) => word.trim());
  const unknown = words.find((word) => !levelNames.includes(word as Level));
  if (unknown !== undefined) return `there is no level "${unknown}"; choose from ${levelNames.join(', ')}`;
  return levelNames.filter((level) => words.includes(level));
}

/** What vitest's JSON report says of a run. */
export interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** The files of a report in which something failed: what to run again, as paths. */
export const failedFilesOf = (report: VitestReport): readonly string[] =>
  report.testResults.filter((file) => file.status === 'failed').map((file) => file.name);

/** What failed, a line each: file, test, and the first line of why. For the end of a log whose middle may be cut. */
export const failureLinesOf = (report: VitestReport, root: string): readonly string[] =>
  report.testResults.flatMap((file) => {
    const path = relative(root, file.name);
    const failed = file.assertionResults.filter((test) => test.status === 'failed');
    if (failed.length === 0) return file.status === 'failed' ? [`${path}: ${firstLine(file.message)}`] : [];
    return failed.map((test) => `${path} > ${test.fullName}: ${firstLine(test.failureMessages?.[0])}`);
  });
const firstLine = (text: string | undefined): string => (text ?? '').split('\n', 1)[0]?.slice(0, 200) ?? '';

/**
 * Counts of a report. A file that failed outside its tests (it did not load, a hook threw) counts as one failure, and so does a run
 * that ended badly although no test failed (an unhandled error).
 */
export function countsOf(report: VitestReport, status: number): Counts {
  const failedFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = report.numFailedTests + failedFiles;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

export const addCounts = (a: Counts, b: Counts): Counts => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

/** The last line of a run, for people and programs alike. */
export const closingLine = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

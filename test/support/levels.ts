export const levelNames = ['lint', 'types', 'unit', 'db', 'kube', 'e2e'] as const;
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
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

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

import { describe, expect, it } from 'vitest';
import { median } from '../../../../bench/median.ts';
import { callsMarkdownOf, markdownOf, tableOf } from '../../../../bench/operator/report.ts';
import type { Measures } from '../../../../bench/operator/scenario.ts';

const run = (contestant: Measures['contestant'], appliedMs: number): Measures => ({
  ...{ contestant, size: 10, firstRequestMs: 1, leaderMs: 2, appliedMs, settledMs: 2 * appliedMs, failures: 0 },
  ...{ callsPerServer: 12, writesPerServer: 10, reconcilesPerServer: 3, callsPerReconcile: 4 },
  calls: { 'patch services': contestant === 'ours' ? 1 : 2 },
  edits: { count: 3, p50Ms: 10, p99Ms: 20, maxMs: 30 },
  ...{ cpuSeconds: 1, rssIdleMib: 50, rssPeakMib: 80, rssSettledMib: 70 },
  ...{ steadySeconds: 10, steadyWrites: 0, steadyReads: 0, steadyCpuSeconds: 0.1, exitMs: 5 },
  ...{
    restartMs: 900,
    restartAskedMs: 0,
    restartWrites: 0,
    restartReads: 0,
    restartCalls: {},
    restartCpuSeconds: 1,
    restartRssPeakMib: 60,
  },
});

describe('the report of the operator at scale', () => {
  it('compares the medians of the runs, the first contestant with each of the others', () => {
    const runs = [run('ours', 1000), run('ours', 9000), run('ours', 2000), run('theirs', 4000)];
    const table = tableOf(['ours', 'earlier', 'theirs'], [...runs, run('earlier', 1000)]);
    expect(table[0]).toMatchObject({ values: [2, 1, 4], ratios: [2, 0.5] });
    // Nothing divided by nothing is no comparison.
    expect(table.find((row) => row.what === 'failed reconciles')?.ratios).toEqual([undefined, undefined]);
  });

  it('has the median between the middle two of an even count', () => {
    expect([median([4, 1, 3, 2]), median([5]), median([])]).toEqual([2.5, 5, Number.NaN]);
  });

  it('gives tables whose lines have as many cells as the head', () => {
    const runs = [run('ours', 1000), run('theirs', 4000)];
    const tables = [
      markdownOf('10 at once', ['ours', 'theirs'], tableOf(['ours', 'theirs'], runs)),
      markdownOf('10 at once', ['ours'], tableOf(['ours'], runs)),
      callsMarkdownOf('calls', ['ours', 'theirs'], runs, (m) => m.calls),
    ];
    for (const table of tables) {
      const cells = table.split('\n').map((line) => line.split('|').length);
      expect(new Set(cells).size).toBe(1);
    }
    expect(tables[2]).toContain('| patch services | 1.00 | 2.00 |');
  });
});

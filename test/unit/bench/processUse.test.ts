import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { cpuMs, familyCpuMs } from '../../../bench/processUse.ts';

// what it reads is in /proc, which only Linux has
describe.runIf(process.platform === 'linux')('the processor time of a family', () => {
  it('does not go back when a child ends', () => {
    const before = familyCpuMs(process.pid);
    execFileSync(process.execPath, [
      '-e',
      'const end = process.cpuUsage().user + 60_000; while (process.cpuUsage().user < end);',
    ]);
    const after = familyCpuMs(process.pid);
    expect(after - before).toBeGreaterThanOrEqual(50);
    expect(cpuMs(process.pid)).toBeLessThanOrEqual(after);
  });
});

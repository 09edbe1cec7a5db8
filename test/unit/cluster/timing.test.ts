import { execFileSync } from 'node:child_process';
import { afterEach, expect, it } from 'vitest';
import { processorMs, type StepTime, tellTimes, timed, timingLine } from '../../../cluster/timing.ts';

afterEach(() => tellTimes(() => {}));

it.runIf(process.platform === 'linux')("a step's processor time is that of the commands it ran", async () => {
  const told: StepTime[] = [];
  tellTimes((step) => told.push(step));
  const work = 'const end = process.cpuUsage().user + 300_000; while (process.cpuUsage().user < end);';
  expect(await timed('work', async () => execFileSync(process.execPath, ['-e', work]).length, 'made')).toBe(0);
  expect(told).toMatchObject([{ name: 'work', from: 'made' }]);
  expect(told[0]?.processorMs).toBeGreaterThanOrEqual(250);
  expect(processorMs()).toBeGreaterThanOrEqual(told[0]?.processorMs ?? 0);
});

it('a step that fails is not told, and its failure comes through', async () => {
  const told: StepTime[] = [];
  tellTimes((step) => told.push(step));
  await expect(timed('work', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(told).toEqual([]);
});

it('a line says what a step cost and where it came from', () => {
  expect(timingLine({ name: 'etcd', wallMs: 12_340, processorMs: 45_600, from: 'made' })).toBe(
    'etcd                                  12.3 s     45.6 s processor  made',
  );
  expect(timingLine({ name: 'x', wallMs: 1, processorMs: undefined })).toMatch(/^x +0\.0 s +– +processor$/);
});

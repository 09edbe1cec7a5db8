import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { repository } from '../support/sources.ts';

/** Runs test/run.ts as npm does. The environment has nothing of the run that this test is part of. */
const npmTest = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const { PATH, HOME } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['test/run.ts', ...args], {
    cwd: repository,
    env: { PATH, HOME, NO_COLOR: '1', ...env },
    encoding: 'utf8',
  });
  return { status, stderr, lines: stdout.trimEnd().split('\n') };
};

it('the last line of a run is its count, and a run of passed tests ends well', () => {
  const { status, lines } = npmTest(['--level', 'unit', 'test/unit/support/levels']);
  expect(lines.at(-1)).toMatch(/^[1-9]\d* passed, 0 failed$/);
  expect(status).toBe(0);
}, 60_000);

it('a run without a single test is not a good one', () => {
  const { status, lines } = npmTest(['--level', 'unit', 'no/such/file']);
  expect([lines.at(-1), status]).toEqual(['0 passed, 0 failed', 1]);
}, 60_000);

it.runIf(process.platform === 'linux')(
  'a level that cannot run is skipped with its reason, and is a failure in CI',
  () => {
    const bare = mkdtempSync(join(tmpdir(), 'bare-machine-'));
    onTestFinished(() => rmSync(bare, { recursive: true }));
    for (const command of ['setpriv', 'nice']) symlinkSync(`/usr/bin/${command}`, join(bare, command));
    const withoutGo = { PATH: bare, LICENCE_CACHE_DIR: bare, KUBEBUILDER_ASSETS: '' };
    const skipped = npmTest(['--level', 'kube', 'no/such/file'], withoutGo);
    expect(skipped.lines.join('\n')).toContain('SKIPPED: kube: Go is missing');
    expect([skipped.lines.at(-1), skipped.status]).toEqual(['0 passed, 0 failed, 1 skipped', 1]);
    const inCi = npmTest(['--level', 'kube', 'no/such/file'], { ...withoutGo, CI: 'true' });
    expect(inCi.lines.join('\n')).toContain('FAILED: kube: Go is missing');
    expect([inCi.lines.at(-1), inCi.status]).toEqual(['0 passed, 1 failed', 1]);
  },
  60_000,
);

it('an unknown level is named together with those that there are', () => {
  const { status, stderr } = npmTest(['--level', 'moon']);
  expect(stderr).toContain('there is no level "moon"; choose from lint, types, unit, onec, clients, db, kube, e2e');
  expect(status).toBe(2);
});

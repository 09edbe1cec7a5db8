import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { accessCluster } from '../../../cluster/cluster.ts';
import { run } from '../../../cluster/process.ts';
import { repository } from '../../support/sources.ts';

/** Blocks of a page by the word after `sh`: `run` is run here; `start` and `install` are what the suite itself has done before. */
const blocksOf = (page: string): { kind: string; text: string }[] =>
  [...readFileSync(join(repository, page), 'utf8').matchAll(/^```sh(?: (\w+))?\n([\s\S]*?)^```$/gm)].map(
    ([, kind = '', text = '']) => ({ kind, text }),
  );

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'quick-start-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('every command of the quick start works as it stands there, one after the other', async () => {
  const blocks = blocksOf('docs/quick-start.md');
  expect(new Set(blocks.map(({ kind }) => kind))).toEqual(new Set(['start', 'install', 'run']));
  const toRun = blocks.filter(({ kind }) => kind === 'run').map(({ text }) => text);
  expect(toRun.length).toBeGreaterThan(6);

  const bin = join(dir, 'bin');
  const work = join(dir, 'work');
  for (const folder of [bin, work]) mkdirSync(folder);
  symlinkSync(inject('clients').kubectl, join(bin, 'kubectl'));
  const shim = `#!/bin/sh\nexec '${process.execPath}' '${join(repository, 'cli/kubectl/main.ts')}' "$@"\n`;
  writeFileSync(join(bin, 'kubectl-licence'), shim);
  chmodSync(join(bin, 'kubectl-licence'), 0o755);
  // in the cluster's own network: ports of the page are free there, whatever runs on this machine
  const cluster = accessCluster(inject('cluster'));
  const kubeconfig = join(dir, 'kubeconfig');
  const text = readFileSync(cluster.kubeconfig, 'utf8').replace(/https:\/\/127\.0\.0\.1:\d+/, 'https://127.0.0.1:6443');
  writeFileSync(kubeconfig, text, { mode: 0o600 });
  const said = toRun.map((block, at) => `printf '\\n── block ${at + 1}\\n'\n${block}`).join('\n');
  const script = `set -eo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n${said}`;
  const out = await run('nsenter', ['-t', String(cluster.nsenterPid), '-n', 'bash', '-c', script], {
    cwd: work,
    timeoutMs: 280_000,
    env: { KUBECONFIG: kubeconfig, PATH: `${bin}:${process.env.PATH}`, NO_COLOR: '1' },
  });
  const parts = out.split(/^── block \d+\n/m).slice(1);
  expect(parts).toHaveLength(toRun.length);
  const of = (command: string) => parts[toRun.findIndex((block) => block.includes(command))] ?? '';
  expect(of('licence status')).toMatch(/^first-steps\/head-office is well$/m);
  expect(of('licence seats head-office -n first-steps\n')).toMatch(/anna[\s\S]*boris/);
  // counts in the resource follow the server, some seconds later
  expect(of('licence list')).toMatch(/head-office +Ready +1\/8 .*1 of 1/);
});

it('the Russian quick start has the same commands', () => {
  const commands = (page: string) => blocksOf(page).map(({ text }) => text);
  expect(commands('docs/ru/quick-start.md')).toEqual(commands('docs/quick-start.md'));
});

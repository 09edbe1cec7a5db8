import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

// Today's tests on the sources of an earlier commit: those of a mended fault have to fail there.
const help = `node test/onOldSources.ts REF --project LEVEL FILE… [-t PATTERN]

Takes the sources of the commit REF and today's tests, runs the files of one level (unit, db, kube), and tells of each test
whether it fails on the old sources (RED) or passes (green). A file that cannot even be loaded there is told apart: it shows nothing.
What only supports tests, and needs sources that REF has not, is taken from REF.

Exit status: 0 every file has a RED test; 1 one has none; 64 wrong usage.
`;

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { project: { type: 'string' }, testNamePattern: { type: 'string', short: 't' }, help: { type: 'boolean' } },
});
const [ref, ...files] = positionals;
if (values.help || ref === undefined || files.length === 0 || values.project === undefined) {
  process.stdout.write(help);
  process.exit(values.help ? 0 : 64);
}
/** Whether a file imports one that is not there. */
const lacksSources = (path: string): boolean =>
  [...readFileSync(path, 'utf8').matchAll(/ from '(\.[^']+)'/g)].some(
    ([, from = '']) => !existsSync(join(path, '..', from)),
  );
const root = execFileSync('git', ['rev-parse', '--show-toplevel'], { encoding: 'utf8' }).trim();
const scratch = mkdtempSync(join(tmpdir(), 'old-sources-'));
const tree = join(scratch, 'tree');
const git = (...args: string[]) => execFileSync('git', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
let isShown = true;
try {
  git('worktree', 'add', '--detach', tree, ref);
  rmSync(join(tree, 'test'), { recursive: true });
  cpSync(join(root, 'test'), join(tree, 'test'), { recursive: true });
  for (const file of readdirSync(join(tree, 'test'), { recursive: true, encoding: 'utf8' })) {
    if (!/(^|\/)support\/.*\.ts$/.test(file) || !lacksSources(join(tree, 'test', file))) continue;
    const { status } = spawnSync('git', ['checkout', '-q', ref, '--', `test/${file}`], { cwd: tree, stdio: 'ignore' });
    process.stdout.write(`test/${file} needs newer sources${status === 0 ? `: that of ${ref} takes its place` : ''}\n`);
  }
  if (!existsSync(join(tree, 'node_modules'))) symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  const results = join(scratch, 'results.json');
  const pattern = values.testNamePattern === undefined ? [] : ['-t', values.testNamePattern];
  const output = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  spawnSync(process.execPath, [vitest, 'run', '--project', values.project, ...output, ...pattern, ...files], {
    cwd: tree,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const { testResults }: Report = JSON.parse(readFileSync(results, 'utf8'));
  for (const { name, message, assertionResults } of testResults) {
    const ran = assertionResults.filter(({ status }) => status === 'failed' || status === 'passed');
    const red = ran.filter(({ status }) => status === 'failed');
    isShown &&= red.length > 0;
    process.stdout.write(`\n${name.slice(tree.length + 1)}: ${red.length} of ${ran.length} fail on ${ref}\n`);
    if (ran.length === 0) process.stdout.write(`  cannot be loaded there: ${message.split('\n')[0]}\n`);
    for (const { fullName, status } of ran)
      process.stdout.write(`  ${status === 'failed' ? 'RED  ' : 'green'}  ${fullName}\n`);
  }
} finally {
  git('worktree', 'remove', '--force', tree);
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = isShown ? 0 : 1;

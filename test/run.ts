import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { type Prepared, preparedLines } from '../cluster/prepare.ts';
import {
  addCounts,
  type Counts,
  closingLine,
  countsOf,
  failedFilesOf,
  failureLinesOf,
  type Level,
  levelNames,
  noCounts,
  type VitestReport,
  wantedLevels,
} from './support/levels.ts';
import { repository } from './support/sources.ts';
import { unhandledErrorsVariable } from './support/unhandledErrors.ts';

const help = `npm test: everything this machine can run

  npm test                                all levels
  npm test -- --level unit,db             some of them: ${levelNames.join(', ')}
  npm test -- --level kube test/kube/x    only files whose path contains the text

lint, types  Biome and the TypeScript compiler
unit         nothing but Node
onec         Java: the extension for 1C:Enterprise, as the tools of 1C's community read it
clients      Python, Go, Java, Rust: clients generated from the OpenAPI document, and a PostgreSQL
db           a PostgreSQL of the run's own
kube         a real Kubernetes control plane (built from source with Go the first time, then cached)
e2e          a real node with this repository's images; needs root on Linux; runs beside db and kube

A level that this machine cannot run is skipped with a reason; with CI=true that is a failure.
Caches are in $LICENCE_CACHE_DIR, else below $XDG_CACHE_HOME or ~/.cache.
`;

const levelLimitMs = 45 * 60_000;
const { values, positionals } = parseArgs({
  options: { level: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  allowPositionals: true,
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const wanted = wantedLevels(values.level);
if (typeof wanted === 'string') {
  process.stderr.write(`npm test: ${wanted}\n`);
  process.exit(2);
}

const hasDeathSignal = existsSync('/usr/bin/setpriv');
/** Starts a command that ends with this process, however that ends. `stdout` pipe: its errors come by the same way. */
const start = (command: string, args: readonly string[], stdout: 'inherit' | 'pipe'): ChildProcess => {
  const [program, ...rest] = hasDeathSignal
    ? ['setpriv', '--pdeathsig', 'KILL', '--', command, ...args]
    : [command, ...args];
  return spawn(program ?? command, rest, { cwd: repository, stdio: ['ignore', stdout, stdout] });
};
/** Prints what a command says with the level's name before each line, so that two levels can be told apart. */
const printWithName = (child: ChildProcess, level: Level): void => {
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (line) => process.stdout.write(`${level} │ ${line}\n`));
  }
};
const statusOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => {
      process.stderr.write(`» no end after ${levelLimitMs / 60_000} minutes: stopped\n`);
      child.kill('SIGKILL');
    }, levelLimitMs);
    child.once('error', (error) => {
      process.stderr.write(`» ${error.message}\n`);
      resolve(127);
    });
    child.once('close', (status) => {
      clearTimeout(timer);
      resolve(status ?? 1);
    });
  });

/** Slow pieces are made while the quick levels run, at the lowest priority so that they do not disturb those. */
function startPreparing(levels: readonly Level[]): (level: Level) => Promise<Prepared> {
  const slow = levels.filter((l) => l !== 'lint' && l !== 'types' && l !== 'unit');
  if (slow.length === 0) return async (level) => ({ level, ready: true });
  const answers = new Map(slow.map((level) => [level as string, Promise.withResolvers<Prepared>()]));
  const child = start('nice', ['-n', '10', process.execPath, 'cluster/prepare.ts', ...slow], 'pipe');
  child.stderr?.pipe(process.stderr);
  void (async () => {
    if (child.stdout) for await (const line of preparedLines(child.stdout)) answers.get(line.level)?.resolve(line);
    for (const [level, answer] of answers)
      answer.resolve({ level, ready: false, reason: 'its preparation ended early' });
  })();
  return (level) => answers.get(level)?.promise ?? Promise.resolve({ level, ready: true });
}

const isCi = process.env.CI === 'true';
const failures: string[] = [];
const unsteady: string[] = [];
const heading = (text: string) => process.stdout.write(`\n━━ ${text} ━━\n`);
const scratch = mkdtempSync(join(tmpdir(), 'softonit-licence-results-'));
// Hundreds of programs are started from the same sources: they are compiled once.
process.env.NODE_COMPILE_CACHE ??= join(scratch, 'compiled');
interface VitestRun {
  readonly status: number;
  /** undefined: it ended before it could write one. */
  readonly report: VitestReport | undefined;
  /** Errors outside every test. */
  readonly unhandled: readonly string[];
}
async function vitest(project: Level, paths: readonly string[], isBeside: boolean): Promise<VitestRun> {
  const results = join(scratch, `${project}.json`);
  const unhandledErrors = join(scratch, `${project}.unhandled.json`);
  process.env[unhandledErrorsVariable] = unhandledErrors;
  for (const file of [results, unhandledErrors]) rmSync(file, { force: true });
  const reporters = ['default', 'json', './test/support/unhandledErrors.ts'].map((name) => `--reporter=${name}`);
  reporters.push(`--outputFile.json=${results}`);
  const args = ['run', '--project', project, '--passWithNoTests', ...reporters, ...paths];
  const child = start(process.execPath, ['node_modules/vitest/vitest.mjs', ...args], isBeside ? 'pipe' : 'inherit');
  printWithName(child, project);
  const status = await statusOf(child);
  const read = (file: string) => {
    try {
      return JSON.parse(readFileSync(file, 'utf8'));
    } catch {
      return undefined;
    }
  };
  return { status, report: read(results), unhandled: read(unhandledErrors) ?? [] };
}
const countsOfRun = ({ status, report }: VitestRun): Counts =>
  report ? countsOf(report, status) : { ...noCounts, failed: status === 0 ? 0 : 1 };

interface Result {
  readonly counts: Counts;
  readonly seconds: number;
  readonly note: string;
  readonly run?: VitestRun;
}
async function runLevel(level: Level): Promise<Result> {
  const began = Date.now();
  const secondsSince = () => Math.round((Date.now() - began) / 1000);
  const preparation = await prepared(level);
  if (!preparation.ready) {
    const isSkip = preparation.prerequisite === true && !isCi;
    heading(`${isSkip ? 'SKIPPED' : 'FAILED'}: ${level}: ${preparation.reason}`);
    const counts = isSkip ? { ...noCounts, skipped: 1 } : { ...noCounts, failed: 1 };
    return { counts, seconds: secondsSince(), note: ` (${isSkip ? 'the whole level' : 'it could not run'})` };
  }
  const waited = secondsSince();
  heading(waited > 1 ? `${level} (waited ${waited} s for what it needs)` : level);
  if (level === 'lint' || level === 'types') {
    const status = await statusOf(start('npm', ['run', '--silent', level], 'inherit'));
    const counts = status === 0 ? { ...noCounts, passed: 1 } : { ...noCounts, failed: 1 };
    return { counts, seconds: secondsSince(), note: '' };
  }
  const run = await vitest(level, positionals, level === beside);
  return { counts: countsOfRun(run), seconds: secondsSince(), note: '', run };
}

/**
 * With CI=true a file that failed is run once more, alone: one that passes then is told as unsteady, with what failed the first time,
 * and does not fail the run. Without CI nothing is run twice.
 */
async function judge(level: Level, result: Result): Promise<Result> {
  const { run, counts } = result;
  if (!run?.report || run.status === 0) return result;
  const told = failureLinesOf(run.report, repository).map((line) => `${level}  ${line}`);
  const outside = run.unhandled.map((text) => `${level}  an error outside every test: ${text}`);
  failures.push(...outside);
  const files = failedFilesOf(run.report);
  if (isCi && files.length > 0) {
    heading(`${level}: once more what failed`);
    const second = await vitest(level, files, false);
    if (second.status === 0 && outside.length === 0) {
      unsteady.push(...told);
      return {
        ...result,
        counts: { ...counts, passed: counts.passed + counts.failed, failed: 0 },
        note: ' (unsteady)',
      };
    }
    if (second.report)
      told.push(...failureLinesOf(second.report, repository).map((line) => `${level}  again: ${line}`));
  }
  failures.push(...told);
  return result;
}

// The tests on a node wait more than they compute: they run beside those of a database and of a control plane.
const others = wanted.filter((level) => level !== 'e2e');
const besideWhat = wanted.includes('e2e') ? others.find((level) => level === 'db' || level === 'kube') : undefined;
const beside: Level | undefined = besideWhat && 'e2e';
const prepared = startPreparing(wanted);
const results = new Map<Level, Result>();
let running: Promise<Result> | undefined;
for (const level of beside ? others : wanted) {
  if (level === besideWhat && beside) running = runLevel(beside);
  results.set(level, await runLevel(level));
}
if (running && beside) results.set(beside, await running);
let total = noCounts;
const summary: string[] = [];
for (const [level, first] of results) {
  const { counts, seconds, note } = await judge(level, first);
  total = addCounts(total, counts);
  summary.push(`${level.padEnd(7)} ${String(seconds).padStart(4)} s  ${closingLine(counts)}${note}`);
}
rmSync(scratch, { recursive: true, force: true });
if (unsteady.length > 0) {
  heading('UNSTEADY: failed once, passed when run again; each is a defect of the test or of the product');
  process.stdout.write(`${unsteady.join('\n')}\n`);
}
if (failures.length > 0) {
  heading('what failed');
  process.stdout.write(`${failures.join('\n')}\n`);
}
heading('summary');
process.stdout.write(`${summary.join('\n')}\n\n${closingLine(total)}\n`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

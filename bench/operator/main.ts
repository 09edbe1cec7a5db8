import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { run } from '../../cluster/process.ts';
import { Unusable } from '../earlierBundle.ts';
import { build, type Contestant, contestants, type Program } from './contestant.ts';
import { type HeldMeasures, runHeld } from './held.ts';
import { callsMarkdownOf, heldTableOf, markdownOf, tableOf } from './report.ts';
import { type Measures, runScenario } from './scenario.ts';

// `npm run bench:operator`: the operator beside one written with controller-runtime, turn by turn, each run on a new control plane.
// What is measured and why it is fair: README.md beside this file.

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number from 1');
  return value;
};
const wholes = (text: string): number[] => text.split(',').map(whole);
const names = (text: string): Contestant[] =>
  text.split(',').map((name) => {
    const known = contestants.find((c) => c === name);
    if (known === undefined) throw new InvalidArgumentError(`must be of ${contestants.join(', ')}`);
    return known;
  });

const options = new Command('bench:operator')
  .description('The operator beside one written with controller-runtime: times, calls, memory. README.md tells how.')
  .option('--size <n,…>', 'how many LicenceServers are created at once', wholes, [1000, 5000])
  .option('--rounds <n>', 'runs of each contestant; the median counts', whole, 3)
  .option('--steady <seconds>', 'how long nothing is done', whole, 60)
  .option('--churn <minutes>', 'how long servers are edited and replaced afterwards, with a look at memory', whole)
  .option(
    '--held <n>',
    'how many servers are held by an upgrade whose first one does not come up; ours alone paces a fleet',
    whole,
  )
  .option('--workers <n>', 'reconciles at a time', whole, 4)
  .option('--budget <minutes>', 'no new run starts after this time', whole, 60)
  .option('--only <names>', `contestants: ${contestants.join(', ')}`, names, [
    'ours',
    'theirs',
  ] satisfies Contestant[] as Contestant[])
  .option('--against <ref>', 'builds the operator of that commit, and takes it as the contestant `earlier`')
  .option('--profile <dir>', 'writes a CPU profile of ours')
  .option('--logs <dir>', "keeps the operators' logs")
  .option('--no-results', 'prints only')
  .parse()
  .opts<{
    size: number[];
    rounds: number;
    steady: number;
    churn?: number;
    held?: number;
    workers: number;
    budget: number;
    only: Contestant[];
    against?: string;
    profile?: string;
    logs?: string;
    results: boolean;
  }>();

const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
for (const dir of [options.logs, options.profile]) if (dir !== undefined) mkdirSync(dir, { recursive: true });
const endsAt = Date.now() + options.budget * 60_000;

const taking: Contestant[] = options.only.filter((name) => name !== 'earlier');
if (options.against !== undefined) taking.splice(1, 0, 'earlier');
const programs: [Contestant, Program][] = [];
for (const contestant of taking) {
  say(`building ${contestant}`);
  programs.push([contestant, await build(contestant, options.against ?? '', say).catch(giveUp)]);
}

const startedAt = new Date().toISOString();
const commit = await gitHead();
const runs: Measures[] = [];
const held: HeldMeasures[] = [];
for (const size of options.size) {
  for (let round = 1; round <= options.rounds; round++) {
    for (const [contestant, program] of programs) {
      if (Date.now() > endsAt) {
        say(`out of time: ${contestant}, size ${size}, round ${round} is left out`);
        continue;
      }
      const name = `${contestant}, size ${size}, round ${round} of ${options.rounds}`;
      const measures = await runScenario({
        contestant,
        program,
        size,
        workers: options.workers,
        steadySeconds: options.steady,
        churnMinutes: options.churn ?? 0,
        profile: contestant === 'theirs' ? undefined : options.profile,
        logs: options.logs,
        onStep: (step) => say(`${name}: ${step}`),
      });
      runs.push(measures);
      say(`${name}: applied in ${(measures.appliedMs / 1000).toFixed(1)} s`);
      // After each run, so that one that fails takes nothing with it.
      if (options.results) keep();
    }
  }
}
for (let round = 1; options.held !== undefined && round <= options.rounds; round++) {
  for (const [contestant, program] of programs.filter(([name]) => name !== 'theirs')) {
    const { workers, steady: steadySeconds, logs } = options;
    const onStep = (step: string) => say(`${contestant}, ${options.held} held, round ${round}: ${step}`);
    held.push(await runHeld({ contestant, program, size: options.held, workers, steadySeconds, logs, onStep }));
    if (options.results) keep();
  }
}
for (const section of sectionsOf()) console.log(`\n${section}`);

function sectionsOf(): string[] {
  return [...options.size.flatMap(sectionsOfSize), ...heldSections()];
}

function heldSections(): string[] {
  const present = taking.filter((c) => held.some((m) => m.contestant === c));
  if (present.length === 0) return [];
  return [markdownOf(`${options.held} held, ${options.steady} s`, present, heldTableOf(present, held))];
}

function sectionsOfSize(size: number): string[] {
  const ofSize = runs.filter((m) => m.size === size);
  const present = taking.filter((c) => ofSize.some((m) => m.contestant === c));
  if (present.length === 0) return [];
  const count = Math.max(...present.map((c) => ofSize.filter((m) => m.contestant === c).length));
  const title = `${size} at once, median of ${count}`;
  return [
    markdownOf(title, present, tableOf(present, ofSize)),
    callsMarkdownOf('calls a server', present, ofSize, (m) => m.calls),
    callsMarkdownOf('calls of a restart a server', present, ofSize, (m) => m.restartCalls),
  ];
}

/** Writes what is known so far. */
function keep(): void {
  const machine = `${cpus()[0]?.model ?? 'unknown'} × ${cpus().length}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${load()}`;
  const dir = fileURLToPath(new URL('results', import.meta.url));
  mkdirSync(dir, { recursive: true });
  const name = join(dir, `${startedAt.slice(0, 19).replaceAll(':', '')}-${options.size.join('-')}`);
  const against = options.against === undefined ? '' : `, earlier: ${options.against}`;
  const head = [
    `# Operator at scale, ${startedAt.slice(0, 10)}`,
    `Commit ${commit}${against} · ${machine}`,
    ratioNote(),
  ];
  writeFileSync(`${name}.md`, `${[...head, ...sectionsOf()].join('\n\n')}\n`);
  const all = { at: startedAt, commit, against: options.against, machine, options: shownOptions(), runs, held };
  writeFileSync(`${name}.json`, `${JSON.stringify(all, null, 1)}\n`);
  say(`kept as ${name}.{md,json}`);
}

function giveUp(error: unknown): never {
  if (!(error instanceof Unusable)) throw error;
  say(error.message);
  process.exit(1);
}

async function gitHead(): Promise<string> {
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const head = await run('git', ['rev-parse', '--short', 'HEAD'], { cwd }).catch(() => 'unknown');
  const changed = await run('git', ['status', '--porcelain', '--', 'operator', 'runtime'], { cwd }).catch(() => '');
  return `${head.trim()}${changed.trim() === '' ? '' : ' with uncommitted changes'}`;
}

/** A figure from a machine that others use too is worth less; the load says so. */
function load(): string {
  try {
    return `load ${readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ')}`;
  } catch {
    return 'load unknown';
  }
}

function ratioNote(): string {
  return 'Absolute times are of this machine at this hour; the ratios within one run count.';
}

function shownOptions(): unknown {
  const { size, rounds, steady, workers } = options;
  return { size, rounds, steady, workers };
}

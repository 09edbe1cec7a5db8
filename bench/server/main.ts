import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { earlierBundle, Unusable } from '../earlierBundle.ts';
import { type Case, cases } from './cases.ts';
import {
  type Contestant,
  installBundle,
  type Name,
  type Ours,
  ourComputer,
  startBare,
  startDesignA,
  startRelay,
} from './contestants.ts';
import { type Footprint, measureFootprint } from './footprint.ts';
import { type Measured, measure } from './measure.ts';
import {
  againstMarkdown,
  type CaseResult,
  casesMarkdown,
  footprintAgainstMarkdown,
  footprintMarkdown,
  footprintVerdicts,
  verdictsOf,
} from './report.ts';

// `npm run bench:server`: the licence server as its image runs it, design A (a plain transaction a request) and a bare fastify, in
// turn on this machine. What is measured and how to read it: docs/performance.md.

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number from 1');
  return value;
};
const options = new Command('bench:server')
  .description(
    'Measures the licence server beside design A (a plain transaction a request) and a bare fastify, turn by turn, and what it takes of the machine. PEER_RELAY=<path of a keygen-relay binary> adds that.',
  )
  .option('--rounds <n>', 'interleaved rounds; the median counts', whole, 3)
  .option('--seconds <n>', 'length of one measurement', whole, 2)
  .option('--quick', 'one round of one second of the main cases, a short footprint: about two minutes')
  .option('--only <words>', 'cases whose name contains these words, such as "c = 64"')
  .option('--against <ref>', 'builds the server of that commit too, and takes it as a contestant in every case')
  .option('--no-cases', 'the footprint only')
  .option('--no-footprint', 'the cases only')
  .option('--no-build', 'takes the bundle in dist/server as it is')
  .option('--no-results', 'prints only')
  .option('--docs', 'puts the tables into docs/performance.md too')
  .option('--profile <dir>', 'writes a processor profile of our server')
  .parse()
  .opts<{
    rounds: number;
    seconds: number;
    quick?: boolean;
    only?: string;
    against?: string;
    cases: boolean;
    footprint: boolean;
    build: boolean;
    results: boolean;
    docs?: boolean;
    profile?: string;
  }>();

const root = resolve(import.meta.dirname, '..', '..');
const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
const quick = options.quick === true;
const rounds = quick ? 1 : options.rounds;
const seconds = quick ? 1 : options.seconds;
const wanted = !options.cases
  ? []
  : cases.filter((c) => (!quick || c.quick === true) && `${c.name}, c = ${c.connections}`.includes(options.only ?? ''));
const relay = process.env.PEER_RELAY;

const commit = commitName(); // of what is built now, whatever happens to the sources meanwhile
const dir = mkdtempSync(join(tmpdir(), 'bench-'));
const running: Contestant[] = [];
const cleanUps: (() => void)[] = [() => rmSync(dir, { recursive: true, force: true })];
let results: CaseResult[] = [];
let footprint: Footprint | undefined;
let earlierFootprint: Footprint | undefined;
let earlierCommit = '';
let postgresMajor = 0;
try {
  say(options.build ? 'building the bundle' : 'taking the bundle as it is');
  const app = installBundle(dir, options.build);
  if (options.profile !== undefined) mkdirSync(options.profile, { recursive: true });
  const profiling = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(options.profile)}`];
  const computer = await ourComputer('ours', dir, app, profiling);
  cleanUps.unshift(() => computer.remove());
  running.push(await computer.start());
  const earlier = options.against === undefined ? undefined : await earlierComputer(options.against);
  if (earlier !== undefined) running.push(await earlier.start());
  if (wanted.some((c) => c.beside.includes('design A'))) {
    const designA = await startDesignA(dir);
    postgresMajor = designA.major;
    running.push(designA);
  }
  if (wanted.length > 0) running.push(await startBare());
  if (relay && wanted.some((c) => c.beside.includes('keygen-relay'))) running.push(await startRelay(relay, dir));

  results = await runCases(wanted, running);
  // alone: what the others keep in memory and on the processor is not of the one that is measured
  for (const other of running.splice(0)) await other.stop();
  if (options.footprint) {
    footprint = await footprintOf('ours', () => computer.start());
    if (earlier !== undefined) earlierFootprint = await footprintOf('earlier', () => earlier.start());
  }
} catch (error) {
  // what a person can mend is one sentence; the rest is a bug, with its stack
  if (!(error instanceof Unusable)) throw error;
  say(error.message);
  process.exitCode = 1;
} finally {
  for (const contestant of running.reverse()) await contestant.stop().catch((error) => say(String(error)));
  for (const cleanUp of cleanUps) cleanUp();
}

if (process.exitCode !== undefined) process.exit();
const verdicts = [...results.flatMap(verdictsOf), ...(footprint ? footprintVerdicts(footprint, results) : [])];
const missed = verdicts.filter((v) => !v.isMet);
const machine = `${cpus()[0]?.model ?? 'unknown'} × ${cpus().length}, ${Math.round(totalmem() / 2 ** 30)} GiB, load at the end ${loadavg()
  .map((n) => n.toFixed(1))
  .join(' ')}`;
const postgres = postgresMajor === 0 ? '' : ` · PostgreSQL ${postgresMajor}`;
const sections = [
  `Commit ${commit} · ${machine} · Node ${process.version}${postgres} · ${rounds} × ${seconds} s · ${new Date().toISOString().slice(0, 16)}Z`,
  ...(results.length > 0 ? [casesMarkdown(results, Boolean(relay))] : []),
  ...(results.length > 0 && earlierCommit !== '' ? [againstMarkdown(results, earlierCommit)] : []),
  ...(footprint ? [footprintMarkdown(footprint, results)] : []),
  ...(footprint && earlierFootprint ? [footprintAgainstMarkdown(footprint, earlierFootprint, earlierCommit)] : []),
  `${verdicts.length - missed.length} of ${verdicts.length} goals met${missed.length > 0 ? `; missed: ${missed.map((v) => `${v.what} (${v.value}, goal ${v.goal})`).join('; ')}` : ''}.`,
];
process.stdout.write(`${sections.join('\n\n')}\n`);
if (options.results) keep();
if (options.docs === true) keepInDocs();

/** A computer of its own with the server of another commit. */
async function earlierComputer(ref: string) {
  const bundle = await earlierBundle(ref, 'server', say);
  earlierCommit = bundle.commit;
  const own = join(dir, 'earlier');
  mkdirSync(own);
  const computer = await ourComputer('earlier', own, bundle, []);
  cleanUps.unshift(() => computer.remove());
  return computer;
}

async function footprintOf(name: string, start: () => Promise<Ours>): Promise<Footprint> {
  const sizes = quick
    ? { loadSeconds: 10, idleSeconds: 5, restarts: 1 }
    : { loadSeconds: 60, idleSeconds: 10, restarts: 3 };
  const first = await start();
  running.push(first);
  const tell = (step: string) => say(`footprint of ${name}: ${step}`);
  const measured = await measureFootprint(first, start, sizes, tell);
  running.splice(0);
  await measured.ours.stop();
  return measured.footprint;
}

/** All contestants of a case in turn, so many rounds. */
async function runCases(list: readonly Case[], present: readonly Contestant[]): Promise<CaseResult[]> {
  const done: CaseResult[] = [];
  for (const [i, c] of list.entries()) {
    const taking = present.filter(
      (p) => ['ours', 'earlier'].includes(p.name) || (c.beside as readonly Name[]).includes(p.name),
    );
    const byName: Partial<Record<Name, Measured[]>> = {};
    let leaseFile = '';
    for (let round = 1; round <= rounds; round++) {
      const rates: string[] = [];
      for (const who of taking) {
        const measured = await measure(who, c, seconds, leaseFile);
        leaseFile = join(dir, 'leases');
        // an earlier build that has no such route is not beside ours
        if (who.name !== 'earlier' || measured.faults < 0.5) byName[who.name] = [...(byName[who.name] ?? []), measured];
        const faults = measured.faults > 0.001 ? ` with ${JSON.stringify(measured.statuses)}` : '';
        rates.push(`${who.name} ${measured.perSecond}/s${faults}`);
      }
      say(`${i + 1}/${list.length} ${c.name}, c = ${c.connections}, round ${round} of ${rounds}: ${rates.join(', ')}`);
    }
    done.push({ case: c, rounds: byName });
  }
  return done;
}

function commitName(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root }).toString().trim();
  try {
    const isChanged = git('status', '--porcelain', '--', 'server', 'runtime', 'licence', 'Dockerfile') !== '';
    return git('rev-parse', '--short', 'HEAD') + (isChanged ? ' with uncommitted changes' : '');
  } catch {
    return 'unknown';
  }
}

function keep(): void {
  const folder = join(root, 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  const at = new Date().toISOString();
  const file = join(folder, `server-${at.slice(0, 19).replaceAll(':', '')}${quick ? '-quick' : ''}`);
  writeFileSync(`${file}.md`, `# Licence server, ${at.slice(0, 10)}\n\n${sections.join('\n\n')}\n`);
  const told = { at, commit, against: options.against, machine, node: process.version, postgresMajor, rounds, seconds };
  writeFileSync(
    `${file}.json`,
    `${JSON.stringify({ ...told, verdicts, footprint, earlierFootprint, results }, null, 1)}\n`,
  );
  say(`kept as ${file}.{md,json}`);
}

function keepInDocs(): void {
  const file = join(root, 'docs', 'performance.md');
  const text = readFileSync(file, 'utf8');
  const [from, to] = ['<!-- tables -->', '<!-- /tables -->'];
  const [a, b] = [text.indexOf(from), text.indexOf(to)];
  if (a < 0 || b < a) throw new Error(`${file} has no ${from} … ${to} to put the tables into`);
  writeFileSync(file, `${text.slice(0, a)}${from}\n\n${sections.join('\n\n')}\n\n${text.slice(b)}`);
}

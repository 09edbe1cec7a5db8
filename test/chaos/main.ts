import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { run } from '../../cluster/process.ts';
import { repository } from '../support/sources.ts';
import type { Shown } from './support/size.ts';

const help = `npm run chaos: everything that may go wrong, on purpose, with counts

  npm run chaos                      all tests at a modest size, 20 minutes at most
  npm run chaos -- crash clock       some of them
  npm run chaos -- --out FILE        also writes the summary, as Markdown
  CHAOS_SCALE=full npm run chaos     a million operations, 200 crashes, outages of minutes: an hour or two

Sizes of single tests are set by variables as well: docs/development.md. What a test needs beyond Node and PostgreSQL
(root, strace, libfaketime, PgBouncer) is installed where that is allowed; else the test is skipped, and the summary says so.
`;

type Sizes = Readonly<Record<string, string>>;
interface Piece {
  readonly name: string;
  /** Minutes after which it is given up. */
  readonly minutes: number;
  readonly sizes?: Sizes;
  readonly full?: { readonly minutes: number; readonly sizes: Sizes };
}

const pieces: readonly Piece[] = [
  {
    name: 'replicas',
    minutes: 5,
    sizes: { CHAOS_OPERATIONS: '100000', CHAOS_CROWD: '4', CHAOS_MINUTES: '3' },
    full: { minutes: 70, sizes: { CHAOS_OPERATIONS: '1000000', CHAOS_CROWD: '16', CHAOS_MINUTES: '60' } },
  },
  {
    name: 'crash',
    minutes: 5,
    sizes: { CHAOS_CRASHES: '12', CHAOS_MINUTES: '2' },
    full: { minutes: 50, sizes: { CHAOS_CRASHES: '200', CHAOS_MINUTES: '40' } },
  },
  {
    name: 'rules',
    minutes: 6,
    sizes: { CHAOS_RULED_OPERATIONS: '20000', CHAOS_RULED_CRASHES: '9', CHAOS_MINUTES: '2' },
    full: { minutes: 60, sizes: { CHAOS_RULED_OPERATIONS: '300000', CHAOS_RULED_CRASHES: '100', CHAOS_MINUTES: '25' } },
  },
  {
    name: 'outage',
    minutes: 5,
    sizes: { CHAOS_OUTAGE_MS: '30000' },
    full: { minutes: 8, sizes: { CHAOS_OUTAGE_MS: '60000' } },
  },
  {
    name: 'shortOutages',
    minutes: 4,
    sizes: { CHAOS_SHORT_OUTAGES: '3' },
    full: { minutes: 20, sizes: { CHAOS_SHORT_OUTAGES: '30' } },
  },
  {
    name: 'failover',
    minutes: 6,
    sizes: { CHAOS_FAILOVERS: '1' },
    full: { minutes: 30, sizes: { CHAOS_FAILOVERS: '10' } },
  },
  { name: 'clock', minutes: 6 },
  {
    name: 'slowDisk',
    minutes: 4,
    sizes: { CHAOS_BAD_DISK_MS: '10000' },
    full: { minutes: 8, sizes: { CHAOS_BAD_DISK_MS: '30000' } },
  },
  {
    name: 'diskFull',
    minutes: 4,
    sizes: { CHAOS_FULL_DISKS: '1' },
    full: { minutes: 10, sizes: { CHAOS_FULL_DISKS: '5' } },
  },
  {
    name: 'walFull',
    minutes: 4,
    sizes: { CHAOS_FULL_LOGS: '1' },
    full: { minutes: 10, sizes: { CHAOS_FULL_LOGS: '5' } },
  },
  {
    name: 'connections',
    minutes: 5,
    sizes: { CHAOS_RESTARTS: '6' },
    full: { minutes: 20, sizes: { CHAOS_RESTARTS: '30' } },
  },
  {
    name: 'fuzz',
    minutes: 4,
    sizes: { CHAOS_FUZZ: '200' },
    full: { minutes: 20, sizes: { CHAOS_FUZZ: '2000' } },
  },
];

const { values, positionals } = parseArgs({
  options: { out: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  allowPositionals: true,
});
const scale = process.env.CHAOS_SCALE || 'default';
const unknown = positionals.filter((name) => !pieces.some((p) => p.name === name));
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
if (unknown.length > 0 || !['default', 'full'].includes(scale)) {
  const what = unknown.length > 0 ? `there is no test "${unknown[0]}"` : `CHAOS_SCALE must be default or full`;
  process.stderr.write(`npm run chaos: ${what}; the tests are ${pieces.map((p) => p.name).join(', ')}\n`);
  process.exit(2);
}

interface Outcome {
  readonly name: string;
  readonly shown: readonly Shown[];
  readonly skips: readonly string[];
  readonly seconds: number;
  readonly trouble: string | undefined;
}

/** All that the tests leave behind is in here, even when they are given up. */
const scratch = mkdtempSync(join(tmpdir(), 'licence-chaos-'));
chmodSync(scratch, 0o711); // PostgreSQL runs as somebody else
function tidy(): void {
  const mounts = existsSync('/proc/mounts') ? readFileSync('/proc/mounts', 'utf8').split('\n') : [];
  const places = mounts.map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '));
  for (const place of places.filter((p) => p.startsWith(scratch))) spawnSync('umount', ['-l', place]);
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
let running: { kill(): void } | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    running?.kill();
    tidy();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  });
}

async function runPiece(piece: Piece, minutes: number, sizes: Sizes): Promise<Outcome> {
  const report = join(scratch, `${piece.name}.jsonl`);
  const began = performance.now();
  const skips: string[] = [];
  const args = ['run', '--project', 'chaos', `test/chaos/${piece.name}.test.ts`];
  const child = spawn(process.execPath, [join(repository, 'node_modules', 'vitest', 'vitest.mjs'), ...args], {
    cwd: repository,
    // what a person sets goes before the sizes of the scale
    env: { ...sizes, ...process.env, CHAOS_REPORT: report, TMPDIR: scratch },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own: what is given up ends with its servers
  });
  const kill = () => {
    try {
      if (child.pid) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // it has ended
    }
  };
  running = { kill };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      process.stdout.write(`${piece.name} │ ${line}\n`);
      const skip = /chaos: SKIPPED: (.*)/.exec(line)?.[1];
      if (skip && !skips.includes(skip)) skips.push(skip);
    });
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill();
  }, minutes * 60_000);
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  running = undefined;
  const text = existsSync(report) ? readFileSync(report, 'utf8').trim() : '';
  const shown = text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Shown);
  const trouble = late ? `no end after ${minutes} minutes` : status === 0 ? undefined : 'failed';
  return { name: piece.name, shown, skips, seconds: (performance.now() - began) / 1_000, trouble };
}

const rowsOf = (o: Outcome): string[][] => {
  const time = `${o.seconds.toFixed(0)} s`;
  const rows = o.shown.map((s, i) => [
    o.name,
    s.claim,
    s.size,
    String(s.violations),
    s.detail ?? '',
    i === 0 ? time : '',
  ]);
  for (const skip of o.skips) rows.push([o.name, 'SKIPPED', '0', '–', skip, '']);
  if (o.trouble) rows.push([o.name, 'FAILED', '', '', o.trouble, time]);
  return rows;
};

/** What ran where, since a number says little without it. */
async function heading(): Promise<string> {
  const commit = await run('git', ['rev-parse', '--short', 'HEAD'], { cwd: repository }).catch(() => 'unknown');
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `Commit ${commit.trim()}, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${availableParallelism()} × ${cpu?.model ?? 'CPU'}, ${memory} GB, scale ${scale}`;
}

const wanted = pieces.filter((p) => positionals.length === 0 || positionals.includes(p.name));
const began = performance.now();
/** Of all of them together; a piece for which there is no time left is not run, and that is a failure. */
const limitMinutes = scale === 'full' ? 240 : 20;
const outcomes: Outcome[] = [];
for (const piece of wanted) {
  const size = scale === 'full' && piece.full ? piece.full : piece;
  const left = limitMinutes - (performance.now() - began) / 60_000;
  if (left < 1)
    outcomes.push({ name: piece.name, shown: [], skips: [], seconds: 0, trouble: 'no time was left for it' });
  else outcomes.push(await runPiece(piece, Math.min(size.minutes, left), size.sizes ?? {}));
}
tidy();

const head = ['Test', 'Claim', 'Size', 'Violations', 'Measured', 'Time'];
const rows = outcomes.flatMap(rowsOf);
const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const summary = `${await heading()}\n\n${table}\n`;
process.stdout.write(`\n${summary}\n`);
if (values.out) writeFileSync(values.out, `# What was broken on purpose, and what came of it\n\n${summary}`);
const failed = outcomes.filter((o) => o.trouble !== undefined || o.shown.some((s) => s.violations > 0));
const skipped = outcomes.filter((o) => o.skips.length > 0);
process.stdout.write(
  `chaos: ${outcomes.length - failed.length} passed, ${failed.length} failed, ${skipped.length} skipped in part or whole\n`,
);
process.exit(failed.length > 0 ? 1 : 0);

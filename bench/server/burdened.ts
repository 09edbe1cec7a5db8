import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { median } from '../median.ts';
import { type Burden, burdens, emptied } from './burdens.ts';
import { expectedStatus } from './cases.ts';
import { installBundle, type Ours, ourComputer } from './contestants.ts';
import type { LoadJob, LoadResult } from './load.ts';
import { runLoad } from './measure.ts';

// `npm run bench:burdened`: what a heavy ledger costs those who ask for a seat, beside an empty one in the same run: empty, burdened,
// and empty again on the same server. Housekeeping works on the burden meanwhile.

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number from 1');
  return value;
};
const options = new Command('bench:burdened')
  .description(
    'Measures check-outs and /v1/status over a heavy ledger beside an empty one, and a start that clears stale seats.',
  )
  .option('--rounds <n>', 'measurements of each state; their median counts', whole, 5)
  .option('--seconds <n>', 'length of one measurement', whole, 4)
  .option('--connections <n>', 'check-outs under way', whole, 16)
  .option('--share <percent>', 'so much of each burden, for a short run', whole, 100)
  .option('--only <words>', 'burdens whose name contains these words')
  .option('--no-build', 'takes the bundle in dist/server as it is')
  .parse()
  .opts<{ rounds: number; seconds: number; connections: number; share: number; only?: string; build: boolean }>();

/** p99 of check-outs may be so many times that of an empty ledger; the status so long. */
const goals = { p99: 1.3, statusMs: 20 } as const;
const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

interface Seen {
  readonly checkOuts: readonly LoadResult[];
  readonly status: readonly LoadResult[];
}

async function see(ours: Ours, what: string): Promise<Seen> {
  const seen = { checkOuts: [] as LoadResult[], status: [] as LoadResult[] };
  const job = async (kind: LoadJob['kind'], token: string, connections: number): Promise<LoadResult> => {
    const result = await runLoad({ port: ours.port, token, kind, connections, seconds: options.seconds });
    const strange = Object.keys(result.statuses).filter((status) => !expectedStatus[kind].includes(status));
    if (strange.length > 0) throw new Error(`${kind} was answered ${JSON.stringify(result.statuses)}`);
    return result;
  };
  for (let round = 1; round <= options.rounds; round++) {
    seen.checkOuts.push(await job('checkout', ours.token, options.connections));
    seen.status.push(await job('status', ours.adminToken, 1));
    const [last] = [seen.checkOuts.at(-1)];
    say(
      `${what}, round ${round} of ${options.rounds}: ${last?.perSecond}/s, p99 ${last?.p99Ms} ms, longest ${last?.maxMs} ms`,
    );
  }
  return seen;
}

const p99 = (results: readonly LoadResult[]): number => median(results.map((r) => r.p99Ms));
const longest = (results: readonly LoadResult[]): number => Math.max(...results.map((r) => r.maxMs));
/** When expiry was frozen last, in ms since the epoch; it moves with every freeze. */
const frozenUntil = async (ours: Ours): Promise<number> =>
  Number((await ours.fixture.query('SELECT max(extract(epoch FROM frozen_until)) * 1000 AS ms FROM pool'))[0]?.ms);
const rowsOf = async (ours: Ours, table: string): Promise<number> =>
  Number((await ours.fixture.query(`SELECT count(*) AS n FROM ${table}`))[0]?.n);

const dir = mkdtempSync(join(tmpdir(), 'bench-'));
let missed = 0;
const rows: (readonly string[])[] = [];
const verdict = (isMet: boolean): string => {
  if (!isMet) missed += 1;
  return isMet ? 'met' : '**missed**';
};

async function measure(burden: Burden, computer: { start(): Promise<Ours> }): Promise<void> {
  let ours = await computer.start();
  try {
    await emptied(ours.fixture);
    const before = await see(ours, 'empty');
    await emptied(ours.fixture);
    say(`puts ${burden.name}`);
    await burden.put(ours.fixture, options.share / 100);
    const frozen = await frozenUntil(ours);
    const left = burden.shrinks === undefined ? 0 : await rowsOf(ours, burden.shrinks);
    const burdened = await see(ours, burden.name);
    const freezes = (await frozenUntil(ours)) === frozen ? 'none' : 'yes';
    const gone = burden.shrinks === undefined ? 0 : left - (await rowsOf(ours, burden.shrinks));
    let start = '–';
    if (burden.startMs !== undefined) {
      await ours.stop();
      const from = performance.now();
      ours = await computer.start();
      const took = performance.now() - from;
      const kept = Number((await ours.fixture.query('SELECT count(*) AS n FROM lease WHERE kind > 0'))[0]?.n);
      start = `${Math.round(took)} ms, ${kept} seats left: ${verdict(took <= burden.startMs && kept === 0)}`;
    }
    await emptied(ours.fixture);
    const after = await see(ours, 'empty again');
    const empty = [...before.checkOuts, ...after.checkOuts];
    const ratio = p99(burdened.checkOuts) / p99(empty);
    const statusMs = median(burdened.status.map((r) => r.p50Ms));
    rows.push([
      burden.name,
      p99(before.checkOuts).toFixed(2),
      p99(burdened.checkOuts).toFixed(2),
      p99(after.checkOuts).toFixed(2),
      `${ratio.toFixed(2)} ×: ${verdict(ratio <= goals.p99)}`,
      `${longest(empty).toFixed(0)} / ${longest(burdened.checkOuts).toFixed(0)}`,
      `${statusMs.toFixed(1)}: ${verdict(statusMs <= goals.statusMs)}`,
      `${freezes}: ${verdict(freezes === 'none')}`,
      burden.shrinks === undefined ? '–' : `${gone.toLocaleString('en')} rows: ${verdict(gone > 0)}`,
      start,
    ]);
  } finally {
    await ours.stop();
  }
}

try {
  const app = installBundle(dir, options.build);
  for (const burden of burdens.filter((b) => b.name.includes(options.only ?? ''))) {
    const computer = await ourComputer('ours', mkdtempSync(join(dir, 'computer-')), app, []);
    try {
      await measure(burden, computer);
    } finally {
      computer.remove();
    }
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}

const head = [
  'ledger',
  'p99 ms, empty',
  'burdened',
  'empty again',
  'burdened ÷ empty',
  'longest ms, empty / burdened',
  '/v1/status ms',
  'freezes',
  'housekeeping took',
  'a start that clears',
];
const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
process.stdout.write(
  `${options.connections} connections · ${options.rounds} × ${options.seconds} s each · ${options.share} % of each burden · load at the end ${loadavg()
    .map((n) => n.toFixed(1))
    .join(' ')}\n\n${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n\n${
    missed === 0 ? 'all goals met' : `${missed} goal(s) missed`
  }\n`,
);
process.exitCode = missed === 0 ? 0 : 1;
